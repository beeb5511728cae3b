//! Messages that are born claimed: where a device has room when a message comes, the message is inserted under this
//! gateway's lease and goes straight to the transport. It needs no queue and no claim; if this gateway dies, its lease runs
//! out as any other does.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::dispatch::send;
use super::fleet::Placement;
use crate::id::{DeviceId, MessageId};
use crate::message::Message;
use crate::queue::Job;
use crate::state::State;
use crate::store::{Inserted, Insertion};

/// Batches of such messages that are on their way at once. How many messages they are is for the devices' windows to say.
pub(super) const AT_ONCE: usize = 64;

/// The messages of one write that are to be born claimed.
pub(super) struct Births {
    // Where there is none, everything goes through the queue.
    permit: Option<OwnedSemaphorePermit>,
}

impl Births {
    /// Older messages go first: nothing is born claimed while there may be some in the queue.
    pub(super) fn begin(shared: &Shared) -> Self {
        let may = !shared.settings.always_queue && shared.backlog.is_empty();
        Self { permit: may.then(|| shared.births.clone().try_acquire_owned().ok()).flatten() }
    }

    /// Takes a place for each message that is due now and for which a device has one.
    pub(super) fn claim(&self, shared: &Shared, rows: &mut [Insertion]) {
        if self.permit.is_none() {
            return;
        }
        let mut due: Vec<&mut Insertion> =
            rows.iter_mut().filter(|row| row.message.state == State::Queued).collect();
        let jobs: Vec<Job> = due.iter().map(|row| Job::of(&row.message)).collect();
        for (row, placement) in due.iter_mut().zip(shared.fleet.place(&jobs, shared.clock.now())) {
            if let Placement::Device { device, .. } = placement {
                row.message.state = State::Sending;
                row.message.device = Some(device);
                row.message.attempts = 1;
                row.lease = Some(shared.settings.lease);
            }
        }
    }

    /// What is now to be sent, once it is known what became of the rows. The places of the others are given back, also
    /// where nothing is known: such a message is looked after when its lease has run out.
    pub(super) fn end(&mut self, shared: &Shared, rows: Vec<Insertion>, outcomes: &[Inserted]) -> Born {
        let mut left: Vec<(DeviceId, MessageId)> = Vec::new();
        let mut messages = Vec::new();
        for (index, Insertion { message, lease, .. }) in rows.into_iter().enumerate() {
            match (lease, message.device, outcomes.get(index)) {
                (Some(_), Some(_), Some(Inserted::New)) => messages.push(message),
                (Some(_), Some(device), _) => left.push((device, message.id)),
                _ => {}
            }
        }
        if !left.is_empty() {
            shared.fleet.give_back(&left, shared.clock.now());
        }
        Born { messages, permit: self.permit.take() }
    }
}

/// Messages that were born claimed and are committed.
#[must_use = "they are sent only by `send`"]
pub(super) struct Born {
    messages: Vec<Message>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Born {
    /// Has them sent, in a task of its own.
    pub(super) fn send(self, shared: &Arc<Shared>) {
        let Self { messages, permit } = self;
        if messages.is_empty() {
            return;
        }
        let task = shared.clone();
        shared.sending.spawn(async move {
            let routes = task.fleet.routes(messages.iter().filter_map(|message| message.device));
            if let Err(error) = send(&task, messages.into_iter().zip(routes).collect()).await {
                tracing::warn!(%error, "could not write down what was sent; it is sent again when its lease runs out");
            }
            drop(permit);
        });
    }
}
