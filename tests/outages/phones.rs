//! Simulated native devices, and the air that hears them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smsgw::gateway::{Handle as Gateway, NewDevice};
use smsgw::id::{AccountId, DeviceId};
use smsgw::mqtt::device::{Device, Handle, Outcome, Radio, RadioError, Sms};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What went over the air: for each message when, once for each time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Air(Arc<Mutex<HashMap<String, Vec<Instant>>>>);

impl Air {
    fn hear(&self, id: &str) {
        self.0.lock().expect("not poisoned").entry(id.to_owned()).or_default().push(Instant::now());
    }

    /// When a message was sent first.
    pub(crate) fn first(&self, id: &str) -> Option<Instant> {
        self.0.lock().expect("not poisoned").get(id).and_then(|times| times.first().copied())
    }

    /// Waits until all have been sent. Says how long that took from `since` on.
    pub(crate) async fn all_sent(&self, ids: &HashSet<String>, since: Instant, within: Duration) -> Duration {
        loop {
            let sent: Vec<_> = ids.iter().map(|id| self.first(id)).collect();
            if let Some(last) = sent.iter().copied().collect::<Option<Vec<_>>>() {
                return last
                    .into_iter()
                    .max()
                    .map_or(Duration::ZERO, |at| at.saturating_duration_since(since));
            }
            let missing = sent.iter().filter(|at| at.is_none()).count();
            assert!(since.elapsed() < within, "{missing} of {} are not sent within {within:?}", ids.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// No message, accepted or not, went over the air twice.
    pub(crate) fn never_twice(&self) {
        let heard = self.0.lock().expect("not poisoned");
        let twice = heard.values().filter(|times| times.len() > 1).count();
        assert_eq!(twice, 0, "of {} messages these went over the air more than once", heard.len());
    }
}

struct Heard(Air);

#[async_trait::async_trait]
impl Radio for Heard {
    async fn transmit(&mut self, sms: &Sms) -> Result<Outcome, RadioError> {
        self.0.hear(&sms.id);
        Ok(Outcome::Sent)
    }
}

/// Devices that run until this is dropped.
pub(crate) struct Phones {
    pub(crate) air: Air,
    pub(crate) each: Vec<(DeviceId, Handle)>,
    off: CancellationToken,
    _tasks: JoinSet<()>,
}

impl Phones {
    /// Starts so many devices of `account` that come in at `url`.
    pub(crate) async fn start(gateway: &Gateway, account: AccountId, url: &str, count: usize) -> Self {
        let (air, off) = (Air::default(), CancellationToken::new());
        let (mut each, mut tasks) = (Vec::new(), JoinSet::new());
        for n in 0..count {
            let device = gateway.create_device(account, NewDevice::new(n.to_string())).await.expect("made");
            let (key, _) = gateway.create_key(account, device.id, None).await.expect("made").expect("there");
            let phone = Device::builder(url, device.id.to_string(), key.expose().to_owned()).build();
            let phone = phone.expect("a phone");
            each.push((device.id, phone.handle()));
            let (radio, off) = (Heard(air.clone()), off.clone());
            tasks.spawn(async move {
                phone.run(radio, off.cancelled_owned()).await.expect("its journal is in memory");
            });
        }
        Self { air, each, off, _tasks: tasks }
    }
}

impl Drop for Phones {
    fn drop(&mut self) {
        self.off.cancel();
    }
}
