use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo, Pipeline, RedisFuture,
    RedisResult, TlsMode, Value,
};
use smsgw_core::error::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

use super::classify::BACKEND;

/// What a URL names: how connections are made.
pub(super) struct Server {
    kind: Kind,
    timeout: Duration,
}

enum Kind {
    One(Box<Client>),
    /// Behind a lock, for it remembers which sentinel answered last.
    Sentinel(Box<Mutex<SentinelClient>>),
    Cluster(Box<Cluster>),
}

struct Cluster {
    calls: ClusterClient,
    waits: ClusterClient,
    /// One of the nodes.
    some: Client,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Commands that are answered at once, from several tasks at a time.
    Calls,
    /// Commands that wait, one at a time; the caller gives up by itself.
    Waits,
}

impl Server {
    /// Reads a URL; see [`RedisConfig`](super::RedisConfig) for what it may be.
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self> {
        let kind = match url.split_once("://") {
            Some((scheme @ ("redis+sentinel" | "rediss+sentinel"), rest)) => sentinel(scheme, rest),
            Some((scheme @ ("redis+cluster" | "rediss+cluster"), rest)) => cluster(scheme, rest, timeout),
            _ => info(url).and_then(Client::open).ok().map(Box::new).map(Kind::One),
        };
        let wrong = || {
            // The parser's own words may quote the password.
            Error::new(ErrorKind::Invalid, BACKEND, "open").with_detail(
                "the URL is not redis://user:password@host:port/db, redis+sentinel://host:port,…/master or \
                 redis+cluster://host:port,…",
            )
        };
        Ok(Self { kind: kind.ok_or_else(wrong)?, timeout })
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.kind, Kind::Cluster(_))
    }

    /// A new connection.
    pub(super) async fn connect(&self, purpose: Use) -> RedisResult<Line> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout).filter(|_| purpose == Use::Calls));
        Ok(match &self.kind {
            Kind::One(client) => {
                Line::One(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
            Kind::Sentinel(client) => {
                Line::One(client.lock().await.get_async_connection_with_config(&config).await?)
            }
            Kind::Cluster(cluster) => {
                let client = if purpose == Use::Calls { &cluster.calls } else { &cluster.waits };
                Line::Cluster(client.get_async_connection().await?)
            }
        })
    }

    /// A connection on which to listen to channels. In a cluster, every node hears what is said on any.
    pub(super) async fn listen(&self) -> RedisResult<redis::aio::PubSub> {
        match &self.kind {
            Kind::One(client) => client.get_async_pubsub().await,
            Kind::Sentinel(client) => {
                let client = client.lock().await.async_get_client().await?;
                client.get_async_pubsub().await
            }
            Kind::Cluster(cluster) => cluster.some.get_async_pubsub().await,
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::One(_) => "Redis server",
            Kind::Sentinel(_) => "Redis sentinels",
            Kind::Cluster(_) => "Redis cluster",
        })
    }
}

/// Small requests and answers, which must not wait for each other in the kernel.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn info(url: &str) -> RedisResult<ConnectionInfo> {
    Ok(url.into_connection_info()?.set_tcp_settings(tcp()))
}

/// `user:password@` of `rest`, and what follows it.
fn credentials(rest: &str) -> (&str, &str) {
    rest.rfind('@').map_or(("", rest), |at| rest.split_at(at + 1))
}

/// The scheme of a single node.
fn node_scheme(scheme: &str) -> &str {
    scheme.split_once('+').map_or(scheme, |(node, _)| node)
}

fn sentinel(scheme: &str, rest: &str) -> Option<Kind> {
    let scheme = node_scheme(scheme);
    let (login, rest) = credentials(rest);
    let (hosts, path) = rest.split_once('/')?;
    let (master, db) = path.split_once('/').unwrap_or((path, "0"));
    if master.is_empty() {
        return None;
    }
    let sentinels: Option<Vec<ConnectionInfo>> =
        hosts.split(',').map(|host| info(&format!("{scheme}://{host}")).ok()).collect();
    // Any host will do: only the login and the database are read from it.
    let node = info(&format!("redis://{login}localhost/{db}")).ok()?;
    let mut settings = SentinelNodeConnectionInfo::default()
        .set_redis_connection_info(node.redis_settings().clone())
        .set_tcp_settings(tcp());
    if scheme == "rediss" {
        settings = settings.set_tls_mode(TlsMode::Secure);
    }
    let client =
        SentinelClient::build(sentinels?, master, Some(settings), SentinelServerType::Master).ok()?;
    Some(Kind::Sentinel(Box::new(Mutex::new(client))))
}

fn cluster(scheme: &str, rest: &str, timeout: Duration) -> Option<Kind> {
    let scheme = node_scheme(scheme);
    let (login, hosts) = credentials(rest);
    let hosts = hosts.trim_end_matches('/');
    let nodes: Option<Vec<ConnectionInfo>> =
        hosts.split(',').map(|host| info(&format!("{scheme}://{login}{host}")).ok()).collect();
    let nodes = nodes?;
    let some = Client::open(nodes.first()?.clone()).ok()?;
    let client = |response: Duration| {
        let builder = ClusterClientBuilder::new(nodes.clone()).connection_timeout(timeout);
        builder.response_timeout(response).retries(3).build().ok()
    };
    // What waits gives up by itself, long before this.
    let (calls, waits) = (client(timeout)?, client(Duration::from_secs(3_600))?);
    Some(Kind::Cluster(Box::new(Cluster { calls, waits, some })))
}

/// A connection, of either kind. Clones share it.
#[derive(Clone)]
pub(super) enum Line {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Line {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(line) => line.req_packed_command(cmd),
            Self::Cluster(line) => line.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(line) => line.req_packed_commands(pipeline, offset, count),
            Self::Cluster(line) => line.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(line) => line.get_db(),
            Self::Cluster(line) => line.get_db(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_what_answers() {
        let read = |url| Server::new(url, Duration::from_secs(1)).map(|server| format!("{server:?}"));
        for (url, expected) in [
            ("redis://localhost", "Redis server"),
            ("rediss://user:p%40ss@localhost:6380/3", "Redis server"),
            ("unix:///run/redis.sock", "Redis server"),
            ("redis+sentinel://a:26379,b/primary", "Redis sentinels"),
            ("rediss+sentinel://user:p%40ss@a:26379,b:26379/primary/2", "Redis sentinels"),
            ("redis+cluster://a:7000,b:7001", "Redis cluster"),
            ("rediss+cluster://:secret@a:7000", "Redis cluster"),
        ] {
            assert_eq!(read(url).ok().as_deref(), Some(expected), "{url}");
        }
        for url in
            ["", "localhost", "http://a", "redis://u:hunter2@a:x", "redis+sentinel://a:1", "redis+cluster://"]
        {
            let error = read(url).expect_err(url);
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(!format!("{error:?} {error}").contains("hunter2"));
        }
    }
}
