//! A Mosquitto with two listeners: with TLS for the gateway, and without for devices.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use smsgw_core::conformance::Absent;
use smsgw_core::error::ErrorKind;
use smsgw_core::transport::Transport;
use smsgw_mqtt::transport::{MqttConfig, MqttTransport, TlsConfig};
use smsgw_test_support::{Missing, Mosquitto};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::certificates::{Authority, Certificate, file};
use crate::fixtures::LONG;

/// Also asks clients for certificates.
pub(crate) const MUTUAL: &str = "require_certificate true\n";
/// A port may be taken between being found free and being listened on.
const TRIES: usize = 5;

pub(crate) struct Broker {
    pub(crate) server: Mosquitto,
    /// The listener with TLS.
    port: u16,
    pub(crate) files: TempDir,
}

impl Broker {
    /// One that shows `certificate` and takes clients of `clients`, with these lines for its listener with TLS.
    pub(crate) fn start(
        certificate: &Certificate,
        clients: &Authority,
        settings: &str,
    ) -> Result<Self, Absent> {
        let files = tempfile::tempdir().expect("a directory");
        let (cert, key) = certificate.write(files.path(), "broker");
        let ca = file(files.path(), "clients.crt", &clients.pem());
        let mut tried = 0;
        loop {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
            let port = free.expect("a free port").port();
            let started = Mosquitto::start_with(|place| {
                format!(
                    "per_listener_settings false\nset_tcp_nodelay true\nmax_inflight_messages 1000\n\
                     max_queued_messages 0\nallow_anonymous true\npersistence false\nlog_dest stderr\n\
                     listener {} 127.0.0.1\nlistener {port} 127.0.0.1\n\
                     cafile {}\ncertfile {}\nkeyfile {}\n{settings}",
                    place.port,
                    ca.display(),
                    cert.display(),
                    key.display()
                )
            });
            tried += 1;
            match started {
                Ok(server) => return Ok(Self { server, port, files }),
                Err(Missing(why)) if why.contains("Address already in use") && tried < TRIES => {}
                Err(Missing(why)) => return Err(Absent(why)),
            }
        }
    }

    /// The listener without TLS.
    pub(crate) fn plain(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.server.port()).into()
    }

    pub(crate) fn tls_port(&self) -> u16 {
        self.port
    }

    /// A gateway that trusts `authority`.
    pub(crate) fn gateway(&self, authority: &Authority) -> MqttConfig {
        let ca = file(self.files.path(), "ca.crt", &authority.pem());
        MqttConfig::new("localhost", self.port).with_tls(TlsConfig { ca: Some(ca), ..TlsConfig::default() })
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        let log: PathBuf = self.server.directory().join("log");
        std::fs::read_to_string(log).unwrap_or_default()
    }

    /// How many clients of this user name have come.
    pub(crate) fn logins(&self, user: &str) -> usize {
        self.log().matches(&format!("u'{user}'")).count()
    }
}

pub(crate) async fn until_ready(transport: &MqttTransport) {
    let ready = async {
        while transport.ready().await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(LONG, ready).await.is_err() {
        panic!("not ready: {:?}", transport.ready().await.err().and_then(|e| e.detail().map(str::to_owned)));
    }
}

/// What a new transport says once it knows why there is no connection.
pub(crate) async fn trouble(config: MqttConfig) -> (ErrorKind, String) {
    let transport = MqttTransport::new(config);
    let _inbox = transport.open().await.expect("open");
    let told = async {
        loop {
            let error = transport.ready().await.expect_err("it cannot be reached");
            let detail = error.detail().expect("it says what to do").to_owned();
            if !detail.contains("has not answered yet") {
                return (error.kind(), detail);
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let told = timeout(LONG, told).await.expect("it is told in time");
    transport.close().await.expect("close");
    told
}
