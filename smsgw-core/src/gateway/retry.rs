use std::future::Future;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, Retry};

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Whether it was the content of the call that cannot be taken, now or ever. Then each item of a batch is tried alone,
/// so that one bad row does not hold up the rest.
pub(super) fn is_poison(error: &Error) -> bool {
    use ErrorKind::{Corrupt, Internal, Invalid, Unsupported};
    !error.is_retryable() && matches!(error.kind(), Corrupt | Internal | Invalid | Unsupported)
}

/// Repeats `call` until it succeeds, fails for good, or `give_up` says so after a failure. Pauses double from 50 ms
/// to 2 s, each shortened at random by up to half, so that gateways do not knock in step.
pub(super) async fn until_done<T, F>(
    mut call: impl FnMut() -> F,
    mut give_up: impl FnMut(&Error) -> bool,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut pause = FIRST;
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if !error.is_retryable() || give_up(&error) {
            return Err(error);
        }
        let wait = match error.retry() {
            Retry::After(wait) => wait,
            _ => pause.mul_f64(0.5 + 0.5 * fastrand::f64()),
        };
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(LONGEST);
    }
}
