//! Sends what was set aside: a device that has room takes, in order, what waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Shared;
use super::dispatch::send;
use super::fleet::{PullTicket, Route};
use crate::crash;
use crate::id::MessageId;
use crate::message::Message;
use crate::store::Pull;

/// Devices of one claim.
const DEVICES: usize = 64;
/// How long to wait after the store could not be asked.
const PAUSE: Duration = Duration::from_secs(1);

/// Pulls until the gateway stops; what it has begun goes on in `shared.sending`.
pub(super) async fn run(shared: Arc<Shared>) {
    let in_flight = Arc::new(Semaphore::new(shared.settings.batches_in_flight));
    loop {
        let Ok(permit) = in_flight.clone().acquire_owned().await else { return };
        if shared.stop.is_cancelled() {
            return;
        }
        let tickets = shared.fleet.pulls(DEVICES, shared.clock.now());
        if tickets.is_empty() {
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = shared.fleet.pullable(shared.clock.now()) => continue,
            }
        }
        // One look after the other: two at once would find the same messages.
        let Some(messages) = claim(&shared, &tickets).await else {
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => continue,
            }
        };
        if messages.is_empty() {
            continue;
        }
        crash::point("pulled");
        let task = shared.clone();
        shared.sending.spawn(async move {
            if let Err(error) = send(&task, messages).await {
                tracing::warn!(%error, "could not write down what was sent; it is sent again when its lease runs out");
                tokio::time::sleep(PAUSE).await;
            }
            drop(permit);
        });
    }
}

/// Claims what waits for the devices of `tickets`; `None` where the store could not be asked.
async fn claim(shared: &Shared, tickets: &[PullTicket]) -> Option<Vec<(Message, Option<Route>)>> {
    let pulls: Vec<Pull> = tickets.iter().map(|ticket| ticket.pull).collect();
    let begun = shared.clock.now();
    let claimed = shared.store.claim_waiting(&pulls, shared.settings.lease).await;
    shared.counters.claim.add(begun.until(shared.clock.now()), 1);
    let now = shared.clock.now();
    let claimed = match claimed {
        Ok(claimed) => claimed,
        Err(error) => {
            tracing::warn!(%error, "could not take what was set aside");
            tickets.iter().for_each(|ticket| shared.fleet.pulled(ticket, &[], false, now));
            return None;
        }
    };
    let mut messages = Vec::new();
    for (ticket, claimed) in tickets.iter().zip(claimed) {
        // What only tells a device not to send takes neither a place nor a turn.
        let places = claimed.iter().filter(|message| !message.is_canceling());
        let ids: Vec<MessageId> = places.map(|message| message.id).collect();
        shared.fleet.pulled(ticket, &ids, claimed.is_empty(), now);
        messages.extend(claimed.into_iter().map(|message| (message, Some(ticket.route.clone()))));
    }
    Some(messages)
}
