//! Keys that end later, as those that others have replaced: whoever still uses one then is sent away.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::Shared;
use crate::error::Result;
use crate::id::DeviceId;
use crate::key::KeyId;
use crate::time::Timestamp;

/// The keys whose end this gateway has set, by when it comes. What other gateways have set they see to.
#[derive(Debug, Default)]
pub(super) struct EndingKeys(Mutex<BTreeSet<(Timestamp, DeviceId, KeyId)>>);

impl EndingKeys {
    pub(super) fn add(&self, at: Timestamp, device: DeviceId, key: KeyId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((at, device, key));
    }

    /// Those whose time has come.
    fn over(&self, now: Timestamp) -> Vec<(DeviceId, KeyId)> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (now + Duration::from_micros(1), Uuid::nil().into(), KeyId::from_bytes([0; 10]));
        let later = keys.split_off(&next);
        std::mem::replace(&mut *keys, later).into_iter().map(|(_, device, key)| (device, key)).collect()
    }
}

/// Sends devices away whose keys have ended; those that have another come back with that.
pub(super) async fn see_off(shared: &Shared) -> Result<()> {
    let over = shared.ending.over(shared.clock.now());
    if over.is_empty() {
        return Ok(());
    }
    for (device, key) in &over {
        shared.fleet.forget_key(*device, *key);
        tracing::info!(%device, %key, "a key that was replaced has ended");
    }
    let devices: Vec<DeviceId> = over.into_iter().map(|(device, _)| device).collect();
    shared.transport.disconnect(&devices).await
}
