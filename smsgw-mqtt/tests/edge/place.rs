//! A broker, a gateway at work on it, and an account that devices belong to.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use smsgw_core::audit::AuditLog;
use smsgw_core::auth::Authenticator;
use smsgw_core::conformance::Absent;
use smsgw_core::device::{DeviceKey, Protocol};
use smsgw_core::gateway::{Gateway, Handle, NewDevice, Running, Submitted};
use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::memory::{MemoryQueue, MemoryStore};
use smsgw_core::message::{Body, NewMessage};
use smsgw_core::time::{SystemClock, Timestamp};
use smsgw_core::transport::Transport;
use smsgw_mqtt::broker::{Broker, BrokerConfig};
use smsgw_mqtt::provision::DynsecProvisioner;
use smsgw_mqtt::transport::{MqttConfig, MqttTransport};
use smsgw_test_support::{Missing, Mosquitto};
use tokio::time::{Duration, sleep, timeout};

use crate::phone::Phone;

/// How long what must come is waited for.
pub(crate) const LONG: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Embedded,
    Mosquitto,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Embedded { "embedded" } else { "mosquitto" })
    }
}

pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    pub(crate) account: AccountId,
    _running: Running,
    _server: Server,
}

enum Server {
    Embedded { _broker: Broker },
    Mosquitto { _server: Mosquitto },
}

impl Place {
    pub(crate) async fn start(kind: Kind) -> Result<Self, Absent> {
        let store = Arc::new(MemoryStore::new());
        let audit = AuditLog::new(store.clone(), SystemClock);
        let (server, address, gateway, transport) = match kind {
            Kind::Embedded => {
                let mut config = BrokerConfig::new((Ipv4Addr::LOCALHOST, 0).into());
                // The tests say in a second what a device says in a day.
                config.max_packet_rate = 0;
                let authenticator = Authenticator::new(store.clone(), SystemClock);
                let broker = Broker::start_with_audit(config, authenticator, audit.clone()).await;
                let broker = broker.expect("a free port");
                let transport = Arc::new(MqttTransport::embedded(&broker));
                let gateway = Gateway::builder(store, MemoryQueue::new(), transport.clone());
                let address = broker.local_addr();
                (Server::Embedded { _broker: broker }, address, gateway, transport)
            }
            Kind::Mosquitto => {
                let server = Mosquitto::start_with_accounts("").map_err(|Missing(why)| Absent(why))?;
                let config = MqttConfig::new("127.0.0.1", server.port())
                    .with_account(Mosquitto::USER, Mosquitto::PASSWORD.to_owned().into());
                let provisioner = DynsecProvisioner::new(config.clone());
                smsgw_core::provision::Provisioner::check(&provisioner).await.expect("check");
                let transport = Arc::new(MqttTransport::new(config));
                let gateway =
                    Gateway::builder(store, MemoryQueue::new(), transport.clone()).provisioner(provisioner);
                let address = (Ipv4Addr::LOCALHOST, server.port()).into();
                (Server::Mosquitto { _server: server }, address, gateway, transport)
            }
        };
        let running = gateway.audit_log(audit).build().start().await.expect("start");
        until(async || transport.ready().await.is_ok()).await;
        let handle = running.handle();
        let account = handle.ensure_account("tests").await.expect("ensure_account").id;
        Ok(Self { kind, address, handle, account, _running: running, _server: server })
    }

    /// A new device with a key.
    pub(crate) async fn phone(&self, protocol: Protocol, expires_at: Option<Timestamp>) -> Phone {
        let new = NewDevice { protocol, ..NewDevice::new("phone") };
        let device = self.handle.create_device(self.account, new).await.expect("create_device");
        let made = self.handle.create_key(self.account, device.id, expires_at).await.expect("create_key");
        let (secret, DeviceKey { id: key, .. }) = made.expect("the device is there");
        Phone { address: self.address, device: device.id, protocol, key, secret: secret.expose().into() }
    }

    pub(crate) async fn phones(&self, protocol: Protocol, count: usize) -> Vec<Phone> {
        let mut phones = Vec::new();
        for _ in 0..count {
            phones.push(self.phone(protocol, None).await);
        }
        phones
    }

    /// Has each of these devices send a message that names it, each with another text; their ids.
    pub(crate) async fn submit(&self, devices: &[DeviceId]) -> Vec<MessageId> {
        let message = |device: &DeviceId| {
            let body = Body::new(format!("for {device}, {}", uuid::Uuid::now_v7())).expect("a body");
            let to = "+5351234567".parse().expect("a number");
            NewMessage { device: Some(*device), ..NewMessage::new(self.account, to, body) }
        };
        let batch = devices.iter().map(message).collect();
        let outcomes = self.handle.submit(batch).await.expect("submit");
        let id = |outcome| match outcome {
            Submitted::Accepted(message) => message.id,
            other => panic!("{other:?}"),
        };
        outcomes.into_iter().map(id).collect()
    }

    pub(crate) async fn is_online(&self, device: DeviceId) -> bool {
        let status = self.handle.device(self.account, device).await.expect("device");
        status.is_some_and(|status| status.presence.online)
    }

    pub(crate) async fn until_online(&self, device: DeviceId) {
        until(async || self.is_online(device).await).await;
    }
}

/// Waits until something is so.
pub(crate) async fn until(is_so: impl AsyncFn() -> bool) {
    let so = async {
        while !is_so().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, so).await.expect("it is so in time");
}
