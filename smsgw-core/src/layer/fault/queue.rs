use std::time::Duration;

use async_trait::async_trait;

use super::Fault;
use crate::error::Result;
use crate::queue::{Job, Leased, Queue, QueueCapabilities, QueueDepth, Receipt, Settled, Settlement};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Queue> Queue for Fault<T> {
    fn capabilities(&self) -> QueueCapabilities {
        self.inner.capabilities()
    }

    async fn push(&self, jobs: &[Job]) -> Result<()> {
        self.call("push", self.inner.push(jobs)).await
    }

    async fn lease(&self, max: usize, wait: Duration) -> Result<Vec<Leased>> {
        self.call("lease", self.inner.lease(max, wait)).await
    }

    async fn settle(&self, settlements: &[(Receipt, Settlement)]) -> Result<Vec<Settled>> {
        self.call("settle", self.inner.settle(settlements)).await
    }

    async fn depth(&self) -> Result<QueueDepth> {
        self.call("depth", self.inner.depth()).await
    }

    async fn ready(&self) -> Result<()> {
        self.call("ready", self.inner.ready()).await
    }

    async fn close(&self) -> Result<()> {
        self.call("close", self.inner.close()).await
    }
}
