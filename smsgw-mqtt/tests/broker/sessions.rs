use std::sync::Arc;
use std::time::{Duration, Instant};

use smsgw_core::device::Protocol;
use smsgw_core::time::{Clock, ManualClock, SystemClock};
use smsgw_core::transport::TopicKey;
use smsgw_mqtt::broker::BrokerEvent;

use crate::client::{BOTH, Said, Version, message};
use crate::ground::{Ground, config, shared};

#[tokio::test]
async fn a_native_device_finds_its_session_after_a_cut() {
    let ground = Ground::new().await;
    let mut gateway = ground.connect(ground.gateway_options()).await;
    for version in BOTH {
        let phone = ground.native().await;
        let mut options = phone.native(version).persistent();
        options.manual_acks = true;
        let mut client = ground.connect(options.clone()).await;
        assert_eq!(client.subscribe(&phone.down()).await, 1);
        assert_eq!(gateway.publish(&phone.down(), "seen").await, 0);
        assert_eq!(client.hear().await, message(&phone.down(), "seen"));
        drop(client);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(gateway.publish(&phone.down(), "missed").await, 0);
        let (mut client, said) = options.try_connect(ground.broker.local_addr()).await;
        assert_eq!(said, Said::Connected { session_present: true });
        assert_eq!(client.hear().await, message(&phone.down(), "seen"));
        assert_eq!(client.hear().await, message(&phone.down(), "missed"));
    }
}

