use std::path::Path;
use std::time::Duration;

use smsgw::error::with_causes;
use smsgw::mqtt::device::{Device, Outcome, Radio, RadioError, Sms};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::demo::Phone;

/// Phones that play the part of real ones, over MQTT like them.
pub(crate) struct Phones(JoinSet<()>, CancellationToken);

/// A radio that takes a moment, always succeeds, and hears of the delivery a little later.
struct Simulated;

#[async_trait::async_trait]
impl Radio for Simulated {
    async fn transmit(&mut self, _: &Sms) -> Result<Outcome, RadioError> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(Outcome::DeliveredAfter(Duration::from_millis(500)))
    }
}

/// Starts a phone for each device, with its journal in `data`.
pub(crate) fn start(devices: &[Phone], mqtt: &str, data: &Path) -> Result<Phones, String> {
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    for Phone { id, api_key } in devices {
        let device = Device::builder(mqtt, &id.to_string(), api_key.clone())
            .agent("smsgw-simulated")
            .journal(data.join(format!("phone-{id}.journal")))
            .build()
            .map_err(|error| with_causes(&error))?;
        let (id, stop) = (*id, stop.clone());
        tasks.spawn(async move {
            if let Err(error) = device.run(Simulated, stop.cancelled_owned()).await {
                tracing::error!(device = %id, error = with_causes(&error), "a simulated phone has stopped");
            }
        });
    }
    Ok(Phones(tasks, stop))
}

impl Phones {
    /// Switches them off.
    pub(crate) async fn stop(mut self) {
        self.1.cancel();
        while self.0.join_next().await.is_some() {}
    }
}
