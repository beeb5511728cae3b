//! Mends what was lost: queue entries, leases of gateways that died, messages whose time has come or is over.

use std::sync::Arc;
use std::time::Duration;

use super::{Shared, cancel, ending, queued};
use crate::crash;
use crate::device::Device;
use crate::error::Result;
use crate::key::KeyId;
use crate::store::DueQuery;

/// Messages of one look.
const BATCH: usize = 1_000;
/// Devices that are asked at each look for what another gateway may have set aside for them.
const DEVICES: usize = 64;

/// How long a device may hold a message before it is asked whether another gateway has heard of it.
const HELD_FOR: Duration = Duration::from_secs(2);

/// Looks at once, then regularly, until the gateway stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(shared.settings.reconcile_every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        for device in shared.fleet.expire(shared.clock.now()) {
            tracing::info!(%device, "the key of a device has expired");
        }
        if let Err(error) = look_again(&shared).await {
            tracing::warn!(%error, "could not learn which devices were paused elsewhere; trying again");
        }
        if shared.transport.capabilities().shares_traffic
            && let Err(error) = compare(&shared).await
        {
            tracing::warn!(%error, "could not learn what other gateways have heard; trying again");
        }
        if let Err(error) = ending::see_off(&shared).await {
            tracing::warn!(%error, "could not end the sessions of keys that were replaced");
        }
        if let Err(error) = recheck_keys(&shared).await {
            tracing::warn!(%error, "could not learn which keys were revoked elsewhere; trying again");
        }
        if let Err(error) = look(&shared).await {
            tracing::warn!(%error, "could not reconcile; trying again");
        }
    }
}

/// Has some devices, in turn, asked for what other gateways may have set aside for them, and learns whether one has paused them.
async fn look_again(shared: &Shared) -> Result<()> {
    let devices = shared.fleet.look_again(DEVICES, shared.clock.now());
    if devices.is_empty() {
        return Ok(());
    }
    let pauses = shared.fleet.pauses();
    let found: Vec<Device> = shared.store.find_devices(&devices).await?.into_iter().flatten().collect();
    shared.fleet.learn(&found, pauses, shared.clock.now());
    Ok(())
}

/// Frees the places of messages whose reports have come in at other gateways.
async fn compare(shared: &Shared) -> Result<()> {
    let now = shared.clock.now();
    loop {
        // What was asked for is not named again: this ends.
        let held = shared.fleet.long_held(now - HELD_FOR, now, BATCH);
        if held.is_empty() {
            return Ok(());
        }
        let still = shared.store.in_hand(&held).await?;
        let gone = held.iter().zip(still).filter(|(_, still)| !still).map(|(held, _)| (held.device, held.id));
        shared.fleet.release(gone, now);
    }
}

/// Sends nothing more to devices whose keys were revoked by other gateways, or deleted with their devices.
async fn recheck_keys(shared: &Shared) -> Result<()> {
    let mut over = Vec::new();
    for in_use in shared.fleet.keys_in_use().chunks(BATCH) {
        let keys: Vec<KeyId> = in_use.iter().map(|(_, key)| *key).collect();
        let found = shared.store.find_keys(&keys).await?;
        let now = shared.clock.now();
        for ((device, key), found) in in_use.iter().zip(found) {
            let is_valid = found.is_some_and(|found| found.revoked_at.is_none_or(|end| now < end));
            if !is_valid && shared.fleet.forget_key(*device, *key) {
                tracing::info!(%device, %key, "the key of a device was revoked");
                over.push(*device);
            }
        }
    }
    if over.is_empty() { Ok(()) } else { shared.transport.disconnect(&over).await }
}

async fn look(shared: &Shared) -> Result<()> {
    loop {
        // A queue that has run dry may have lost what the store believes to be in it. One that does not answer is no
        // reason to let messages outlive their time.
        let requeue = shared.queue.depth().await.is_ok_and(|depth| depth.ready == 0);
        let due = shared.store.due(DueQuery { max: BATCH, requeue }).await?;
        let left = due.moved.iter().filter_map(|moved| Some((moved.device?, moved.id)));
        shared.fleet.release(left, shared.clock.now());
        shared.announce(due.moved);
        cancel::ask(shared, &due.asks).await?;
        if !due.jobs.is_empty() {
            crash::point("due");
            queued::push(shared, &due.jobs).await?;
        }
        if !due.more || shared.stop.is_cancelled() {
            return Ok(());
        }
    }
}
