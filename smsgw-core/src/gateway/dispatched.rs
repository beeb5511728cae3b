//! Writes down that the broker took messages for devices that report, unless a device has said more meanwhile.
//!
//! A device that is there answers within a moment, and its report says all that the broker's word would say. So that word
//! is kept back for this moment: most messages then cost a write less. Until it is written they are `sending`, under the
//! lease of their claim, and nothing is lost if this gateway dies: that could be as well before it had any word.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Shared;
use super::dispatch::{Record, announce};
use super::retry::until_done;
use crate::state::{Change, Fence, Transition};

/// How long the device may take to say more.
const HELD: Duration = Duration::from_millis(50);
/// Batches that may be held: more wait to be taken. Enough for 300,000 a second, of which each may be one message.
const BATCHES: usize = 16_384;
/// Messages of one write, unless one batch has more.
const BATCH: usize = 1_000;

pub(super) enum Word {
    /// The broker took these at that moment.
    Taken(Vec<Record>, Instant),
    /// Answered when all before it is written.
    Flush(oneshot::Sender<()>),
}

/// Where words are held.
pub(super) struct Words(mpsc::Sender<Word>);

impl Words {
    pub(super) fn new() -> (Self, mpsc::Receiver<Word>) {
        let (words, receiver) = mpsc::channel(BATCHES);
        (Self(words), receiver)
    }

    pub(super) async fn hold(&self, taken: Vec<Record>) {
        if !taken.is_empty() {
            // Gone only with the gateway: then the leases look after them.
            let _ = self.0.send(Word::Taken(taken, Instant::now())).await;
        }
    }

    /// Waits until everything that was held is written, which is at once when the gateway stops.
    pub(super) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.0.send(Word::Flush(done)).await.is_ok() {
            let _ = written.await;
        }
    }
}

/// Writes what was held, until the gateway has stopped and asks for the last of it.
pub(super) async fn run(shared: Arc<Shared>, mut words: mpsc::Receiver<Word>) {
    let mut next = words.recv().await;
    while let Some(word) = next.take() {
        match word {
            Word::Flush(done) => {
                let _ = done.send(());
                if shared.stop.is_cancelled() {
                    return;
                }
                next = words.recv().await;
            }
            Word::Taken(mut taken, since) => {
                tokio::select! {
                    () = tokio::time::sleep_until(since + HELD) => {}
                    () = shared.stop.cancelled() => {}
                }
                let is_due = |at: Instant| at.elapsed() >= HELD || shared.stop.is_cancelled();
                // One batch of what is due, unless that is much; what is not begins the next.
                loop {
                    next = words.try_recv().ok();
                    match next.take() {
                        Some(Word::Taken(more, at)) if is_due(at) && taken.len() < BATCH => {
                            taken.extend(more)
                        }
                        other => {
                            next = other;
                            break;
                        }
                    }
                }
                write(&shared, &taken, since).await;
                if next.is_none() {
                    next = words.recv().await;
                }
            }
        }
    }
}

async fn write(shared: &Shared, taken: &[Record], since: Instant) {
    let recheck = Some(shared.settings.recheck);
    let held = shared.fleet.holds(taken.iter().map(|record| (record.device, record.id)));
    let transitions: Arc<[Transition]> = taken
        .iter()
        .zip(held)
        // That a message was taken back takes no place.
        .filter(|(record, held)| *held || record.is_cancel)
        .map(|(record, _)| Transition {
            id: record.id,
            fence: Fence::Epoch(record.epoch),
            change: Change::Dispatched { recheck },
        })
        .collect();
    if transitions.is_empty() {
        return;
    }
    // Past the lease another dispatcher has the messages, and our word would be stale.
    let over = |_: &_| since.elapsed() >= shared.settings.lease;
    match until_done(|| shared.writer.advance(transitions.clone()), over).await {
        Ok(outcomes) => announce(shared, outcomes),
        Err(error) => tracing::warn!(
            %error, messages = transitions.len(),
            "could not write down what was sent; it is sent again when its lease runs out"
        ),
    }
}