#[tokio::test]
async fn a_live_session_ends_with_its_key() {
    let ground = Ground::new().await;
    let mut gateway = ground.gateway().await;
    for version in BOTH {
        let (native, original) = (ground.native().await, ground.original().await);
        let will = native.presence();
        let mut one = ground.connect(native.native(version).persistent().will(&will, "gone", false)).await;
        let mut two = ground.connect(original.original(version, "o1")).await;
        let mut three = ground.connect(original.original(version, "o2").persistent()).await;
        let mut unharmed = ground.connect(shared(version, "s")).await;
        assert_eq!(one.subscribe(&native.down()).await, 1);
        for client in [&mut two, &mut three] {
            assert_eq!(client.subscribe(&original.sms()).await, 1);
        }
        ground.revoke(&native).await;
        ground.revoke(&original).await;
        let begun = Instant::now();
        ground.broker.disconnect(&[native.id, original.id]).await;
        for client in [&mut one, &mut two, &mut three] {
            assert_eq!(client.hear().await, Said::Lost);
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(gateway.hear().await, message(&will, "gone"));
        assert_eq!(unharmed.publish(&original.auth(), "x").await, 0);
        assert_eq!(gateway.hear().await, message(&original.auth(), "x"));
        // Nothing waits for who comes back with another key.
        assert_eq!(gateway.publish(&native.down(), "lost").await, 0);
        assert_eq!(gateway.hear().await, message(&native.down(), "lost"));
        let options = ground.another_key(native.id, None).await.native(version).persistent();
        let (_, said) = options.try_connect(ground.broker.local_addr()).await;
        assert_eq!(said, Said::Connected { session_present: false });
    }
}

#[tokio::test]
async fn a_device_with_a_good_key_keeps_its_session() {
    let ground = Ground::new().await;
    let mut gateway = ground.connect(ground.gateway_options()).await;
    for version in BOTH {
        let phone = ground.native().await;
        let old = ground.another_key(phone.id, None).await;
        let mut client = ground.connect(phone.native(version).persistent()).await;
        assert_eq!(client.subscribe(&phone.down()).await, 1);
        ground.revoke(&old).await;
        ground.broker.disconnect(&[phone.id]).await;
        assert_eq!(client.hear().await, Said::Lost);
        let (mut client, said) =
            phone.native(version).persistent().try_connect(ground.broker.local_addr()).await;
        assert_eq!(said, Said::Connected { session_present: true });
        assert_eq!(gateway.publish(&phone.down(), "again").await, 0);
        assert_eq!(client.hear().await, message(&phone.down(), "again"));
    }
}

#[tokio::test]
async fn a_kicked_original_device_listens_no_more() {
    let ground = Ground::new().await;
    let phone = ground.original().await;
    let mut events = ground.events();
    let mut client = ground.connect(phone.original(Version::V311, "x").persistent()).await;
    assert_eq!(client.subscribe(&phone.sms()).await, 1);
    let listening = |listening| BrokerEvent::Listening { key: TopicKey::new(&phone.key), listening };
    assert_eq!(events.next().await, listening(true));
    ground.revoke(&phone).await;
    ground.broker.disconnect(&[phone.id]).await;
    assert_eq!(events.next().await, listening(false));
}

#[tokio::test]
async fn a_session_that_waits_is_forgotten_with_its_device() {
    let ground = Ground::new().await;
    let phone = ground.native().await;
    let mut client = ground.connect(phone.native(Version::V5).persistent()).await;
    assert_eq!(client.subscribe(&phone.down()).await, 1);
    client.disconnect().await;
    ground.broker.disconnect(&[phone.id]).await;
    let (_, said) = phone.native(Version::V5).persistent().try_connect(ground.broker.local_addr()).await;
    assert_eq!(said, Said::Connected { session_present: false });
}

#[tokio::test]
async fn nobody_takes_the_session_of_somebody_else() {
    let ground = Ground::new().await;
    let (native, original, other) = (ground.native().await, ground.original().await, ground.original().await);
    for version in BOTH {
        let bad_id = if version == Version::V5 { "ClientIdentifierNotValid" } else { "BadClientId" };
        let mut phone = ground.connect(native.native(version)).await;
        let mut keyed = ground.connect(original.original(version, "keyed")).await;
        for options in [
            shared(version, &native.name),
            original.original(version, &native.name),
            shared(version, "keyed"),
            other.original(version, "keyed"),
        ] {
            assert_eq!(ground.refused(options).await, bad_id);
        }
        assert_eq!(phone.publish(&native.up(), "x").await, 0);
        assert_eq!(keyed.publish(&original.auth(), "x").await, 0);
    }
}

#[tokio::test]
async fn a_native_device_gets_its_client_id_back() {
    let ground = Ground::new().await;
    for version in BOTH {
        let phone = ground.native().await;
        let mut squatter = ground.connect(shared(version, &phone.name).persistent()).await;
        let mut client = ground.connect(phone.native(version).persistent()).await;
        assert_eq!(squatter.hear().await, Said::Lost);
        assert_eq!(client.publish(&phone.up(), "x").await, 0);
        // Also from somebody who has left a session.
        let phone = ground.native().await;
        ground.connect(shared(version, &phone.name).persistent()).await.disconnect().await;
        let (_, said) = phone.native(version).persistent().try_connect(ground.broker.local_addr()).await;
        assert_eq!(said, Said::Connected { session_present: false });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_takes_over_its_own_session_has_the_last_word_on_its_presence() {
    let ground = Ground::new().await;
    let mut gateway = ground.gateway().await;
    for version in BOTH {
        let phone = ground.native().await;
        let options = || phone.native(version).persistent().will(&phone.presence(), "offline", true);
        for round in 0..20 {
            // The old connection hangs, as that of a phone that has changed its network.
            let mut old = ground.connect(options()).await;
            assert_eq!(old.publish_retained(&phone.presence(), "online").await, 0);
            let mut new = ground.connect(options()).await;
            assert_eq!(new.publish_retained(&phone.presence(), "online").await, 0);
            let mut last = String::new();
            // The end marker comes after everything that was published before.
            assert_eq!(new.publish(&phone.up(), "end").await, 0);
            loop {
                match gateway.hear().await {
                    Said::Message { topic, payload, .. } if topic == phone.presence() => last = payload,
                    Said::Message { topic, .. } if topic == phone.up() => break,
                    _ => {}
                }
            }
            assert_eq!(last, "online", "in round {round}");
            gateway.hears_nothing().await;
            drop((old, new));
            loop {
                if gateway.hear().await == message(&phone.presence(), "offline") {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_session_ends_when_its_key_expires() {
    let ground = Ground::new().await;
    for version in BOTH {
        for protocol in [Protocol::Native, Protocol::Original] {
            let phone = ground.phone(protocol).await;
            let end = SystemClock.now() + Duration::from_millis(800);
            let phone = ground.another_key(phone.id, Some(end)).await;
            let options = || match protocol {
                Protocol::Native => phone.native(version),
                Protocol::Original => phone.original(version, "phone"),
            };
            let mut client = ground.connect(options()).await;
            assert_eq!(client.hear().await, Said::Lost);
            assert!(SystemClock.now() >= end);
            ground.refused(options()).await;
        }
    }
}

/// The clock that keys expire by stands still until it is moved, so that nothing but the publish itself finds out.
#[tokio::test]
async fn what_is_published_after_the_end_of_a_key_does_not_reach_its_session() {
    let start = SystemClock.now();
    let clock = Arc::new(ManualClock::new(start));
    let ground = Ground::by(config(), clock.clone()).await;
    let gateway = ground.connect(ground.gateway_options()).await;
    for version in BOTH {
        for protocol in [Protocol::Native, Protocol::Original] {
            let phone = ground.phone(protocol).await;
            let end = clock.now() + Duration::from_secs(60);
            let phone = ground.another_key(phone.id, Some(end)).await;
            let (options, topic) = match protocol {
                Protocol::Native => (phone.native(version), phone.down()),
                Protocol::Original => (phone.original(version, &phone.name), phone.sms()),
            };
            let mut client = ground.connect(options).await;
            assert_eq!(client.subscribe(&topic).await, 1);
            gateway.send(&topic, "before", false);
            assert_eq!(client.hear().await, message(&topic, "before"));
            clock.advance(Duration::from_secs(60) + Duration::from_millis(1));
            gateway.send(&topic, "after", false);
            assert_eq!(client.hear().await, Said::Lost);
        }
    }
}
