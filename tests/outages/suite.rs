//! How a case runs, and the times that are promised.

use std::time::Duration;

use libtest_mimic::{Completion, Trial};
use smsgw_test_support::{Direction, Missing, Proxy};

/// How soon a request is answered while a backend is away.
pub(crate) const REFUSED: Duration = Duration::from_secs(2);
/// How soon the gateway is ready when the database or the broker is back.
pub(crate) const READY: Duration = Duration::from_secs(5);
/// How long messages may pause once the queue is back.
pub(crate) const PAUSE: Duration = Duration::from_secs(6);
/// How soon a network that is whole again is as good as before.
pub(crate) const HEALED: Duration = Duration::from_secs(10);
/// How soon what the broker did not take is sent again: a connection is tried again after 3 s at most, a message after
/// 5 s at most, and what is due is found within a second.
pub(crate) const RESENT: Duration = Duration::from_secs(12);
/// How soon what was claimed when a backend went away is claimed again: the lease of 30 s, and a look.
pub(crate) const RECLAIMED: Duration = Duration::from_secs(35);
/// What a machine may take on top of any promise that runs much else at the same time.
pub(crate) const LOADED: Duration = Duration::from_secs(1);

/// A case that must be waited for in a runtime of its own.
pub(crate) fn case<F>(name: &str, run: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = Result<(), Missing>>,
{
    plain(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(run())
    })
}

/// A case for each way in which the network to `part` can fail.
pub(crate) fn each_way<F>(part: &str, apart: fn(&'static str, fn(&Proxy)) -> F) -> Vec<Trial>
where
    F: Future<Output = Result<(), Missing>> + 'static,
{
    let ways: [(_, _, fn(&Proxy)); 4] = [
        ("cut", "cut", Proxy::down),
        ("stalled", "stalled", Proxy::stall),
        ("hears_nothing", "hears nothing", |proxy| proxy.block(Direction::ToServer)),
        ("is_not_heard", "is not heard", |proxy| proxy.block(Direction::ToClient)),
    ];
    let trial = |(name, what, harm)| case(&format!("partition::{part}_{name}"), move || apart(what, harm));
    ways.into_iter().map(trial).collect()
}

/// A case that needs no runtime.
pub(crate) fn plain(name: &str, run: impl FnOnce() -> Result<(), Missing> + Send + 'static) -> Trial {
    Trial::ignorable_test(name, move || match run() {
        Ok(()) => Ok(Completion::Completed),
        Err(missing) if missing.is_required() => Err(missing.0.into()),
        Err(Missing(why)) => Ok(Completion::ignored_with(why)),
    })
}

/// Says what was measured, for whoever runs with `--nocapture` or looks at a failure.
pub(crate) fn measured(what: &str, took: Duration) {
    eprintln!("measured: {what}: {} ms", took.as_millis());
}
