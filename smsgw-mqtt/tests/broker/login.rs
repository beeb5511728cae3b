use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use smsgw_core::auth::Authenticator;
use smsgw_core::memory::MemoryStore;
use smsgw_core::store::Store;
use smsgw_core::time::{Clock, SystemClock, Timestamp};
use smsgw_mqtt::broker::{Broker, BrokerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{BOTH, Options, Version};
use crate::ground::{Ground, PASSWORD, USER, config, shared};

const WRONG: &str = "BadUserNamePassword";

fn bad_id(version: Version) -> &'static str {
    if version == Version::V5 { "ClientIdentifierNotValid" } else { "BadClientId" }
}

#[tokio::test]
async fn who_belongs_here_comes_in() {
    let ground = Ground::new().await;
    let (native, original) = (ground.native().await, ground.original().await);
    for version in BOTH {
        ground.connect(native.native(version)).await;
        ground.connect(original.original(version, "any id")).await;
        ground.connect(original.original(version, "")).await;
        ground.connect(shared(version, "another id")).await;
    }
    ground.gateway().await;
}

#[tokio::test]
async fn a_client_id_other_than_the_user_name() {
    let ground = Ground::new().await;
    let (one, two) = (ground.native().await, ground.native().await);
    for version in BOTH {
        for client_id in ["phone", &two.name, "smsgw-gateway", ""] {
            let mut options = one.native(version);
            options.client_id = client_id.into();
            assert_eq!(ground.refused(options).await, bad_id(version), "{client_id}");
        }
    }
}

#[tokio::test]
async fn no_password() {
    let ground = Ground::new().await;
    let phone = ground.native().await;
    for version in BOTH {
        let mut options = phone.native(version);
        options.login = None;
        assert_eq!(ground.refused(options).await, WRONG);
        // rumqttc sends no password where it is empty.
        for username in [&phone.name, &phone.key, USER, "gateway"] {
            let options = Options::new(version, &phone.name, username, "");
            assert_eq!(ground.refused(options).await, WRONG, "{username}");
        }
    }
}

#[tokio::test]
async fn a_revoked_or_expired_key() {
    let ground = Ground::new().await;
    for version in BOTH {
        let (native, original) = (ground.native().await, ground.original().await);
        for phone in [&native, &original] {
            ground.revoke(phone).await;
        }
        assert_eq!(ground.refused(native.native(version)).await, WRONG);
        assert_eq!(ground.refused(original.original(version, "id")).await, WRONG);
        let past = Some(SystemClock.now() - Duration::from_secs(1));
        let expired = ground.another_key(native.id, past).await;
        assert_eq!(ground.refused(expired.native(version)).await, WRONG);
        let future = Some(SystemClock.now() + Duration::from_secs(60));
        let good = ground.another_key(native.id, future).await;
        ground.connect(good.native(version)).await;
    }
}

#[tokio::test]
async fn a_client_that_fails_ten_times_in_a_minute_is_not_heard_for_a_minute() {
    for (version, paused) in [(Version::V5, "ConnectionRateExceeded"), (Version::V311, "ServiceUnavailable")]
    {
        let ground = Ground::new().await;
        let (one, two) = (ground.native().await, ground.native().await);
        let wrong = || Options::new(version, &one.name, &one.name, &two.key);
        for _ in 0..10 {
            assert_eq!(ground.refused(wrong()).await, WRONG);
        }
        assert_eq!(ground.refused(wrong()).await, paused);
        ground.connect(one.native(version)).await;
        // The store is not even asked.
        Store::close(&ground.store).await.expect("close");
        assert_eq!(ground.refused(two.native(version)).await, paused);
    }
}

#[tokio::test]
async fn the_key_of_somebody_else() {
    let ground = Ground::new().await;
    let (one, two, original) = (ground.native().await, ground.native().await, ground.original().await);
    for version in BOTH {
        for (client_id, username, password) in [
            (one.name.as_str(), one.name.as_str(), two.key.as_str()),
            (&one.name, &one.name, &original.key),
            (&original.name, &original.name, &original.key),
            (&one.name, &one.key, &one.key),
            ("x", &original.key, &one.key),
            ("x", USER, &original.key),
            ("x", USER, "passwore"),
            ("x", "root", PASSWORD),
            ("x", "password", "password"),
            ("smsgw-gateway", "gateway", &one.key),
            ("smsgw-gateway", "gateway", PASSWORD),
        ] {
            let options = Options::new(version, client_id, username, password);
            assert_eq!(ground.refused(options).await, WRONG, "{client_id} {username}");
        }
    }
}

