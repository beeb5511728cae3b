//! The way to the devices: the embedded broker, or one outside.

use std::error::Error;
use std::sync::Arc;

use smsgw::audit::AuditLog;
use smsgw::auth::Authenticator;
use smsgw::error::with_causes;
use smsgw::mqtt::broker::{Broker, BrokerConfig};
use smsgw::mqtt::transport::{MqttConfig, MqttTransport, TlsConfig};
use smsgw::store::Store;
use smsgw::time::SystemClock;

use crate::settings::{Mqtt, Outside};

pub(crate) struct Way {
    pub(crate) transport: Arc<MqttTransport>,
    /// Where devices connect without TLS, and with it.
    pub(crate) plain: Option<String>,
    pub(crate) tls: Option<String>,
    /// What a broker outside is shown, and checked by.
    pub(crate) files: TlsConfig,
    embedded: Option<Broker>,
}

pub(crate) async fn open(
    mqtt: &Mqtt,
    store: &Arc<dyn Store>,
    audit: &AuditLog,
) -> Result<Way, Box<dyn Error>> {
    match mqtt {
        Mqtt::Embedded(config) => embedded(config, store, audit).await,
        Mqtt::Outside(Outside { config, .. }) => Ok(outside(config)),
    }
}

async fn embedded(
    config: &BrokerConfig,
    store: &Arc<dyn Store>,
    audit: &AuditLog,
) -> Result<Way, Box<dyn Error>> {
    let authenticator = Authenticator::new(store.clone(), SystemClock);
    let broker = Broker::start_with_audit(config.clone(), authenticator, audit.clone()).await;
    let broker = broker.map_err(|error| format!("{}; see --mqtt and --mqtt-tls", with_causes(&error)))?;
    Ok(Way {
        transport: Arc::new(MqttTransport::embedded(&broker)),
        plain: Some(format!("mqtt://{}", broker.local_addr())),
        tls: broker.tls_addr().map(|address| format!("mqtts://{address}")),
        files: TlsConfig::default(),
        embedded: Some(broker),
    })
}

fn outside(config: &MqttConfig) -> Way {
    let MqttConfig { host, port, .. } = config;
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let is_here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if config.tls.is_none() && !is_here {
        tracing::warn!("messages and passwords go to {address} unencrypted; set MQTT_CA_CERT for TLS");
    }
    let (plain, tls) = match config.tls {
        None => (Some(format!("mqtt://{address}")), None),
        Some(_) => (None, Some(format!("mqtts://{address}"))),
    };
    let files = config.tls.clone().unwrap_or_default();
    Way { transport: Arc::new(MqttTransport::new(config.clone())), plain, tls, files, embedded: None }
}

impl Way {
    /// Ends what is ours of it, once the gateway has left.
    pub(crate) async fn close(&self) {
        if let Some(broker) = &self.embedded {
            broker.close().await;
        }
    }
}
