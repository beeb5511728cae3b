//! The queue of `examples/custom_queue.rs` keeps the promises of the trait: the whole suite, in the few lines that any
//! backend needs.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use smsgw::conformance::queue::{QueueFixture, suite};
use smsgw::conformance::{Absent, Arguments, run};
use smsgw::queue::Queue;

#[path = "../examples/custom_queue/turns.rs"]
mod turns;

/// Long enough for the cases that call the queue several times within one.
const LEASE: Duration = Duration::from_secs(1);

struct Fixture(Arc<turns::TurnsQueue>);

#[async_trait]
impl QueueFixture for Fixture {
    fn queue(&self) -> Arc<dyn Queue> {
        self.0.clone()
    }

    async fn peer(&self) -> Option<Arc<dyn Queue>> {
        None
    }

    async fn reopen(&self) -> Option<Arc<dyn Queue>> {
        None
    }

    fn lease(&self) -> Duration {
        LEASE
    }

    fn capacity(&self) -> Option<usize> {
        None
    }

    async fn elapse(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

async fn fresh() -> Result<Fixture, Absent> {
    Ok(Fixture(Arc::new(turns::TurnsQueue::new(LEASE))))
}

fn main() -> ExitCode {
    run(&Arguments::from_args(), vec![suite("turns", fresh)])
}
