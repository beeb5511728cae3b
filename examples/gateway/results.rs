//! What gateways tell each other through `RESULT_BACKEND`.
//!
//! Nothing depends on it: a gateway whose Redis is away starts, works, and tries again in the background. What changed
//! meanwhile is not told later; the store knows it.

#[cfg(feature = "redis")]
mod share;

use smsgw::error::{Error, with_causes};
use smsgw::gateway::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::settings::Settings;

/// The way to the other gateways; nobody listens where none is named.
pub(crate) struct Results {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Results {
    pub(crate) fn start(settings: &Settings, handle: &Handle) -> Self {
        let stop = CancellationToken::new();
        #[cfg(feature = "redis")]
        let task = settings.results.clone().map(|url| share::start(url, handle.clone(), stop.clone()));
        // The settings have refused it.
        #[cfg(not(feature = "redis"))]
        let (task, _) = (None, (settings, handle));
        Self { stop, task }
    }

    /// Writes what waits.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        if let Some(task) = self.task {
            // Fails only where it has panicked, which was said then.
            let _ = task.await;
        }
    }
}

/// Whether what the settings name is there, and lets us in.
pub(crate) async fn reach(settings: &Settings) -> smsgw::error::Result<()> {
    #[cfg(feature = "redis")]
    if let Some(url) = &settings.results {
        return share::reach(url).await;
    }
    let _ = settings;
    Ok(())
}

/// Before any work is taken: refuses what will not mend by itself.
pub(crate) async fn look(settings: &Settings) -> Result<(), String> {
    match reach(settings).await {
        Err(error) if !error.is_retryable() => Err(explained(&error)),
        _ => Ok(()),
    }
}

pub(crate) fn explained(error: &Error) -> String {
    format!("{}; see RESULT_BACKEND", with_causes(error))
}