#[tokio::test]
async fn the_client_id_of_the_gateway_is_its_own() {
    let ground = Ground::new().await;
    let original = ground.original().await;
    for version in BOTH {
        assert_eq!(ground.refused(shared(version, "smsgw-gateway")).await, bad_id(version));
        let options = original.original(version, "smsgw-gateway");
        assert_eq!(ground.refused(options).await, bad_id(version));
        assert_eq!(ground.refused(shared(version, &"x".repeat(129))).await, bad_id(version));
    }
    let mut options = ground.gateway_options();
    options.client_id = "another".into();
    assert_eq!(ground.refused(options).await, bad_id(Version::V5));
}

#[tokio::test]
async fn without_a_shared_account_there_is_none() {
    let mut config = config();
    config.shared_account = None;
    let ground = Ground::with(config).await;
    assert_eq!(ground.refused(shared(Version::V311, "x")).await, WRONG);
}

#[tokio::test]
async fn a_store_that_cannot_be_asked() {
    let ground = Ground::new().await;
    let phone = ground.native().await;
    Store::close(&ground.store).await.expect("close");
    assert_eq!(ground.refused(phone.native(Version::V5)).await, "ServerUnavailable");
    assert_eq!(ground.refused(phone.native(Version::V311)).await, "ServiceUnavailable");
}

#[tokio::test]
async fn a_foreign_last_will() {
    let ground = Ground::new().await;
    let (one, two, original) = (ground.native().await, ground.native().await, ground.original().await);
    let mut gateway = ground.gateway().await;
    for version in BOTH {
        for options in [
            one.native(version).will(&two.presence(), "{}", false),
            one.native(version).will(&one.down(), "{}", false),
            one.native(version).will(&one.up(), "{}", true),
            one.native(version).will(&one.presence(), &"x".repeat(4_097), true),
            original.original(version, "x").will(&one.presence(), "{}", false),
            original.original(version, "x").will(&original.auth(), "x", true),
            shared(version, "x").will(&original.sms(), "x", false),
        ] {
            assert_eq!(ground.refused(options).await, "NotAuthorized");
        }
    }
    gateway.hears_nothing().await;
    for version in BOTH {
        drop(ground.connect(one.native(version).will(&one.presence(), "gone", true)).await);
        assert_eq!(gateway.hear().await, crate::client::message(&one.presence(), "gone"));
    }
}

#[tokio::test]
async fn the_account_of_one_gateway_is_no_good_at_another() {
    let (one, two) = (Ground::new().await, Ground::new().await);
    let (first, second) = (one.broker.gateway_account(), two.broker.gateway_account());
    assert_ne!(first.password.expose_secret(), second.password.expose_secret());
    assert!(!format!("{first:?}").contains(first.password.expose_secret()));
    assert_eq!(two.refused(one.gateway_options()).await, WRONG);
}

#[tokio::test]
async fn the_gateway_gets_in_where_the_broker_is_full() {
    let mut config = config();
    config.max_connections = 1;
    let ground = Ground::with(config).await;
    let phone = ground.connect(shared(Version::V5, "one")).await;
    ground.gateway().await;
    drop(phone);
}

#[tokio::test]
async fn a_broker_that_listens_everywhere_knows_its_gateway() {
    let authenticator = Authenticator::new(MemoryStore::new(), SystemClock);
    let broker = Broker::start(BrokerConfig::new(([0, 0, 0, 0], 0).into()), authenticator).await;
    let broker = broker.expect("a free port");
    let account = broker.gateway_account();
    let password = account.password.expose_secret();
    let options = Options::new(Version::V5, &account.client_id, &account.username, password);
    options.connect(account.address).await;
    assert!(Timestamp::EPOCH < SystemClock.now());
}

#[tokio::test]
async fn who_says_something_else_first_or_nothing_is_closed() {
    let ground = Ground::new().await;
    let mut streams = Vec::new();
    // A ping, the beginning of something, and nothing at all.
    for words in [&[0xC0, 0][..], b"GET / HTTP/1.1\r\n\r\n", b""] {
        let mut stream = TcpStream::connect(ground.broker.local_addr()).await.expect("connect");
        stream.write_all(words).await.expect("write");
        streams.push(stream);
    }
    let begun = Instant::now();
    for (stream, patience) in streams.iter_mut().zip([1, 12, 12]) {
        let closed = tokio::time::timeout(Duration::from_secs(patience), stream.read(&mut [0; 8])).await;
        assert_eq!(closed.expect("closed").unwrap_or(0), 0);
    }
    assert!(begun.elapsed() < Duration::from_secs(12));
}
