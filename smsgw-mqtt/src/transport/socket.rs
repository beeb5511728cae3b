//! The way to the broker: TCP, TLS on it where that is asked for, or past both into the one in this process.

use rumqttc::Transport;
use rumqttc::v5::{ConnectionError, MqttOptions};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// How to get to the broker.
#[derive(Clone)]
pub(super) enum Way {
    /// To where its options say, by the transport that they say.
    Network,
    /// By its doorway.
    #[cfg(feature = "broker")]
    Doorway(crate::broker::Doorway),
}

impl Way {
    pub(super) async fn open(&self, options: &MqttOptions) -> Result<Box<dyn Socket>, ConnectionError> {
        match self {
            Self::Network => connect(options).await,
            #[cfg(feature = "broker")]
            Self::Doorway(doorway) => Ok(Box::new(doorway.enter().await?)),
        }
    }
}

async fn connect(options: &MqttOptions) -> Result<Box<dyn Socket>, ConnectionError> {
    let (host, port) = options.broker_address();
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    // Without it half of all messages wait 20 ms for the delayed acknowledgement of TCP.
    stream.set_nodelay(true)?;
    match options.transport() {
        #[cfg(feature = "tls")]
        Transport::Tls(rumqttc::TlsConfiguration::Rustls(config)) => {
            use rumqttc::{TlsError, tokio_rustls::TlsConnector};
            let name = rustls::pki_types::ServerName::try_from(host).map_err(TlsError::DNSName)?;
            let stream = TlsConnector::from(config).connect(name, stream).await.map_err(TlsError::Io)?;
            Ok(Box::new(stream))
        }
        Transport::Tcp => Ok(Box::new(stream)),
        // Nobody asks for another.
        #[allow(unreachable_patterns, reason = "what there is besides depends on features")]
        _ => Err(std::io::Error::from(std::io::ErrorKind::Unsupported).into()),
    }
}
