//! Whether the addresses to listen on are free, or taken by a gateway that runs already.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::Finding;
use crate::settings::{Mqtt, Settings};

const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn all(settings: &Settings) -> Vec<Finding> {
    let runs = is_gateway(settings.http).await;
    let mut findings = vec![Finding::new("http", free(settings.http, runs, "HTTP_ADDR").await)];
    if let Mqtt::Embedded(config) = &settings.mqtt {
        if let Some(address) = config.listen {
            findings.push(Finding::new("mqtt", free(address, runs, "MQTT_LISTEN").await));
        }
        if let Some(tls) = &config.tls {
            findings.push(Finding::new("mqtt tls", free(tls.listen, runs, "MQTT_TLS_LISTEN").await));
        }
    }
    findings
}

async fn free(address: SocketAddr, runs: bool, name: &str) -> Result<String, String> {
    match TcpListener::bind(address).await {
        Ok(_) => Ok(format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && runs => {
            Ok(format!("{address} is in use; a gateway runs here"))
        }
        Err(error) => Err(format!("cannot listen on {address} ({error}); stop what does, or set {name}")),
    }
}

/// Whether what answers there says that it lives, as a gateway does.
async fn is_gateway(address: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await?;
        std::io::Result::Ok(start.ends_with(b" 200"))
    };
    matches!(timeout(PATIENCE, asked).await, Ok(Ok(true)))
}
