use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use smsgw_core::error::Result;

use super::server::Server;

/// Where Redis is, and how it is used. `Debug` does not show the URL, which may hold a password.
///
/// | URL | what answers there |
/// |---|---|
/// | `redis://[user[:password]@]host[:port][/db]` | one server; `rediss://` with TLS, `unix:///path` over a socket |
/// | `redis+sentinel://[user[:password]@]host:port,…/master[/db]` | sentinels, which know the server called `master`; `rediss+sentinel://` with TLS to both. User and password are the server's |
/// | `redis+cluster://[user[:password]@]host:port,…` | some nodes of a cluster; `rediss+cluster://` with TLS |
///
/// ```
/// use smsgw_store::redis::RedisConfig;
///
/// let config = RedisConfig::new("redis://:secret@cache.example.org/0");
/// assert_eq!(config.prefix, "smsgw:");
/// assert!(!format!("{config:?}").contains("secret"));
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// Where Redis is, with the user and the password.
    pub url: String,
    /// What all keys and channels begin with. Gateways that share work share it. In a cluster it is put in braces, which
    /// keeps all keys on one node, unless it has braces of its own.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// How long a job is leased, in milliseconds.
    #[serde(default = "default_lease_ms")]
    pub lease_ms: u32,
    /// The most jobs in the queue, leased ones included.
    #[serde(default = "default_capacity")]
    pub capacity: u64,
    /// How long a call may take, connecting included, in milliseconds: a server that is away is known to be within
    /// this time.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u32,
}

fn default_prefix() -> String {
    "smsgw:".into()
}

const fn default_lease_ms() -> u32 {
    30_000
}

const fn default_capacity() -> u64 {
    1_000_000
}

const fn default_timeout_ms() -> u32 {
    1_500
}

impl RedisConfig {
    /// The server at `url`, used as the defaults say.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: default_prefix(),
            lease_ms: default_lease_ms(),
            capacity: default_capacity(),
            timeout_ms: default_timeout_ms(),
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }

    pub(super) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms.max(1).into())
    }

    /// The server, not yet connected to.
    ///
    /// # Errors
    /// `Invalid` where the URL is not what it should be.
    pub(super) fn server(&self) -> Result<Server> {
        Server::new(&self.url, self.timeout())
    }

    /// What keys begin with on `server`.
    pub(super) fn key_prefix(&self, server: &Server) -> String {
        match server.is_cluster() && !self.prefix.contains('{') {
            true => format!("{{{}}}", self.prefix),
            false => self.prefix.clone(),
        }
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("prefix", &self.prefix)
            .field("lease_ms", &self.lease_ms)
            .field("capacity", &self.capacity)
            .field("timeout_ms", &self.timeout_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_said_and_no_more() {
        let read = |json| serde_json::from_str::<RedisConfig>(json);
        let config = read(r#"{"url": "redis://db", "prefix": "sms:"}"#).expect("valid");
        assert_eq!(config, RedisConfig { prefix: "sms:".into(), ..RedisConfig::new("redis://db") });
        assert!(read(r#"{"url": "redis://db", "pool": 3}"#).is_err());
    }

    #[test]
    fn keys_of_a_cluster_stay_on_one_node() {
        let prefix = |url, prefix: &str| {
            let config = RedisConfig { prefix: prefix.into(), ..RedisConfig::new(url) };
            config.key_prefix(&config.server().expect("a server"))
        };
        assert_eq!(prefix("redis://db", "sms:"), "sms:");
        assert_eq!(prefix("redis+cluster://a:1,b:2", "sms:"), "{sms:}");
        assert_eq!(prefix("redis+cluster://a:1,b:2", "{sms}:"), "{sms}:");
    }
}
