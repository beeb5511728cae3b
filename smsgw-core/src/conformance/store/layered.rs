use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreFixture;
use crate::store::Store;
use crate::time::Timestamp;

/// The fixture of a store under a layer: `layer` wraps every handle.
pub fn layered<F, L>(fixture: F, layer: L) -> impl StoreFixture
where
    F: StoreFixture,
    L: Fn(Arc<dyn Store>) -> Arc<dyn Store> + Send + Sync + 'static,
{
    let store = layer(fixture.store());
    Layered { fixture, layer, store }
}

struct Layered<F, L> {
    fixture: F,
    layer: L,
    store: Arc<dyn Store>,
}

#[async_trait]
impl<F, L> StoreFixture for Layered<F, L>
where
    F: StoreFixture,
    L: Fn(Arc<dyn Store>) -> Arc<dyn Store> + Send + Sync + 'static,
{
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    async fn peer(&self) -> Option<Arc<dyn Store>> {
        self.fixture.peer().await.map(&self.layer)
    }

    async fn reopen(&self) -> Option<Arc<dyn Store>> {
        self.fixture.reopen().await.map(&self.layer)
    }

    fn now(&self) -> Timestamp {
        self.fixture.now()
    }

    async fn elapse(&self, span: Duration) {
        self.fixture.elapse(span).await;
    }
}
