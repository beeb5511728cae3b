use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime;
use tokio::time::timeout;

/// Longer than any case takes where waiting is real, so that a call that hangs is a failure with a name.
const LONGEST: Duration = Duration::from_secs(120);

type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;
type Fresh<F> = Arc<dyn Fn() -> LocalFuture<Result<Box<F>, Absent>> + Send + Sync>;

/// Why a backend cannot be tested here, as `no server at localhost:5432`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent(pub String);

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The backend keeps that part of the contract.
    Passed,
    /// It does not, and this is what was seen.
    Failed(String),
    /// The backend is not there.
    Absent(Absent),
}

/// One sentence of a contract, as a test of fixtures `F`. It panics where the sentence does not hold.
pub struct Case<F: ?Sized> {
    name: &'static str,
    run: fn(Stage<F>) -> LocalFuture<()>,
}

impl<F: ?Sized> Case<F> {
    pub(super) const fn new(name: &'static str, run: fn(Stage<F>) -> LocalFuture<()>) -> Self {
        Self { name, run }
    }

    /// What it shows, as `expired_lease_comes_back`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case, in a runtime of its own.
    fn outcome(&self, fresh: &Fresh<F>) -> Outcome {
        let body = async {
            let first = match fresh().await {
                Ok(first) => Mutex::new(Some(first)),
                Err(absent) => return Outcome::Absent(absent),
            };
            match timeout(LONGEST, (self.run)(Stage { fresh: Arc::clone(fresh), first })).await {
                Ok(()) => Outcome::Passed,
                Err(_) => Outcome::Failed(format!("did not end within {LONGEST:?}")),
            }
        };
        // Two workers, so that what the case spawns really runs beside it.
        let runtime = match runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Outcome::Failed(format!("no runtime: {error}")),
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(body)));
        runtime.shutdown_timeout(Duration::from_secs(1));
        outcome.unwrap_or_else(|panic| Outcome::Failed(said(panic.as_ref())))
    }
}

impl<F: ?Sized> fmt::Debug for Case<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panicked".into())
}

/// Where a case runs: it makes as many fixtures as the case wants.
pub struct Stage<F: ?Sized> {
    fresh: Fresh<F>,
    /// Made before the case began, to learn whether the backend is there.
    first: Mutex<Option<Box<F>>>,
}

impl<F: ?Sized> Stage<F> {
    /// An empty place that shares nothing with the others.
    ///
    /// # Panics
    /// Where the backend has gone away since the case began.
    pub async fn fresh(&self) -> Box<F> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        match first {
            Some(first) => first,
            None => (self.fresh)().await.unwrap_or_else(|Absent(why)| panic!("the backend went away: {why}")),
        }
    }
}

impl<F: ?Sized> fmt::Debug for Stage<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

/// The cases of one trait, for one backend.
pub struct Suite {
    backend: String,
    cases: Vec<(String, Run)>,
}

type Run = Box<dyn Fn() -> Outcome + Send>;

impl Suite {
    pub(super) fn new<F: ?Sized + 'static>(
        backend: &str,
        subject: &str,
        cases: Vec<Case<F>>,
        fresh: impl AsyncFn() -> Result<Box<F>, Absent> + Send + Sync + 'static,
    ) -> Self {
        let fresh = Arc::new(fresh);
        let fresh: Fresh<F> = Arc::new(move || {
            let fresh = Arc::clone(&fresh);
            Box::pin(async move { fresh().await })
        });
        let cases = cases.into_iter().map(|case| {
            let fresh = Arc::clone(&fresh);
            let name = format!("{backend}::{subject}::{}", case.name);
            let run: Run = Box::new(move || case.outcome(&fresh));
            (name, run)
        });
        Self { backend: backend.to_owned(), cases: cases.collect() }
    }

    /// The name of the backend.
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// The cases by their full names, as `memory::queue::expired_lease_comes_back`. Each is called outside of any
    /// runtime and runs in one of its own.
    pub fn into_cases(self) -> impl Iterator<Item = (String, impl Fn() -> Outcome + Send)> {
        self.cases.into_iter()
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.cases.iter().map(|(name, _)| name).collect();
        f.debug_struct("Suite").field("backend", &self.backend).field("cases", &names).finish()
    }
}

/// A list of [`Case`]s from async functions that take a [`Stage`], named after them.
macro_rules! cases {
    ($($module:ident: $($case:ident),+ $(,)?;)+) => {
        vec![$($($crate::conformance::Case::new(
            stringify!($case),
            |stage| Box::pin(async move { $module::$case(&stage).await }),
        )),+),+]
    };
}
pub(super) use cases;
