//! The cancellation sweep: drops a call at each await, and lets a test see what that left behind.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

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
        let polled = poll_fn(|context| {
            if polls == self.polls {
                return Poll::Ready(None);
            }
            polls += 1;
            match call.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if polls == self.polls && !self.woken => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        if self.woken {
            // A call may wait for what never comes.
            timeout(ANSWER.max(ANSWER * u32::try_from(self.polls).unwrap_or(1)), polled).await.unwrap_or(None)
        } else {
            polled.await
        }
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
            verify(world, output).await;
            if ended {
                break;
            }
        }
    }
}
