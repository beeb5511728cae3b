use std::path::PathBuf;

use serde::Deserialize;
use smsgw_core::error::{Error, ErrorKind, Result};

/// What a server takes from its clients, and whether it speaks TLS.
///
/// ```
/// use smsgw_http::{ServeConfig, ServeTls};
///
/// let config = ServeConfig { max_connections: 500, ..ServeConfig::default() };
/// assert!(config.check().is_ok());
/// let config = config.with_tls(ServeTls::new("server.crt", "server.key"));
/// assert!(config.check().is_err(), "there are no such files");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeConfig {
    /// Connections at a time, those in a handshake included; 4,096 by default. Past it, the next ones are answered 503
    /// and closed; with TLS, or where many of them come at once, closed without a word.
    pub max_connections: usize,
    /// The same for each address, or each /64 of IPv6; 1,024 by default. Behind a proxy all clients have one address.
    pub max_connections_per_address: usize,
    /// How long a connection may be without a whole request head, in seconds: 1 to 10, 9 by default. Holds for half a
    /// head and for the silence between two requests.
    pub header_timeout_s: u32,
    /// How long a body may take once its head is there, in seconds: 1 to 30, 25 by default. Reading it fails then, and
    /// the API answers 408; it waits 20 seconds itself.
    pub body_timeout_s: u32,
    /// Takes connections with TLS, and no others. Needs the feature `tls`.
    pub tls: Option<ServeTls>,
}

impl ServeConfig {
    /// Takes connections with TLS only.
    #[must_use]
    pub fn with_tls(mut self, tls: ServeTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Looks whether a server can be started with it; reads the files for TLS.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a value that is out of its range or a file that cannot be used, with what is wrong as
    /// its detail; [`ErrorKind::Unsupported`] for TLS in a build without the feature `tls`.
    pub fn check(&self) -> Result<()> {
        let wrong = match self {
            Self { max_connections: 0, .. } => "max_connections must be 1 or more",
            Self { max_connections_per_address: 0, .. } => "max_connections_per_address must be 1 or more",
            _ if !(1..=10).contains(&self.header_timeout_s) => "header_timeout_s must be from 1 to 10",
            _ if !(1..=30).contains(&self.body_timeout_s) => "body_timeout_s must be from 1 to 30",
            _ => return self.check_tls(),
        };
        Err(invalid(wrong))
    }

    #[cfg(feature = "tls")]
    fn check_tls(&self) -> Result<()> {
        self.tls.as_ref().map_or(Ok(()), |files| super::tls::Certificates::load(files.clone()).map(drop))
    }

    #[cfg(not(feature = "tls"))]
    fn check_tls(&self) -> Result<()> {
        let without = || Error::new(ErrorKind::Unsupported, super::NAME, "start");
        self.tls.as_ref().map_or(Ok(()), |_| Err(without().with_detail("this build has no TLS")))
    }
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            max_connections_per_address: 1_024,
            header_timeout_s: 9,
            body_timeout_s: 25,
            tls: None,
        }
    }
}

/// The PEM files for TLS 1.2 and 1.3.
///
/// Files that change are read again within two seconds or so, for the connections that come after that; those that are
/// open go on. While new files are not usable, those of before stay in use, and the log says why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeTls {
    /// The server's certificate, and those between it and its CA.
    pub cert: PathBuf,
    /// Its private key, without a pass phrase: a file that only its owner may read.
    pub key: PathBuf,
}

impl ServeTls {
    /// With this certificate and its key.
    pub fn new(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { cert: cert.into(), key: key.into() }
    }
}

pub(super) fn invalid(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, super::NAME, "start").with_detail(detail.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_knows_and_nothing_else() {
        let text = r#"{"max_connections":10,"tls":{"cert":"/c","key":"/k"}}"#;
        let config: ServeConfig = serde_json::from_str(text).expect("a good config");
        let expected = ServeConfig { max_connections: 10, ..ServeConfig::default() };
        assert_eq!(config, expected.with_tls(ServeTls::new("/c", "/k")));
        for unknown in [r#"{"port":1}"#, r#"{"tls":{"cert":"/c","key":"/k","ca":"/a"}}"#, r#"{"tls":{}}"#] {
            assert!(serde_json::from_str::<ServeConfig>(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn says_what_cannot_work() {
        let good = ServeConfig::default;
        assert!(good().check().is_ok());
        for config in [
            ServeConfig { max_connections: 0, ..good() },
            ServeConfig { max_connections_per_address: 0, ..good() },
            ServeConfig { header_timeout_s: 0, ..good() },
            ServeConfig { header_timeout_s: 11, ..good() },
            ServeConfig { body_timeout_s: 0, ..good() },
            ServeConfig { body_timeout_s: 31, ..good() },
        ] {
            assert_eq!(config.check().map_err(|e| e.kind()), Err(ErrorKind::Invalid), "{config:?}");
        }
    }
}
