//! Simulated phones, over MQTT like real ones.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use smsgw::error::with_causes;
use smsgw::mqtt::device::{Device, Outcome, Radio, RadioError, Sms};
use tokio::task::JoinSet;

use crate::broker::Way;
use crate::demo::Phone;

/// A radio that takes a moment, always succeeds, and hears of the delivery a little later.
struct Simulated;

#[async_trait::async_trait]
impl Radio for Simulated {
    async fn transmit(&mut self, _: &Sms) -> Result<Outcome, RadioError> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(Outcome::DeliveredAfter(Duration::from_millis(500)))
    }
}

/// Starts a phone for each device, over MQTT like real ones, with its journal in `data`. They stop when dropped.
///
/// A broker that wants TLS is shown the gateway's certificate: they are a part of it.
pub(crate) fn start(phones: &[Phone], way: &Way, data: &Path) -> Result<JoinSet<()>, Box<dyn Error>> {
    let mut tasks = JoinSet::new();
    let mqtt = way.plain.as_ref().or(way.tls.as_ref()).map_or("", String::as_str);
    for Phone { id, api_key } in phones {
        let device = Device::builder(mqtt, id.to_string(), api_key.clone())
            .tls(way.files.clone())
            .journal(data.join(format!("phone-{id}.journal")))
            .build()
            .map_err(|error| format!("a phone in {}: {}", data.display(), with_causes(&error)))?;
        tasks.spawn(async move {
            if let Err(error) = device.run(Simulated, std::future::pending()).await {
                tracing::error!(error = with_causes(&error), "a simulated phone has stopped");
            }
        });
    }
    Ok(tasks)
}
