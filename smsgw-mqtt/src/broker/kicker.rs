//! How the sessions of devices are ended from outside.

use std::sync::Arc;
use std::time::Duration;

use smsgw_core::id::DeviceId;
use tokio::time::timeout;

use super::Shared;
use super::roster::Life;

/// How long it is waited for the connections to end.
const KICK_WITHIN: Duration = Duration::from_secs(2);

/// Ends the sessions of devices.
#[derive(Clone)]
pub(crate) struct Kicker(Arc<Shared>);

impl Kicker {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// As [`Broker::disconnect`](super::Broker::disconnect).
    pub(crate) async fn disconnect(&self, devices: &[DeviceId]) {
        let mut ending = Vec::new();
        for device in devices {
            let lives = self.0.roster.kick(*device);
            if lives.is_empty() {
                // Its session waits for it; what is in it, the gateway has in its store.
                self.0.sessions.forget(&device.to_string()).await;
            }
            ending.extend(lives);
        }
        ended(&ending).await;
    }
}

/// Waits for the end of connections that were kicked.
pub(super) async fn ended(lives: &[Life]) {
    let ended = async {
        for life in lives {
            life.over.cancelled().await;
        }
    };
    if timeout(KICK_WITHIN, ended).await.is_err() {
        tracing::warn!("a connection takes long to end");
    }
}
