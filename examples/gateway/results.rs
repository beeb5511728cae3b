//! What gateways tell each other through `RESULT_BACKEND`.

use std::error::Error;

use smsgw::gateway::Handle;

use crate::settings::Settings;

/// The way to the other gateways; nobody listens where none is named.
pub(crate) struct Results {
    #[cfg(feature = "redis")]
    redis: Option<(std::sync::Arc<smsgw::redis::RedisResults>, tokio::task::JoinSet<()>)>,
}

#[cfg(feature = "redis")]
impl Results {
    pub(crate) async fn start(settings: &Settings, handle: &Handle) -> Result<Self, Box<dyn Error>> {
        use secrecy::ExposeSecret;
        use smsgw::redis::{RedisConfig, RedisResults};
        use tokio::sync::broadcast::error::RecvError;

        let Some(url) = &settings.results else { return Ok(Self { redis: None }) };
        let config = RedisConfig::new(url.expose_secret());
        let results = RedisResults::start(&config, handle.observe())
            .await
            .map_err(|error| format!("{}; see RESULT_BACKEND", smsgw::error::with_causes(&error)))?;
        let mut news = results.subscribe();
        let handle = handle.clone();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            loop {
                match news.recv().await {
                    Ok(moved) => handle.learn(&[moved]),
                    // What was missed, the store tells later.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        Ok(Self { redis: Some((results.into(), tasks)) })
    }

    /// Writes what waits.
    pub(crate) async fn close(self) {
        if let Some((results, _tasks)) = self.redis {
            results.close().await;
        }
    }
}

#[cfg(not(feature = "redis"))]
impl Results {
    pub(crate) async fn start(settings: &Settings, _: &Handle) -> Result<Self, Box<dyn Error>> {
        match &settings.results {
            Some(url) => Err(crate::backends::not_built(url)),
            None => Ok(Self {}),
        }
    }

    pub(crate) async fn close(self) {}
}
