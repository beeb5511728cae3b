use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::QueueFixture;
use crate::queue::Queue;

/// The fixture of a queue under a layer: `layer` wraps every handle.
pub fn layered<F, L>(fixture: F, layer: L) -> impl QueueFixture
where
    F: QueueFixture,
    L: Fn(Arc<dyn Queue>) -> Arc<dyn Queue> + Send + Sync + 'static,
{
    let queue = layer(fixture.queue());
    Layered { fixture, layer, queue }
}

struct Layered<F, L> {
    fixture: F,
    layer: L,
    queue: Arc<dyn Queue>,
}

#[async_trait]
impl<F, L> QueueFixture for Layered<F, L>
where
    F: QueueFixture,
    L: Fn(Arc<dyn Queue>) -> Arc<dyn Queue> + Send + Sync + 'static,
{
    fn queue(&self) -> Arc<dyn Queue> {
        Arc::clone(&self.queue)
    }

    async fn peer(&self) -> Option<Arc<dyn Queue>> {
        self.fixture.peer().await.map(&self.layer)
    }

    async fn reopen(&self) -> Option<Arc<dyn Queue>> {
        self.fixture.reopen().await.map(&self.layer)
    }

    fn lease(&self) -> Duration {
        self.fixture.lease()
    }

    fn capacity(&self) -> Option<usize> {
        self.fixture.capacity()
    }

    async fn elapse(&self, span: Duration) {
        self.fixture.elapse(span).await;
    }
}
