//! The same with Redis, in a task of its own.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use smsgw::gateway::Handle;
use smsgw::redis::{RedisConfig, RedisResults};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::explained;

/// Before Redis is tried again.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn reach(url: &SecretString) -> smsgw::error::Result<()> {
    let (_nothing, changes) = broadcast::channel(1);
    RedisResults::start(&config(url), changes).await?.close().await;
    Ok(())
}

/// Tells and listens until it is stopped.
pub(super) fn start(url: SecretString, handle: Handle, stop: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(results) = stop.run_until_cancelled(connected(&config(&url), &handle)).await else { return };
        let mut news = results.subscribe();
        while let Some(heard) = stop.run_until_cancelled(news.recv()).await {
            match heard {
                Ok(moved) => handle.learn(&[moved]),
                // What was missed, the store tells later.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
        results.close().await;
    })
}

/// Tries until Redis is there, and says why it is not as often as the reason changes.
async fn connected(config: &RedisConfig, handle: &Handle) -> RedisResults {
    let mut reason = None;
    loop {
        let error = match RedisResults::start(config, handle.observe()).await {
            Ok(results) => {
                if reason.is_some() {
                    tracing::info!("gateways tell each other again what becomes of messages");
                }
                return results;
            }
            Err(error) => error,
        };
        if reason.replace(error.kind()) != Some(error.kind()) {
            tracing::warn!(
                "gateways do not tell each other what becomes of messages until this is mended: {}",
                explained(&error)
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn config(url: &SecretString) -> RedisConfig {
    RedisConfig::new(url.expose_secret())
}
