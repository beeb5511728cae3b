//! The trait [`BrokerGuard`]: who may come in on a broker that asks at each connection, and what they may do there.
//!
//! A broker that is told beforehand has a [`Provisioner`](crate::provision) instead, and the embedded one asks the store.

use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::error::Result;
use crate::time::Timestamp;

/// Answers a broker's questions.
///
/// ```
/// use async_trait::async_trait;
/// use smsgw_core::error::Result;
/// use smsgw_core::guard::{BrokerClient, BrokerGuard, TopicAccess, Verdict};
///
/// /// Lets nobody in, for maintenance.
/// #[derive(Debug)]
/// struct Closed;
///
/// #[async_trait]
/// impl BrokerGuard for Closed {
///     async fn connect(&self, _: &BrokerClient) -> Result<Verdict> {
///         Ok(Verdict::Deny)
///     }
///     fn access(&self, _: &TopicAccess) -> Verdict {
///         Verdict::Deny
///     }
/// }
///
/// let guard: std::sync::Arc<dyn BrokerGuard> = std::sync::Arc::new(Closed);
/// ```
#[async_trait]
pub trait BrokerGuard: fmt::Debug + Send + Sync + 'static {
    /// Whether a client may come in.
    ///
    /// # Errors
    /// Where the store cannot be asked: nothing is known of the client then.
    async fn connect(&self, client: &BrokerClient) -> Result<Verdict>;

    /// Whether a client that has come in may use a topic. It is known by what it came in with, and nothing is looked up.
    fn access(&self, access: &TopicAccess) -> Verdict;
}

/// A client that connects. `Debug` shows neither password nor user name, which may be a key.
#[derive(Clone)]
pub struct BrokerClient {
    /// Its client id.
    pub client_id: String,
    /// Its user name.
    pub username: String,
    /// Its password.
    pub password: SecretString,
    /// The address it comes from, where the broker says.
    pub origin: Option<IpAddr>,
}

impl fmt::Debug for BrokerClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerClient").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What a client does with a topic. `Debug` shows neither user name nor topic, which may be or hold a key.
#[derive(Clone)]
pub struct TopicAccess {
    /// Its client id.
    pub client_id: String,
    /// Its user name.
    pub username: String,
    /// Whether it publishes to a topic; else it subscribes to a filter.
    pub publishes: bool,
    /// The topic, or the filter as it was asked for, `$share` included.
    pub topic: String,
    /// The address it comes from, where the broker says.
    pub origin: Option<IpAddr>,
}

impl fmt::Debug for TopicAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicAccess")
            .field("publishes", &self.publishes)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may, until then where there is an end.
    Allow(Option<Timestamp>),
    /// It may not.
    Deny,
    /// It is no device of ours: others may know it.
    Unknown,
}
