use std::fmt;
use std::time::Duration;

use lapin::uri::AMQPUri;
use serde::Deserialize;
use smsgw_core::error::{Error, ErrorKind, Result};

use super::classify::BACKEND;

/// The longest name of a queue; AMQP's own limit is 255 bytes, and we add to it.
const LONGEST_NAME: usize = 200;
/// How often each side shows that it is alive, where the URL says nothing, in seconds.
const HEARTBEAT: u16 = 10;

/// Where RabbitMQ is, and how it is used. `Debug` does not show the URL, which may hold a password.
///
/// ```
/// use smsgw_store::amqp::AmqpConfig;
///
/// let config = AmqpConfig::new("amqps://smsgw:secret@mq.example.org/sms");
/// assert_eq!(config.queue, "smsgw.jobs");
/// assert!(!format!("{config:?}").contains("secret"));
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpConfig {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` with TLS. The vhost is `/` where there is none; it must
    /// exist.
    pub url: String,
    /// The name of the queue, as the management pages show it. Gateways that share work share it. Jobs of high priority
    /// are in a second queue, named the same with `.high` after it.
    #[serde(default = "default_queue")]
    pub queue: String,
    /// How long a call may take, connecting included, in milliseconds: a broker that is away is known to be within
    /// this time.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u32,
}

fn default_queue() -> String {
    "smsgw.jobs".into()
}

const fn default_timeout_ms() -> u32 {
    1_500
}

impl AmqpConfig {
    /// The broker at `url`, used as the defaults say.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), queue: default_queue(), timeout_ms: default_timeout_ms() }
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }

    /// The two queues, in the order in which they are emptied.
    pub(super) fn queues(&self) -> Result<[String; 2]> {
        let is_name = (1..=LONGEST_NAME).contains(&self.queue.len()) && !self.queue.starts_with("amq.");
        match is_name {
            true => Ok([format!("{}.high", self.queue), self.queue.clone()]),
            false => Err(invalid("the queue's name is empty, longer than 200 bytes, or begins with `amq.`")),
        }
    }

    pub(super) fn uri(&self) -> Result<AMQPUri> {
        // The parser's own words may quote the password.
        let uri: Result<AMQPUri, _> = self.url.parse();
        let mut uri = uri.map_err(|_| invalid("the URL is not amqp://user:password@host:port/vhost"))?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        uri.query.connection_timeout.get_or_insert(self.timeout_ms.into());
        Ok(uri)
    }
}

fn invalid(detail: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, BACKEND, "open").with_detail(detail)
}

impl fmt::Debug for AmqpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpConfig")
            .field("queue", &self.queue)
            .field("timeout_ms", &self.timeout_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_without_the_password() {
        let error = AmqpConfig::new("amqp://u:hunter2@host:port/x").uri().expect_err("no such port");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!format!("{error:?} {error}").contains("hunter2"));
        for queue in [String::new(), "amq.direct".into(), "a".repeat(201)] {
            let config = AmqpConfig { queue, ..AmqpConfig::new("amqp://host") };
            assert!(config.queues().is_err(), "{config:?}");
        }
    }
}
