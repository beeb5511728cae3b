mod queue;
mod store;
mod transport;

use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;

use crate::error::{Error, ErrorKind, Result};

/// How often the calls of a [`Fault`] go wrong, and how. The default is: never.
///
/// Probabilities are from 0.0 (never) to 1.0 (always) and independent of each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultPlan {
    /// Decides what happens to which call: the same calls in the same order under the same seed fare alike.
    pub seed: u64,
    /// How likely a call fails without having happened, as `Unavailable`.
    pub fail_before: f64,
    /// How likely a call happens and its answer is lost, as `Timeout`.
    pub fail_after: f64,
    /// How likely a call is held up before it happens.
    pub delay: f64,
    /// The longest that it is held up; how long is evenly spread.
    pub max_delay: Duration,
}

impl Default for FaultPlan {
    fn default() -> Self {
        Self { seed: 0, fail_before: 0.0, fail_after: 0.0, delay: 0.0, max_delay: Duration::ZERO }
    }
}

/// Makes the calls of a store, queue or transport go wrong as a plan says, to show that whoever calls it loses
/// nothing.
///
/// Every call may fail but those that cannot (`capabilities`). [`Transport::open`](crate::transport::Transport::open)
/// fails before it happens only: a lost inbox could not be opened again.
///
/// ```
/// use smsgw_core::layer::{Fault, FaultPlan};
/// use smsgw_core::memory::MemoryStore;
/// use smsgw_core::store::Store;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store = Fault::new(MemoryStore::new(), FaultPlan { fail_before: 1.0, ..FaultPlan::default() });
/// assert!(store.ready().await.is_err());
/// store.set_plan(FaultPlan::default());
/// assert!(store.ready().await.is_ok());
/// # }
/// ```
#[derive(Debug)]
pub struct Fault<T> {
    inner: T,
    state: Mutex<(FaultPlan, Rng)>,
}

/// What happens to one call.
struct Fate {
    delay: Option<Duration>,
    fails_before: bool,
    fails_after: bool,
}

impl<T> Fault<T> {
    /// `inner`, whose calls fare as `plan` says.
    pub fn new(inner: T, plan: FaultPlan) -> Self {
        Self { inner, state: Mutex::new((plan, Rng::with_seed(plan.seed))) }
    }

    /// Changes the plan for the calls to come, and begins its seed anew.
    pub fn set_plan(&self, plan: FaultPlan) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (plan, Rng::with_seed(plan.seed));
    }

    /// What is wrapped.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    fn draw(&self) -> Fate {
        let (plan, rng) = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // The same number of draws for each call, so that one probability does not shift what the others hit.
        let [delay, share, before, after] = [(); 4].map(|()| rng.f64());
        Fate {
            delay: (delay < plan.delay).then(|| plan.max_delay.mul_f64(share)),
            fails_before: before < plan.fail_before,
            fails_after: after < plan.fail_after,
        }
    }

    /// Makes a call whose answer may be lost.
    async fn call<R>(&self, operation: &'static str, call: impl Future<Output = Result<R>>) -> Result<R> {
        let fate = self.draw();
        fate.before(operation).await?;
        let answer = call.await?;
        if fate.fails_after {
            return Err(error(ErrorKind::Timeout, operation));
        }
        Ok(answer)
    }
}

impl Fate {
    async fn before(&self, operation: &'static str) -> Result<()> {
        if let Some(delay) = self.delay {
            tokio::time::sleep(delay).await;
        }
        if self.fails_before {
            return Err(error(ErrorKind::Unavailable, operation));
        }
        Ok(())
    }
}

impl<T: fmt::Display> fmt::Display for Fault<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with faults", self.inner)
    }
}

fn error(kind: ErrorKind, operation: &'static str) -> Error {
    Error::new(kind, "fault", operation).with_detail("injected by the fault layer")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fares(plan: FaultPlan, calls: usize) -> Vec<(bool, Option<ErrorKind>)> {
        let layer = Fault::new((), plan);
        let mut fares = Vec::new();
        for _ in 0..calls {
            let mut happened = false;
            let call = async {
                happened = true;
                Ok(())
            };
            let failed = layer.call("test", call).await.err().map(|error| error.kind());
            fares.push((happened, failed));
        }
        fares
    }

    #[tokio::test(start_paused = true)]
    async fn a_plan_without_faults_changes_nothing() {
        assert_eq!(fares(FaultPlan::default(), 100).await, vec![(true, None); 100]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_fails_before_it_happens_or_after() {
        let never = FaultPlan { fail_before: 1.0, ..FaultPlan::default() };
        assert_eq!(fares(never, 10).await, vec![(false, Some(ErrorKind::Unavailable)); 10]);
        let lost = FaultPlan { fail_after: 1.0, ..FaultPlan::default() };
        assert_eq!(fares(lost, 10).await, vec![(true, Some(ErrorKind::Timeout)); 10]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_decides() {
        let plan = FaultPlan { seed: 7, fail_before: 0.2, fail_after: 0.2, ..FaultPlan::default() };
        let first = fares(plan, 1_000).await;
        assert_eq!(first, fares(plan, 1_000).await);
        assert_ne!(first, fares(FaultPlan { seed: 8, ..plan }, 1_000).await);
        let failed = first.iter().filter(|(_, failed)| failed.is_some()).count();
        assert!((300..420).contains(&failed), "{failed} of 1,000 failed where about 360 should");
        // A probability more leaves the rest where it was.
        let delayed = FaultPlan { delay: 0.5, max_delay: Duration::from_secs(1), ..plan };
        assert_eq!(first, fares(delayed, 1_000).await);
    }

    #[tokio::test(start_paused = true)]
    async fn delays_are_bounded() {
        let plan = FaultPlan { delay: 1.0, max_delay: Duration::from_secs(2), ..FaultPlan::default() };
        let start = tokio::time::Instant::now();
        assert_eq!(fares(plan, 100).await, vec![(true, None); 100]);
        let taken = start.elapsed();
        assert!(Duration::from_secs(70) < taken && taken < Duration::from_secs(130), "{taken:?}");
    }
}
