//! A gateway with its HTTP API, in this process.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smsgw::auth::Authenticator;
use smsgw::gateway::{Gateway, GatewayBuilder, Handle, NewToken, Running};
use smsgw::id::{AccountId, MessageId};
use smsgw::mqtt::broker::{Broker, BrokerConfig};
use smsgw::mqtt::transport::MqttTransport;
use smsgw::queue::Queue;
use smsgw::sqlite::{SqliteConfig, SqliteStore};
use smsgw::state::State;
use smsgw::store::Store;
use smsgw::time::SystemClock;
use smsgw::transport::Transport;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::Api;
use crate::suite::LOADED;

/// How long what is under way at the end of a case may take.
const DRAIN: Duration = Duration::from_secs(10);

pub(crate) struct Serving {
    pub(crate) handle: Handle,
    pub(crate) account: AccountId,
    pub(crate) api: Api,
    running: Running,
    stop: CancellationToken,
}

impl Serving {
    /// Starts one on these backends.
    pub(crate) async fn start(
        store: Arc<dyn Store>,
        queue: Arc<dyn Queue>,
        transport: impl Transport,
        tune: impl FnOnce(GatewayBuilder) -> GatewayBuilder,
    ) -> Self {
        let running = tune(Gateway::builder(store, queue, transport)).build().start().await.expect("starts");
        let handle = running.handle();
        let account = handle.ensure_account("test").await.expect("an account").id;
        let (token, _) = handle.create_token(account, NewToken::new("test")).await.expect("a token");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        let router = smsgw::http::router(handle.clone());
        tokio::spawn(smsgw::http::serve(listener, router, stop.clone(), DRAIN));
        let api = Api::new(url, token.expose().to_owned());
        Self { handle, account, api, running, stop }
    }

    /// Waits until it says that it is ready. Says how long that took.
    pub(crate) async fn ready(&self, within: Duration) -> Duration {
        let begun = Instant::now();
        loop {
            let (status, said) = self.api.ready();
            if status == 200 {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < within + LOADED, "not ready within {within:?}: {said}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the gateway knows of all that they were sent.
    pub(crate) async fn all_known(&self, ids: &HashSet<String>, within: Duration) {
        let begun = Instant::now();
        for id in ids {
            let id: MessageId = id.parse().expect("an id");
            loop {
                let message = self.handle.message(self.account, id).await.expect("read");
                let message = message.expect("what was accepted is there");
                if message.state == State::Sent {
                    break;
                }
                assert!(begun.elapsed() < within, "{id} is {:?} ({:?})", message.state, message.reason);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Ends it, and all that it had under way.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.running.drain(DRAIN).await.expect("drains");
    }
}

/// An empty store in a file of `dir`.
pub(crate) async fn sqlite(dir: &TempDir) -> Arc<dyn Store> {
    let config = SqliteConfig::new(dir.path().join("messages.db"));
    Arc::new(SqliteStore::open(config, Arc::new(SystemClock)).await.expect("a store"))
}

/// The embedded broker, which asks `store` who may come in: the way to it, and its address.
pub(crate) async fn embedded(store: &Arc<dyn Store>) -> (Broker, MqttTransport, String) {
    let config = BrokerConfig::new("127.0.0.1:0".parse().expect("an address"));
    let broker = Broker::start(config, Authenticator::new(store.clone(), SystemClock)).await;
    let broker = broker.expect("a broker");
    let transport = MqttTransport::embedded(&broker);
    let url = format!("mqtt://{}", broker.local_addr());
    (broker, transport, url)
}
