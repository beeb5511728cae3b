//! Administrative acts: finished once they are begun, and noted.

pub(crate) mod devices;
pub(crate) mod keys;
pub(crate) mod messages;
pub(crate) mod tokens;

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
    /// noted too: a part of it may have been done. Waits for a place in the log, since such an act must not be missing from it.
    pub(crate) async fn noted<T>(
        &self,
        outcome: Result<Option<T>>,
        act: impl FnOnce(Option<&T>) -> Act,
    ) -> Result<T, Problem> {
        match outcome {
            Ok(Some(done)) => {
                self.audit.record(act(Some(&done))).await;
                Ok(done)
            }
            Ok(None) => Err(Problem::not_found()),
            Err(error) => {
                let refused = Some(format!("not finished: {}", error.kind().as_str()));
                self.audit.record(Act { refused, ..act(None) }).await;
                Err(error.into())
            }
        }
    }
}
