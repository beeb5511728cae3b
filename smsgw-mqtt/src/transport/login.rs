//! How a connection to the broker is begun, and what its end says.

use std::io;

use rumqttc::NetworkOptions;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, MqttOptions, StateError, mqttbytes};
use secrecy::ExposeSecret;
use smsgw_core::error::{Error, ErrorKind, Result};

use super::{BACKEND, MqttConfig};

/// An account on a broker, and the certificates to get there.
pub(crate) struct Login {
    config: MqttConfig,
    #[cfg(feature = "tls")]
    tls: Option<std::sync::Arc<super::tls::Tls>>,
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// We said goodbye.
    Closed,
    /// By the broker, and it will say the same again.
    Refused(String),
    /// Somebody else has connected with our client id.
    TakenOver(String),
    /// The broker cannot do what the gateway needs, until its settings or ours are changed.
    Unable(String),
    /// By the other side, without a reason, after it had let us in. It may work later.
    Cut(String),
    /// It may work later.
    Broken(String),
}

impl End {
    /// Its kind and what it says, to follow the broker's name.
    pub(crate) fn words(self) -> (ErrorKind, String) {
        match self {
            Self::Closed => (ErrorKind::Closed, "was left".into()),
            Self::Refused(why) | Self::TakenOver(why) => {
                (ErrorKind::Unauthorized, format!("refuses the gateway: {why}"))
            }
            Self::Unable(why) => (ErrorKind::Unsupported, format!("cannot serve the gateway: {why}")),
            Self::Cut(why) | Self::Broken(why) => {
                (ErrorKind::Unavailable, format!("cannot be reached: {why}"))
            }
        }
    }
}

impl Login {
    /// Reads the files that the configuration names.
    #[cfg(feature = "tls")]
    pub(crate) fn new(config: MqttConfig, operation: &'static str) -> Result<Self> {
        config.check_share(operation)?;
        let load = |files| super::tls::Tls::load(files, crate::host::bare(&config.host));
        let tls = config.tls.as_ref().map(load).transpose().map_err(|why| {
            Error::new(ErrorKind::Invalid, BACKEND, operation)
                .with_detail(format!("TLS to the broker: {why}"))
        })?;
        Ok(Self { config, tls: tls.map(std::sync::Arc::new) })
    }

    #[cfg(not(feature = "tls"))]
    pub(crate) fn new(config: MqttConfig, operation: &'static str) -> Result<Self> {
        config.check_share(operation)?;
        match config.tls {
            None => Ok(Self { config }),
            Some(_) => Err(Error::new(ErrorKind::Unsupported, BACKEND, operation)
                .with_detail("TLS to the broker needs a build with the feature `tls`")),
        }
    }

    pub(crate) fn config(&self) -> &MqttConfig {
        &self.config
    }

    /// Where the broker is, who we are, and the certificates as they are now.
    pub(crate) async fn options(&self, client_id: &str) -> MqttOptions {
        let mut options = MqttOptions::new(client_id, crate::host::bare(&self.config.host), self.config.port);
        let mut network = NetworkOptions::new();
        // Without it half of all messages wait 20 ms for the delayed acknowledgement of TCP.
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        if let Some(username) = &self.config.username {
            let password = self.config.password.as_ref().map_or("", |password| password.expose_secret());
            options.set_credentials(username, password);
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.clone()
            // Fails only where the runtime is shutting down: the connection is then given up anyway.
            && let Ok(renewed) = tokio::task::spawn_blocking(move || tls.renewed()).await
        {
            use rumqttc::{TlsConfiguration, Transport};
            options.set_transport(Transport::Tls(TlsConfiguration::Rustls(renewed)));
        }
        options
    }

    /// Another one came in with our client id.
    pub(crate) fn taken_over(&self) -> End {
        End::TakenOver(format!(
            "another gateway is connected with the same client id {:?}; give each gateway its own client id \
             (MQTT_CLIENT_ID)",
            self.config.client_id
        ))
    }

    /// What kind of end an error is. Says what the broker said, and nothing of what we sent. `welcomed` is set once the
    /// broker has answered the login.
    pub(crate) fn end(&self, error: &ConnectionError, welcomed: bool) -> End {
        use ConnectReturnCode as Code;
        #[cfg(feature = "tls")]
        if let Some(end) = self.tls.as_ref().and_then(|tls| tls.explain(error, welcomed)) {
            return end;
        }
        match error {
            ConnectionError::ConnectionRefused(
                Code::BadUserNamePassword
                | Code::NotAuthorized
                | Code::Banned
                | Code::ClientIdentifierNotValid
                | Code::BadClientId,
            ) => End::Refused("check its user name, password and client id".into()),
            ConnectionError::ConnectionRefused(code) => End::Broken(format!("it answers {code:?}")),
            ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code: DisconnectReasonCode::SessionTakenOver,
                ..
            }) => self.taken_over(),
            ConnectionError::Timeout(_) => End::Broken("no answer in time".into()),
            other if welcomed && is_cut(other) => End::Cut(other.to_string()),
            other => End::Broken(other.to_string()),
        }
    }
}

/// What was read or written when the connection was there already.
pub(super) fn io_error(error: &ConnectionError) -> Option<&io::Error> {
    match error {
        ConnectionError::MqttState(
            StateError::Io(error) | StateError::Deserialization(mqttbytes::Error::Io(error)),
        )
        | ConnectionError::Io(error) => Some(error),
        _ => None,
    }
}

/// Whether the other side has closed the connection, and said nothing.
pub(super) fn is_cut(error: &ConnectionError) -> bool {
    use io::ErrorKind as Kind;
    matches!(error, ConnectionError::MqttState(StateError::ConnectionAborted))
        || io_error(error).is_some_and(|error| {
            matches!(
                error.kind(),
                Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof
            )
        })
}
