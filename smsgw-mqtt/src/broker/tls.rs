//! TLS for those who come in: rustls with ring, from PEM files that are read again when they change.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use mqtt5::broker::tls_acceptor::TlsStreamWrapper;
use mqtt5::broker::transport::BrokerTransport;
use rumqttc::tokio_rustls::TlsAcceptor;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::config::BrokerTls;
use crate::pem::{authorities, certificates, private_key, provider};

/// How often it is looked whether a file has changed.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How long a client may take for its part of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// When a file was written, and its length; none where it is not there.
type Stamp = Option<(SystemTime, u64)>;

/// What clients are shown, and what they must show.
pub(super) struct Certificates {
    files: BrokerTls,
    last: Mutex<Last>,
}

struct Last {
    /// From the last files that were whole.
    config: Arc<ServerConfig>,
    /// The files that were read last, whole or not.
    stamps: Vec<Stamp>,
}

impl Certificates {
    /// Reads the files; says which of them is not usable, and why.
    pub(super) fn load(files: BrokerTls) -> Result<Self, String> {
        let stamps = stamps(&files);
        let config = Arc::new(server_config(&files)?);
        Ok(Self { files, last: Mutex::new(Last { config, stamps }) })
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the handshake with a client; says why where that cannot be done.
    pub(super) async fn accept(&self, stream: TcpStream) -> Result<BrokerTransport, String> {
        let acceptor = TlsAcceptor::from(self.last().config.clone());
        match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Ok(BrokerTransport::tls(TlsStreamWrapper::new(stream))),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the client is silent".into()),
        }
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
                tracing::info!("the broker's certificate has been read again");
            }
            Err(why) => tracing::error!("the broker's certificate of before stays in use: {why}"),
        }
    }
}

fn stamps(files: &BrokerTls) -> Vec<Stamp> {
    let stamp = |file: &Path| {
        let about = fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    [Some(&files.cert), Some(&files.key), files.client_ca.as_ref()]
        .into_iter()
        .flatten()
        .map(|f| stamp(f))
        .collect()
}

fn server_config(files: &BrokerTls) -> Result<ServerConfig, String> {
    let chain = certificates(&files.cert)?;
    let key = private_key(&files.key)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let roots = Arc::new(authorities(file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                .build()
                .map_err(|error| format!("{} holds no usable CA: {error}", file.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder.with_single_cert(chain, key).map_err(|error| {
        format!(
            "the key in {} is not the one of the certificate in {}: {error}",
            files.key.display(),
            files.cert.display()
        )
    })
}
