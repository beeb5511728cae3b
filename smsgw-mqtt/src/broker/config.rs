use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use smsgw_core::error::{Error, ErrorKind, Result};

use super::gate::GATEWAY_USER;
use crate::account::SharedAccount;

/// Where the broker listens and how much it takes.
///
/// ```
/// use smsgw_mqtt::broker::BrokerConfig;
///
/// let config = BrokerConfig::new("127.0.0.1:0".parse()?);
/// assert!(config.shared_account.is_none());
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BrokerConfig {
    /// The address to listen on, `127.0.0.1:1883` by default; port 0 takes any free one. What comes in is not
    /// encrypted. With none, devices come in over TLS only, and the gateway by an address of its own on this machine
    /// that lets nobody else in.
    pub listen: Option<SocketAddr>,
    /// Listens with TLS, too. Needs the feature `tls`.
    pub tls: Option<BrokerTls>,
    /// The account that devices of the original protocol share; without it there is none, and each logs in with its
    /// API key as user name and password.
    pub shared_account: Option<SharedAccount>,
    /// Sockets at a time, those that have not logged in yet included. Further ones are closed at once.
    pub max_connections: usize,
    /// Packets a second that one connection may publish or subscribe with, after a burst of two seconds' worth; what
    /// comes faster is read later. 0 sets no limit.
    pub max_packet_rate: u32,
    /// Messages that wait in one session; the oldest are dropped past that.
    pub max_queued_messages: usize,
    /// How long a session outlives its connection, in seconds; a client may ask for less.
    pub session_expiry_s: u32,
}

impl BrokerConfig {
    /// Listens on `listen`, otherwise as the defaults say.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen: Some(listen),
            tls: None,
            shared_account: None,
            max_connections: 10_000,
            max_packet_rate: 500,
            max_queued_messages: 10_000,
            session_expiry_s: 7 * 24 * 3_600,
        }
    }

    /// Lets devices in over TLS only, otherwise as the defaults say.
    pub fn tls_only(tls: BrokerTls) -> Self {
        Self { listen: None, ..Self::default().with_tls(tls) }
    }

    /// Listens with TLS, too.
    #[must_use]
    pub fn with_tls(mut self, tls: BrokerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = match &self.shared_account {
            _ if self.listen.is_none() && self.tls.is_none() => {
                "listen and tls are both left out: set one of them"
            }
            _ if self.max_connections == 0 => "max_connections must be 1 or more",
            _ if self.max_queued_messages == 0 => "max_queued_messages must be 1 or more",
            Some(account) if account.username.is_empty() => "the shared account needs a user name",
            Some(account) if account.username == GATEWAY_USER => {
                "the user name of the shared account is the gateway's own: choose another"
            }
            Some(account) if account.password.expose_secret().is_empty() => {
                "the shared account needs a password"
            }
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::Invalid, super::NAME, "start").with_detail(wrong))
    }
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self::new((Ipv4Addr::LOCALHOST, 1883).into())
    }
}

/// Where the broker listens with TLS 1.2 and 1.3, and the PEM files for that.
///
/// Files that change are read again within two seconds or so, for the connections that come after that. While new ones
/// are not usable, those of before stay in use, and the log says why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerTls {
    /// The address to listen on, port 8883 of all addresses of this machine by default; port 0 takes any free one.
    #[serde(default = "BrokerTls::default_listen")]
    pub listen: SocketAddr,
    /// The broker's certificate, and those between it and its CA.
    pub cert: PathBuf,
    /// Its private key, without a pass phrase: a file that only its owner may read.
    pub key: PathBuf,
    /// The CAs whose signature a device must have under a certificate of its own; without a file none is asked for.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

impl BrokerTls {
    /// With this certificate and its key, and no word about those of devices.
    pub fn new(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { listen: Self::default_listen(), cert: cert.into(), key: key.into(), client_ca: None }
    }

    fn default_listen() -> SocketAddr {
        (Ipv4Addr::UNSPECIFIED, 8883).into()
    }
}

/// How the gateway logs in to its own broker. The password is new with every start, and good on this machine only.
#[derive(Clone)]
pub struct GatewayAccount {
    /// Where to connect.
    pub address: SocketAddr,
    /// The client id, which the broker insists on.
    pub client_id: String,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

impl fmt::Debug for GatewayAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayAccount")
            .field("address", &self.address)
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_knows_and_nothing_else() {
        let text = r#"{"listen":"0.0.0.0:1883","shared_account":{"username":"admin","password":"hush"}}"#;
        let config: BrokerConfig = serde_json::from_str(text).expect("a good config");
        assert_eq!(config.max_connections, BrokerConfig::default().max_connections);
        assert!(config.check().is_ok());
        assert!(!format!("{config:?}").contains("hush"));
        let text = r#"{"listen":null,"tls":{"cert":"/c","key":"/k"}}"#;
        let config: BrokerConfig = serde_json::from_str(text).expect("a good config");
        assert!(config.check().is_ok() && config.listen.is_none());
        assert_eq!(config.tls, Some(BrokerTls::new("/c", "/k")));
        for unknown in [
            r#"{"tls":{"cert":"/c","key":"/k","ca":"/a"}}"#,
            r#"{"port":1}"#,
            r#"{"shared_account":{"username":"a","password":"b","c":1}}"#,
        ] {
            assert!(serde_json::from_str::<BrokerConfig>(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn says_what_cannot_work() {
        let account = |username: &str, password: &str| BrokerConfig {
            shared_account: Some(SharedAccount { username: username.into(), password: password.into() }),
            ..BrokerConfig::default()
        };
        for config in [
            account("", "x"),
            account("admin", ""),
            account(GATEWAY_USER, "x"),
            BrokerConfig { max_connections: 0, ..BrokerConfig::default() },
            BrokerConfig { max_queued_messages: 0, ..BrokerConfig::default() },
            BrokerConfig { listen: None, ..BrokerConfig::default() },
        ] {
            assert_eq!(config.check().map_err(|e| e.kind()), Err(ErrorKind::Invalid), "{config:?}");
        }
    }
}
