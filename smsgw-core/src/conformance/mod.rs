//! The suite that every backend of a trait runs: the contracts in the traits' docs, as cases.
//!
//! A backend brings a fixture for each trait that it implements, and a test without the usual harness that hands the
//! fixtures to [`run`]. In `Cargo.toml`:
//!
//! ```toml
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! In `tests/conformance.rs`, where `fresh` makes a place of its own for each case (a schema, a prefix, a directory):
//!
//! ```
//! use std::process::ExitCode;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use smsgw_core::conformance::{self, Absent, Arguments, queue::QueueFixture};
//! use smsgw_core::memory::MemoryQueue;
//! use smsgw_core::queue::Queue;
//!
//! const LEASE: Duration = Duration::from_secs(1);
//!
//! struct Fixture(MemoryQueue);
//!
//! #[async_trait::async_trait]
//! impl QueueFixture for Fixture {
//!     fn queue(&self) -> Arc<dyn Queue> {
//!         Arc::new(self.0.clone())
//!     }
//!     async fn peer(&self) -> Option<Arc<dyn Queue>> {
//!         Some(Arc::new(self.0.clone()))
//!     }
//!     async fn reopen(&self) -> Option<Arc<dyn Queue>> {
//!         None
//!     }
//!     fn lease(&self) -> Duration {
//!         LEASE
//!     }
//!     fn capacity(&self) -> Option<usize> {
//!         None
//!     }
//!     async fn elapse(&self, span: Duration) {
//!         tokio::time::sleep(span).await;
//!     }
//! }
//!
//! async fn fresh() -> Result<Fixture, Absent> {
//!     Ok(Fixture(MemoryQueue::builder().lease(LEASE).build()))
//! }
//!
//! # #[allow(clippy::needless_doctest_main)]
//! fn main() -> ExitCode {
//!     # let args = Arguments { filter: Some("jobs_come_out".into()), ..Arguments::default() };
//!     # #[cfg(any())]
//!     let args = Arguments::from_args();
//!     conformance::run(&args, vec![conformance::queue::suite("example", fresh)])
//! }
//! ```
//!
//! The cases then show under names such as `example::queue::expired_lease_comes_back`. A backend whose server is not
//! there answers [`Absent`]: its cases are ignored, unless `SMSGW_TEST_REQUIRE` names the backend (several with
//! commas between), which turns them into failures. Layers run the suite too, around the fixture of any backend: see
//! [`store::layered`], [`queue::layered`] and [`transport::layered`].

mod case;
pub mod queue;
pub mod store;
pub mod sweep;
pub mod transport;

use std::process::ExitCode;

pub use case::{Absent, Case, Outcome, Stage, Suite};
pub use libtest_mimic::Arguments;
use libtest_mimic::{Completion, Failed, Trial};

/// The environment variable that names the backends whose absence is a failure.
pub const REQUIRE: &str = "SMSGW_TEST_REQUIRE";

/// Runs suites as a test binary does, with its command line in `args`, and says how it should exit.
pub fn run(args: &Arguments, suites: Vec<Suite>) -> ExitCode {
    let required = std::env::var(REQUIRE).unwrap_or_default();
    let trials = suites.into_iter().flat_map(|suite| {
        let is_required = required.split(',').any(|name| name.trim() == suite.backend());
        suite
            .into_cases()
            .map(move |(name, case)| Trial::ignorable_test(name, move || verdict(case(), is_required)))
    });
    libtest_mimic::run(args, trials.collect()).exit_code()
}

fn verdict(outcome: Outcome, is_required: bool) -> Result<Completion, Failed> {
    match outcome {
        Outcome::Passed => Ok(Completion::Completed),
        Outcome::Failed(why) => Err(Failed::from(why)),
        Outcome::Absent(Absent(why)) if is_required => {
            Err(Failed::from(format!("{REQUIRE} names it: {why}")))
        }
        Outcome::Absent(Absent(why)) => Ok(Completion::ignored_with(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_backend_is_ignored_unless_it_is_required() {
        let absent = || Outcome::Absent(Absent("no server".into()));
        assert!(matches!(verdict(absent(), false), Ok(Completion::Ignored { .. })));
        assert!(verdict(absent(), true).is_err_and(|failed| {
            failed.message().is_some_and(|why| why.contains(REQUIRE) && why.contains("no server"))
        }));
    }

    #[test]
    fn every_case_has_a_name_of_its_own() {
        fn names<F: ?Sized>(cases: &[Case<F>]) -> Vec<&'static str> {
            cases.iter().map(Case::name).collect()
        }
        for names in [names(&store::cases()), names(&queue::cases()), names(&transport::cases())] {
            let distinct: std::collections::HashSet<_> = names.iter().collect();
            assert_eq!(distinct.len(), names.len(), "{names:?}");
        }
    }
}
