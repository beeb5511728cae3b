//! Administrative acts: finished once they are begun, and noted.

use std::panic::resume_unwind;

use smsgw_core::audit::Act;
use smsgw_core::error::Result;
use tracing::Instrument;

use crate::problem::{Code, Problem};
use crate::router::Api;

/// Finishes an act also where its client goes away meanwhile, so that what was done is noted and known everywhere.
pub(crate) async fn whole<T: Send + 'static>(
    act: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::spawn(act.in_current_span()).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Err(Problem::new(Code::Closing, "send the request to another gateway or again")),
        },
    }
}

impl Api {
    /// Notes the act that came out as `outcome`; `None` where there was nothing to act on. One that failed on the way is
    /// noted too: a part of it may have been done.
    pub(crate) fn noted<T>(
        &self,
        outcome: Result<Option<T>>,
        act: impl FnOnce(Option<&T>) -> Act,
    ) -> Result<T, Problem> {
        match outcome {
            Ok(Some(done)) => {
                self.audit.note(act(Some(&done)));
                Ok(done)
            }
            Ok(None) => Err(Problem::not_found()),
            Err(error) => {
                let refused = Some(format!("not finished: {}", error.kind().as_str()));
                self.audit.note(Act { refused, ..act(None) });
                Err(error.into())
            }
        }
    }
}
