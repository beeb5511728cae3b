//! Whether the addresses to listen on are free, or taken by a gateway that runs already.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use smsgw::http::ServeTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Finding, over_tls};
use crate::settings::{Http, Mqtt, Settings};

const PATIENCE: Duration = Duration::from_secs(2);
const REQUEST: &[u8] = b"GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n";

pub(super) async fn all(settings: &Settings) -> Vec<Finding> {
    let Http { listen, .. } = settings.http;
    let runs = is_gateway(&settings.http).await;
    let mut findings = vec![Finding::new("http", free(listen, runs, "HTTP_ADDR").await)];
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
async fn is_gateway(http: &Http) -> bool {
    let start = match http.serve.tls.clone() {
        None => timeout(PATIENCE, ask(http.listen)).await.ok().and_then(Result::ok),
        Some(ServeTls { cert, .. }) => {
            let address = http.listen;
            let asked = spawn_blocking(move || over_tls::ask(address, &cert, REQUEST, PATIENCE));
            asked.await.ok().and_then(Result::ok)
        }
    };
    start.is_some_and(|start: [u8; 12]| start.ends_with(b" 200"))
}

async fn ask<const N: usize>(address: SocketAddr) -> io::Result<[u8; N]> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(REQUEST).await?;
    let mut start = [0; N];
    stream.read_exact(&mut start).await?;
    Ok(start)
}
