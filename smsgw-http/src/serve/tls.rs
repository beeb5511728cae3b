//! TLS: rustls with ring, from PEM files that are read again when they change.

use std::fs::{self, Permissions};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::ring;
use smsgw_core::error::Result;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::config::{ServeTls, invalid};
use super::pem;

/// How often it is looked whether a file has changed.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How long a client may take for its part of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// When a file was written, its length and who may read it; none where it is not there.
type Stamp = Option<(SystemTime, u64, Permissions)>;

/// What clients are shown.
pub(super) struct Certificates {
    files: ServeTls,
    last: Mutex<Last>,
}

struct Last {
    /// From the last files that were whole.
    config: Arc<ServerConfig>,
    /// The files that were read last, whole or not.
    stamps: [Stamp; 2],
}

impl Certificates {
    /// Reads the files; says which of them is not usable, and why.
    pub(super) fn load(files: ServeTls) -> Result<Self> {
        let stamps = stamps(&files);
        let config = Arc::new(server_config(&files).map_err(invalid)?);
        Ok(Self { files, last: Mutex::new(Last { config, stamps }) })
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the handshake with a client; none where it fails or takes too long.
    pub(super) async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(self.last().config.clone());
        match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
            Err(_) => tracing::debug!("no TLS handshake: the client is silent"),
        }
        None
    }

    /// Reads the files again whenever they change.
    pub(super) async fn keep_renewed(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let this = self.clone();
            if tokio::task::spawn_blocking(move || this.renew()).await.is_err() {
                // The runtime is shutting down.
                return;
            }
        }
    }

    fn renew(&self) {
        // Before the files are read: what is written meanwhile is another change.
        let stamps = stamps(&self.files);
        if self.last().stamps == stamps {
            return;
        }
        let read = server_config(&self.files);
        let mut last = self.last();
        last.stamps = stamps;
        match read {
            Ok(config) => {
                last.config = Arc::new(config);
                tracing::info!("the HTTP server's certificate has been read again");
            }
            Err(why) => tracing::error!("the HTTP server's certificate of before stays in use: {why}"),
        }
    }
}

fn stamps(files: &ServeTls) -> [Stamp; 2] {
    let stamp = |file: &Path| {
        let about = fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len(), about.permissions()))
    };
    [stamp(&files.cert), stamp(&files.key)]
}

fn server_config(files: &ServeTls) -> Result<ServerConfig, String> {
    let chain = pem::certificates(&files.cert)?;
    let key = pem::private_key(&files.key)?;
    // Explicit: a provider that is installed for the whole process is the application's affair.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| {
            format!(
                "the key in {} is not the one of the certificate in {}: {error}",
                files.key.display(),
                files.cert.display()
            )
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
