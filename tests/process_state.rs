//! Gateways set nothing that the rest of the process shares: another part of it may have its own subscriber, its own
//! TLS provider, its own panic hook.

use std::time::Duration;

use smsgw::auth::Authenticator;
use smsgw::gateway::Gateway;
use smsgw::memory::MemoryQueue;
use smsgw::mqtt::broker::{Broker, BrokerConfig};
use smsgw::mqtt::transport::MqttTransport;
use smsgw::sqlite::{SqliteConfig, SqliteStore};
use smsgw::time::SystemClock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_leave_the_process_as_it_was() {
    static OURS: AtomicBool = AtomicBool::new(false);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| OURS.store(true, Ordering::SeqCst)));
    let dir = tempfile::tempdir().expect("a directory");

    let mut gateways = Vec::new();
    for n in 0..2 {
        let config = SqliteConfig::new(dir.path().join(format!("{n}.db")));
        let store = Arc::new(SqliteStore::open(config, Arc::new(SystemClock)).await.expect("opens"));
        let authenticator = Authenticator::new(store.clone(), SystemClock);
        let config = BrokerConfig::new("127.0.0.1:0".parse().expect("an address"));
        let broker = Broker::start(config, authenticator).await.expect("starts");
        let gateway = Gateway::builder(store, MemoryQueue::new(), MqttTransport::embedded(&broker)).build();
        let running = gateway.start().await.expect("starts");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let router = smsgw::http::router(running.handle());
        let stop = tokio_util::sync::CancellationToken::new();
        let server = tokio::spawn(smsgw::http::serve(listener, router, stop.clone(), Duration::from_secs(1)));
        gateways.push((running, broker, stop, server));
    }
    for (running, ..) in &gateways {
        let handle = running.handle();
        let connected = async {
            while handle.health(Duration::from_secs(2)).await.transport.ready.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), connected).await.expect("connects");
    }
    for (running, broker, stop, server) in gateways {
        stop.cancel();
        server.await.expect("ends").expect("served");
        running.drain(Duration::from_secs(10)).await.expect("drains");
        broker.close().await;
    }

    assert!(!tracing::dispatcher::has_been_set(), "a log subscriber was set");
    assert!(rustls::crypto::CryptoProvider::get_default().is_none(), "a TLS provider was set");
    let _ = std::panic::catch_unwind(|| panic!("to see whose hook hears it"));
    assert!(OURS.load(Ordering::SeqCst), "the panic hook was replaced");
    std::panic::set_hook(before);
    // All else that was started ends by itself: nothing keeps the runtime alive.
    let left = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let ended = async {
        while left() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(10), ended).await.is_ok(),
        "{} tasks are left behind",
        left()
    );
}
