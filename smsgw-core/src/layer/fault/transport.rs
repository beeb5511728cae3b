use async_trait::async_trait;

use super::Fault;
use crate::error::Result;
use crate::id::DeviceId;
use crate::transport::{Downlink, Inbox, Sent, Transport, TransportCapabilities};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Fault<T> {
    fn capabilities(&self) -> TransportCapabilities {
        self.inner.capabilities()
    }

    async fn open(&self) -> Result<Inbox> {
        self.draw().before("open").await?;
        self.inner.open().await
    }

    async fn send(&self, batch: &[Downlink]) -> Result<Vec<Sent>> {
        self.call("send", self.inner.send(batch)).await
    }

    async fn disconnect(&self, devices: &[DeviceId]) -> Result<()> {
        self.call("disconnect", self.inner.disconnect(devices)).await
    }

    async fn ready(&self) -> Result<()> {
        self.call("ready", self.inner.ready()).await
    }

    async fn close(&self) -> Result<()> {
        self.call("close", self.inner.close()).await
    }
}
