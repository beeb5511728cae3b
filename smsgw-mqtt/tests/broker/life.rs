use std::time::{Duration, Instant};

use smsgw_core::auth::Authenticator;
use smsgw_core::error::ErrorKind;
use smsgw_core::memory::MemoryStore;
use smsgw_core::time::SystemClock;
use smsgw_mqtt::broker::{Broker, BrokerConfig, BrokerEvent};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::client::{Said, Version, message};
use crate::ground::{Ground, config, shared};

#[tokio::test]
async fn a_taken_port_is_named_with_the_cure() {
    let ground = Ground::new().await;
    let address = ground.broker.local_addr();
    let authenticator = Authenticator::new(MemoryStore::new(), SystemClock);
    let error = Broker::start(BrokerConfig::new(address), authenticator).await.expect_err("it is taken");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("port 0"), "{text}");
}

#[tokio::test]
async fn an_address_of_another_machine() {
    let authenticator = Authenticator::new(MemoryStore::new(), SystemClock);
    let config = BrokerConfig::new("192.0.2.1:0".parse().expect("an address"));
    let error = Broker::start(config, authenticator).await.expect_err("not ours");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn close_ends_everything_within_half_a_second() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let ground = Ground::new().await;
    let phone = ground.native().await;
    let mut half_open = TcpStream::connect(ground.broker.local_addr()).await.expect("connect");
    let mut clients = Vec::new();
    for options in [
        phone.native(Version::V5).persistent().will(&phone.presence(), "gone", true),
        shared(Version::V311, "x"),
        ground.gateway_options(),
    ] {
        clients.push(ground.connect(options).await);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    ground.broker.close().await;
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    for client in &mut clients {
        assert_eq!(client.hear().await, Said::Lost);
    }
    assert_eq!(half_open.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(ground.broker.local_addr()).await.is_err());
    ground.broker.close().await;
    drop(clients);
    let patience = Instant::now() + Duration::from_secs(2);
    while tasks() > before && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(tasks(), before);
}

#[tokio::test]
async fn a_broker_that_is_dropped_stops() {
    let ground = Ground::new().await;
    let address = ground.broker.local_addr();
    let mut client = ground.connect(shared(Version::V5, "x")).await;
    drop(ground);
    assert_eq!(client.hear().await, Said::Lost);
    let patience = Instant::now() + Duration::from_secs(2);
    while TcpStream::connect(address).await.is_ok() && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn two_brokers_in_one_process_share_nothing() {
    let (one, two) = (Ground::new().await, Ground::new().await);
    let phone = one.native().await;
    assert_eq!(two.refused(phone.native(Version::V5)).await, "BadUserNamePassword");
    let (mut here, mut there) = (one.gateway().await, two.gateway().await);
    let mut client = one.connect(phone.native(Version::V5)).await;
    assert_eq!(client.publish(&phone.up(), "x").await, 0);
    assert_eq!(here.hear().await, message(&phone.up(), "x"));
    there.hears_nothing().await;
    one.broker.close().await;
    assert_eq!(there.publish("still/here", "x").await, 0);
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed() {
    let mut config = config();
    config.max_connections = 2;
    let ground = Ground::with(config).await;
    let mut clients = Vec::new();
    // This machine has 16 places of its own, for the gateway.
    for number in 0..18 {
        clients.push(ground.connect(shared(Version::V5, &number.to_string())).await);
    }
    let (_, said) = shared(Version::V5, "more").try_connect(ground.broker.local_addr()).await;
    assert_eq!(said, Said::Lost);
    clients.pop();
    let patience = Instant::now() + Duration::from_secs(2);
    loop {
        let (_, said) = shared(Version::V5, "more").try_connect(ground.broker.local_addr()).await;
        if said == (Said::Connected { session_present: false }) {
            break;
        }
        assert!(Instant::now() < patience, "a place came free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_comes_and_is_sent_away() {
    const CROWD: usize = 200;
    let mut config = config();
    config.max_connections = 2 * CROWD;
    let ground = Ground::with(config).await;
    let mut events = ground.events();
    let (mut phones, mut clients) = (Vec::new(), Vec::new());
    for number in 0..CROWD {
        let phone = ground.original().await;
        // Each comes twice under one client id, and the second takes over.
        let id = number.to_string();
        let address = ground.broker.local_addr();
        let options = [phone.original(Version::V311, &id), phone.original(Version::V5, &id)];
        clients.push(tokio::spawn(async move {
            let [first, second] = options.map(|options| options.connect(address));
            let (first, mut second) = (first.await, second.await);
            drop(first);
            (second.subscribe(&format!("devices/{number}/none")).await, second)
        }));
        phones.push(phone);
    }
    let mut live = Vec::new();
    for (client, phone) in clients.into_iter().zip(&phones) {
        let (refused, mut client) = client.await.expect("no panic");
        assert_eq!(refused, 0x87);
        assert_eq!(client.subscribe(&phone.sms()).await, 1);
        live.push(client);
    }
    let is_listening = |event: BrokerEvent| matches!(event, BrokerEvent::Listening { listening: true, .. });
    for _ in 0..CROWD {
        assert!(is_listening(events.next().await));
    }
    for phone in &phones {
        ground.revoke(phone).await;
    }
    let begun = Instant::now();
    ground.broker.disconnect(&phones.iter().map(|phone| phone.id).collect::<Vec<_>>()).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    for client in &mut live {
        assert_eq!(client.hear().await, Said::Lost);
    }
    for _ in 0..CROWD {
        assert!(!is_listening(events.next().await));
    }
    events.nothing().await;
}
