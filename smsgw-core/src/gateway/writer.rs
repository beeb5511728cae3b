//! Writes changes of state, one batch at a time: whatever waits while a write is under way is the next one.
//!
//! Dispatchers and devices speak of the same messages at the same time: a report may be here before the broker's word has
//! been written down. In two writes that overlap, one of them would wait for the other's row and then decide again; in one
//! batch, a message is read and written once, whatever became of it meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::retry::is_poison;
use crate::error::{Error, ErrorKind, Result};
use crate::state::Transition;
use crate::store::{Advanced, Store};

/// Transitions of one write, unless one caller has more.
const BATCH: usize = 1_000;
/// What a timer can do: a store that is faster than that is not kept waiting, and no timer is set, which would round up.
const SHORTEST_REST: Duration = Duration::from_millis(1);
/// What nobody who waits for a state would notice.
const LONGEST_REST: Duration = Duration::from_millis(20);
/// A batch that costs a store little for each transition: nothing is gained by waiting for more.
const ENOUGH: usize = 256;
/// Callers that wait. More of them wait for a place.
const WAITING: usize = 256;

/// Transitions of one caller, and where the outcomes go.
pub(super) struct Request {
    transitions: Arc<[Transition]>,
    answer: oneshot::Sender<Result<Vec<Advanced>>>,
}

impl Request {
    /// A caller that has gone finds out by reading.
    fn answer(self, outcomes: Result<Vec<Advanced>>) {
        let _ = self.answer.send(outcomes);
    }
}

pub(super) struct Writer(mpsc::Sender<Request>);

impl Writer {
    pub(super) fn new() -> (Self, mpsc::Receiver<Request>) {
        let (requests, receiver) = mpsc::channel(WAITING);
        (Self(requests), receiver)
    }

    /// As [`advance`](crate::store::MessageStore::advance), with what others write meanwhile.
    pub(super) async fn advance(&self, transitions: Arc<[Transition]>) -> Result<Vec<Advanced>> {
        let (answer, answered) = oneshot::channel();
        let closed = || Error::new(ErrorKind::Closed, "gateway", "advance");
        self.0.send(Request { transitions, answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// Writes until the gateway is gone.
///
/// A store that is busy gets as much time for itself as it has taken, so that the next batch is larger: what it pays for
/// each write and each sync of the disk, it pays less often, and new messages find it free.
pub(super) async fn run(store: Arc<dyn Store>, mut requests: mpsc::Receiver<Request>) {
    let mut rest = None;
    while let Some(first) = requests.recv().await {
        if let Some(until) = rest.take() {
            sleep_until(until).await;
        }
        let mut size = first.transitions.len();
        let mut batch = vec![first];
        while size < BATCH {
            let Ok(next) = requests.try_recv() else { break };
            size += next.transitions.len();
            batch.push(next);
        }
        let begun = Instant::now();
        write(&*store, batch).await;
        rest = rest_after(begun.elapsed(), size).map(|rest| Instant::now() + rest);
    }
}

/// How long no write follows one of so many transitions that has taken `span`.
fn rest_after(span: Duration, size: usize) -> Option<Duration> {
    (span >= SHORTEST_REST && size < ENOUGH).then(|| span.min(LONGEST_REST))
}

async fn write(store: &dyn Store, requests: Vec<Request>) {
    // One caller's transitions are a batch as they are.
    let requests = match <[Request; 1]>::try_from(requests) {
        Ok([request]) => {
            let outcomes = store.advance(&request.transitions).await;
            return request.answer(outcomes);
        }
        Err(several) => several,
    };
    let all: Vec<Transition> =
        requests.iter().flat_map(|request| request.transitions.iter().cloned()).collect();
    match store.advance(&all).await {
        Ok(outcomes) => {
            let mut outcomes = outcomes.into_iter();
            for request in requests {
                let own = outcomes.by_ref().take(request.transitions.len()).collect();
                request.answer(Ok(own));
            }
        }
        // Of these callers, those who are not to blame are not to wait for the one who is.
        Err(error) if is_poison(&error) => {
            for request in requests {
                let outcomes = store.advance(&request.transitions).await;
                request.answer(outcomes);
            }
        }
        Err(error) => requests.into_iter().for_each(|request| request.answer(Err(error.clone()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;

    #[tokio::test(start_paused = true)]
    async fn a_fast_store_is_not_kept_waiting() {
        let (writer, requests) = Writer::new();
        let _writing = tokio::spawn(run(Arc::new(MemoryStore::new()), requests));
        let begun = Instant::now();
        for _ in 0..100 {
            writer.advance(Arc::from([])).await.expect("written");
        }
        assert_eq!(begun.elapsed(), Duration::ZERO, "no timer was set, which would have rounded up");
    }

    #[test]
    fn a_slow_store_rests_as_long_as_it_has_worked_and_not_for_ever() {
        assert_eq!(rest_after(Duration::from_micros(900), 10), None);
        assert_eq!(rest_after(Duration::from_millis(5), 10), Some(Duration::from_millis(5)));
        assert_eq!(rest_after(Duration::from_secs(1), 10), Some(LONGEST_REST));
        assert_eq!(rest_after(Duration::from_millis(5), ENOUGH), None, "that was a large batch");
    }
}
