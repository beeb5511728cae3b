use std::sync::Arc;

use async_trait::async_trait;

use super::{TestDevice, TransportFixture};
use crate::device::Protocol;
use crate::transport::Transport;

/// The fixture of a transport under a layer: `layer` wraps it.
pub fn layered<F: TransportFixture>(
    fixture: F,
    layer: impl Fn(Arc<dyn Transport>) -> Arc<dyn Transport>,
) -> impl TransportFixture {
    let transport = layer(fixture.transport());
    Layered { fixture, transport }
}

struct Layered<F> {
    fixture: F,
    transport: Arc<dyn Transport>,
}

#[async_trait]
impl<F: TransportFixture> TransportFixture for Layered<F> {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.transport)
    }

    async fn device(&self, protocol: Protocol) -> Option<Box<dyn TestDevice>> {
        self.fixture.device(protocol).await
    }

    async fn sever(&self) {
        self.fixture.sever().await;
    }

    fn backlog(&self) -> usize {
        self.fixture.backlog()
    }
}
