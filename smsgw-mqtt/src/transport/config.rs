use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use smsgw_core::error::{Error, ErrorKind, Result};

use super::BACKEND;
use super::login::Login;

/// Which broker, and the gateway's account on it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttConfig {
    /// A name or an address; one of IPv6 with or without brackets.
    pub host: String,
    /// 1883 by convention without TLS.
    pub port: u16,
    /// The account; none where the broker asks for none.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// The gateway's client id. The broker keeps under it what devices say while the gateway is away, so it must stay
    /// the same, and no two gateways may use one.
    #[serde(default = "default_client_id")]
    pub client_id: String,
    /// TLS to the broker; plain TCP where there is none. Needs the feature `tls`.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// The name under which several gateways share the traffic of one broker, such as `smsgw`: each gives the same name
    /// here, and a client id of its own. The broker then hands every word of a device to one of them (MQTT 5 shared
    /// subscriptions), and tells presence and keys that are presented to all. Without a name the gateway hears
    /// everything: right where it is the only one.
    #[serde(default)]
    pub share: Option<String>,
    /// The broker says of a publish that nobody listens to it (MQTT 5, 0x10 "no matching subscribers"). It need not:
    /// Mosquitto and EMQX do. Set `false` for a broker that answers success: messages to devices that are away then wait
    /// for their presence, and count as lost until they are sent again.
    #[serde(default = "yes")]
    pub tells_no_subscriber: bool,
}

/// TLS 1.2 or 1.3, with the certificates in PEM files.
///
/// The files are read again for each connection: whoever renews a certificate need not restart the gateway. While new
/// ones are not usable, those of before stay in use, and the log says why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The CAs whose signature under the broker's certificate counts; those of this machine where there is no file.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Our certificate, and those between it and its CA, where the broker asks for one.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// Its private key, without a pass phrase: a file that only its owner may read.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

fn yes() -> bool {
    true
}

fn default_client_id() -> String {
    "smsgw-gateway".into()
}

impl MqttConfig {
    /// The broker at `host` and `port`, without an account.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            username: None,
            password: None,
            client_id: default_client_id(),
            tls: None,
            share: None,
            tells_no_subscriber: true,
        }
    }

    /// With an account.
    #[must_use]
    pub fn with_account(mut self, username: impl Into<String>, password: SecretString) -> Self {
        self.username = Some(username.into());
        self.password = Some(password);
        self
    }

    /// With TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// With a share of the broker's traffic, as one of several gateways that give this name.
    #[must_use]
    pub fn with_share(mut self, name: impl Into<String>) -> Self {
        self.share = Some(name.into());
        self
    }

    /// Whether the broker says that nobody listens; see [`tells_no_subscriber`](Self::tells_no_subscriber).
    #[must_use]
    pub fn with_tells_no_subscriber(mut self, tells: bool) -> Self {
        self.tells_no_subscriber = tells;
        self
    }

    /// Whether the settings can work, as far as that can be told without the broker. Reads the files of
    /// [`tls`](Self::tls). [`open`](smsgw_core::transport::Transport::open) checks the same.
    ///
    /// # Errors
    /// `Invalid` with the file that is not usable, why, and what to do, or where the name of [`share`](Self::share) cannot
    /// stand in a topic filter; `Unsupported` where TLS is asked for and the
    /// feature `tls` is off.
    pub fn check(&self) -> Result<()> {
        Login::new(self.clone(), "check").map(drop)
    }

    /// The name of the share is one level of a topic filter.
    pub(super) fn check_share(&self, operation: &'static str) -> Result<()> {
        let fits =
            |name: &str| !name.is_empty() && !name.contains(|c: char| c.is_control() || "/+#".contains(c));
        match &self.share {
            Some(name) if !fits(name) => Err(Error::new(ErrorKind::Invalid, BACKEND, operation)
                .with_detail("the name of the share must have a letter or more, and none of / + #")),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for MqttConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MqttConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("username", &self.username)
            .field("client_id", &self.client_id)
            .field("tls", &self.tls)
            .field("share", &self.share)
            .field("tells_no_subscriber", &self.tells_no_subscriber)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_the_certificates_are_and_nothing_else() {
        let read = |tls: &str| {
            serde_json::from_str::<MqttConfig>(&format!(r#"{{"host":"h","port":8883,"tls":{tls}}}"#))
        };
        let config = read(r#"{"ca":"/ca.crt"}"#).expect("it is valid");
        let expected = TlsConfig { ca: Some("/ca.crt".into()), ..TlsConfig::default() };
        assert_eq!(config.tls, Some(expected));
        assert!(read(r#"{"cafile":"/ca.crt"}"#).is_err_and(|error| error.to_string().contains("cafile")));
        assert_eq!(read("null").expect("it is valid").tls, None);
    }

    #[test]
    fn a_share_has_a_name_that_can_stand_in_a_filter() {
        let config = MqttConfig::new("h", 1883);
        assert_eq!(config.share, None);
        assert!(config.clone().with_share("smsgw").check().is_ok());
        for name in ["", "a/b", "+", "#", "a\0"] {
            let error = config.clone().with_share(name).check().expect_err("it cannot be");
            assert_eq!(error.kind(), ErrorKind::Invalid, "{name:?}");
        }
        let read: MqttConfig =
            serde_json::from_str(r#"{"host":"h","port":1,"share":"smsgw"}"#).expect("it is valid");
        assert_eq!(read.share.as_deref(), Some("smsgw"));
    }

    #[test]
    fn whether_the_broker_tells_that_nobody_listens_is_a_setting() {
        use crate::transport::MqttTransport;
        use smsgw_core::transport::Transport;

        let tells = |config: MqttConfig| MqttTransport::new(config).capabilities().tells_no_subscriber;
        assert!(tells(MqttConfig::new("h", 1)));
        assert!(!tells(MqttConfig::new("h", 1).with_tells_no_subscriber(false)));
        for (rest, expected) in [("", true), (r#","tells_no_subscriber":false"#, false)] {
            let json = format!(r#"{{"host":"h","port":1{rest}}}"#);
            assert_eq!(tells(serde_json::from_str(&json).expect("it is valid")), expected);
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn a_build_without_tls_does_not_connect_in_the_clear() {
        let config = MqttConfig::new("h", 8883).with_tls(TlsConfig::default());
        let error = config.check().expect_err("it cannot be");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(MqttConfig::new("h", 1883).check().is_ok());
    }
}
