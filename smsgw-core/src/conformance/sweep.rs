//! The cancellation sweep: drops a call at each await, and lets a test see what that left behind.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{sleep, timeout};

/// Longer than a backend on the same machine takes to answer.
const ANSWER: Duration = Duration::from_millis(50);
/// More than any call needs, so that one that never ends is a failure.
const MOST_POLLS: usize = 1_000;

/// Where a call is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// How often the call is polled before it is dropped; 0: it is made and never polled.
    pub polls: usize,
    /// Whether it is dropped at once after the last poll, or when it was woken to be polled again: then what it waited
    /// for has happened, and only it does not know.
    pub woken: bool,
}

impl Cut {
    /// Runs `call` until it ends or is cut off, with the waker of the task. `None` where it was cut off.
    pub async fn apply<F: Future>(self, call: F) -> Option<F::Output> {
        let mut call = pin!(call);
        let mut polls = 0;
        let output = poll_fn(|context| {
            if polls == self.polls {
                return Poll::Ready(None);
            }
            polls += 1;
            match call.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if polls == self.polls => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        if output.is_none() && self.woken {
            // The call holds the waker of this very task. It may also wait for what never comes.
            let mut is_first = true;
            let woken =
                poll_fn(|_| if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) });
            _ = timeout(ANSWER, woken).await;
        }
        output
    }
}

/// Makes a call again and again, cut off at each of its awaits in turn, until it comes to its end.
///
/// For each cut, `prepare` makes the state that the call starts from, `call` makes the call, and `verify` checks, by
/// panicking, what is left; it is given the call's output where the call came to its end.
///
/// # Panics
/// Where `verify` does, or where the call does not end.
pub async fn sweep<W, T>(
    prepare: impl AsyncFn() -> W,
    call: impl AsyncFn(&W) -> T,
    verify: impl AsyncFn(W, Option<T>),
) {
    for woken in [false, true] {
        // Unpolled is unpolled, however it is dropped.
        for polls in usize::from(woken).. {
            assert!(polls < MOST_POLLS, "the call does not end");
            let world = prepare().await;
            let output = Cut { polls, woken }.apply(call(&world)).await;
            let ended = output.is_some();
            if !ended && polls > 0 {
                // What was under way may still arrive: a commit is not called back. Then it stands still.
                sleep(ANSWER).await;
            }
            verify(world, output).await;
            if ended {
                break;
            }
        }
    }
}
