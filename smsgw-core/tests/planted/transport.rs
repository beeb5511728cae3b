use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use smsgw_core::error::Result;
use smsgw_core::id::DeviceId;
use smsgw_core::transport::{Downlink, Inbox, Sent, Transport, TransportCapabilities};

/// Answers the outcomes of a batch in the order they came in, and they came in backwards.
#[derive(Debug)]
pub(crate) struct Shuffled(pub(crate) Arc<dyn Transport>);

impl fmt::Display for Shuffled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shuffled transport")
    }
}

#[async_trait]
impl Transport for Shuffled {
    fn capabilities(&self) -> TransportCapabilities {
        self.0.capabilities()
    }

    async fn open(&self) -> Result<Inbox> {
        self.0.open().await
    }

    async fn send(&self, batch: &[Downlink]) -> Result<Vec<Sent>> {
        let mut sent = self.0.send(batch).await?;
        sent.reverse();
        Ok(sent)
    }

    async fn disconnect(&self, devices: &[DeviceId]) -> Result<()> {
        self.0.disconnect(devices).await
    }

    async fn ready(&self) -> Result<()> {
        self.0.ready().await
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}
