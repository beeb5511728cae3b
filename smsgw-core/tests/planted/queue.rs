use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use smsgw_core::error::Result;
use smsgw_core::queue::{Job, Leased, Queue, QueueCapabilities, QueueDepth, Receipt, Settled, Settlement};

/// Takes jobs out of the queue, awaits, and only then puts them under a lease: dropped in between, they are nowhere.
#[derive(Debug)]
pub(crate) struct Leaky(pub(crate) Arc<dyn Queue>);

impl fmt::Display for Leaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("leaky queue")
    }
}

#[async_trait]
impl Queue for Leaky {
    fn capabilities(&self) -> QueueCapabilities {
        self.0.capabilities()
    }

    async fn push(&self, jobs: &[Job]) -> Result<()> {
        self.0.push(jobs).await
    }

    async fn lease(&self, max: usize, wait: Duration) -> Result<Vec<Leased>> {
        if max == 0 {
            return Ok(Vec::new());
        }
        // All of them, so that they go back in the order they had.
        let popped = self.0.lease(usize::MAX, wait).await?;
        let settlements: Vec<_> = popped.iter().map(|leased| (leased.receipt, Settlement::Done)).collect();
        self.0.settle(&settlements).await?;
        // The bug.
        tokio::task::yield_now().await;
        let jobs: Vec<_> = popped.iter().map(|leased| leased.job).collect();
        self.0.push(&jobs).await?;
        self.0.lease(max, Duration::ZERO).await
    }

    async fn settle(&self, settlements: &[(Receipt, Settlement)]) -> Result<Vec<Settled>> {
        self.0.settle(settlements).await
    }

    async fn depth(&self) -> Result<QueueDepth> {
        self.0.depth().await
    }

    async fn ready(&self) -> Result<()> {
        self.0.ready().await
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}
