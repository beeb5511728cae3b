//! The conformance suite over TLS with certificates on both sides, and with accounts for all.

use std::sync::Arc;

use async_trait::async_trait;
use smsgw_core::conformance::transport::{self, TestDevice, TransportFixture};
use smsgw_core::conformance::{Absent, Suite};
use smsgw_core::device::Protocol;
use smsgw_core::id::IdSource;
use smsgw_core::provision::Provisioner;
use smsgw_core::time::{Clock, SystemClock};
use smsgw_core::transport::Transport;
use smsgw_mqtt::transport::{MqttConfig, MqttTransport};
use smsgw_test_support::Proxy;

use crate::broker::{Broker, MUTUAL};
use crate::certificates::Authority;
use crate::fixtures::{BACKLOG, Device};
use crate::ground::Ground;

pub(crate) fn all() -> [Suite; 3] {
    [
        transport::suite("mqtt_tls", Secure::new),
        transport::suite("mqtt_dynsec", async || Provisioned::new(None).await),
        transport::suite("mqtt_dynsec_shared", async || Provisioned::new(Some("smsgw")).await),
    ]
}

struct Secure {
    // First: the transport goes before its broker does.
    transport: Arc<MqttTransport>,
    proxy: Proxy,
    broker: Broker,
    ids: IdSource,
}

impl Secure {
    async fn new() -> Result<Self, Absent> {
        let authority = Authority::new();
        let broker = Broker::start(&authority.issue("localhost"), &authority, MUTUAL)?;
        let proxy = Proxy::start(broker.tls_port(), 1).map_err(|missing| Absent(missing.0))?;
        let mut config = broker.gateway(&authority);
        config.port = proxy.port();
        let (cert, key) = authority.issue("gateway").write(broker.files.path(), "gateway");
        let tls = config.tls.as_mut().expect("it has TLS");
        (tls.cert, tls.key) = (Some(cert), Some(key));
        Ok(Self { transport: Arc::new(MqttTransport::new(config)), proxy, broker, ids: IdSource::new() })
    }
}

#[async_trait]
impl TransportFixture for Secure {
    fn transport(&self) -> Arc<dyn Transport> {
        self.transport.clone()
    }

    async fn device(&self, protocol: Protocol) -> Option<Box<dyn TestDevice>> {
        let id: uuid::Uuid = self.ids.next(SystemClock.now());
        Some(Box::new(match protocol {
            Protocol::Native => Device::native(self.broker.plain(), id.into(), None),
            Protocol::Original => Device::original(self.broker.plain(), &id.to_string(), false),
        }))
    }

    async fn sever(&self) {
        self.proxy.cut();
    }

    fn backlog(&self) -> usize {
        BACKLOG
    }
}

struct Provisioned {
    // First: the transport goes before its broker does.
    transport: Arc<MqttTransport>,
    proxy: Proxy,
    ground: Ground,
}

impl Provisioned {
    async fn new(share: Option<&str>) -> Result<Self, Absent> {
        let ground = Ground::start()?;
        ground.provisioner().check().await.expect("check");
        let proxy = Proxy::start(ground.server.port(), 1).map_err(|missing| Absent(missing.0))?;
        let share = share.map(str::to_owned);
        let config = MqttConfig { port: proxy.port(), share, ..ground.config() };
        Ok(Self { transport: Arc::new(MqttTransport::new(config)), proxy, ground })
    }
}

#[async_trait]
impl TransportFixture for Provisioned {
    fn transport(&self) -> Arc<dyn Transport> {
        self.transport.clone()
    }

    async fn device(&self, protocol: Protocol) -> Option<Box<dyn TestDevice>> {
        let key = self.ground.device(protocol);
        self.ground.provisioner().grant(std::slice::from_ref(&key.grant)).await.expect("grant");
        let broker = (std::net::Ipv4Addr::LOCALHOST, self.ground.server.port()).into();
        Some(Box::new(match protocol {
            Protocol::Native => Device::native(broker, key.grant.device, Some(key.text)),
            Protocol::Original => Device::original(broker, &key.text, true),
        }))
    }

    async fn sever(&self) {
        self.proxy.cut();
    }

    fn backlog(&self) -> usize {
        BACKLOG
    }
}
