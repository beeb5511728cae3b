use smsgw_core::transport::TopicKey;
use smsgw_mqtt::broker::BrokerEvent;

use crate::client::{BOTH, Version, message};
use crate::ground::{Ground, Phone, shared};

fn listening(phone: &Phone, listening: bool) -> BrokerEvent {
    BrokerEvent::Listening { key: TopicKey::new(&phone.key), listening }
}

fn awaited(phone: &Phone) -> BrokerEvent {
    BrokerEvent::AuthenticationAwaited { key: TopicKey::new(&phone.key) }
}

#[tokio::test]
async fn who_subscribes_listens() {
    let ground = Ground::new().await;
    let phone = ground.original().await;
    let mut events = ground.events();
    assert!(ground.broker.events().is_none());
    let mut gateway = ground.connect(ground.gateway_options()).await;
    for version in BOTH {
        for options in [shared(version, "x"), phone.original(version, "y")] {
            let mut client = ground.connect(options).await;
            assert_eq!(client.subscribe(&phone.sms()).await, 1);
            assert_eq!(events.next().await, listening(&phone, true));
            // It is told when a message would arrive.
            assert_eq!(gateway.publish(&phone.sms(), "+53:hola").await, 0);
            assert_eq!(client.hear().await, message(&phone.sms(), "+53:hola"));
            client.unsubscribe(&phone.sms()).await;
            assert_eq!(events.next().await, listening(&phone, false));
            assert_eq!(client.subscribe(&phone.sms()).await, 1);
            assert_eq!(events.next().await, listening(&phone, true));
            drop(client);
            assert_eq!(events.next().await, listening(&phone, false));
        }
    }
    // The gateway is nobody who listens, and neither is who is refused.
    assert_eq!(gateway.subscribe(&phone.sms()).await, 1);
    let native = ground.native().await;
    let mut spy = ground.connect(native.native(Version::V5)).await;
    assert_eq!(spy.subscribe(&phone.sms()).await, 0x87);
    events.nothing().await;
}

#[tokio::test]
async fn two_listeners_count_until_both_are_gone() {
    let ground = Ground::new().await;
    let phone = ground.original().await;
    let mut events = ground.events();
    let mut one = ground.connect(shared(Version::V311, "one")).await;
    let mut two = ground.connect(phone.original(Version::V5, "two")).await;
    assert_eq!(one.subscribe(&phone.sms()).await, 1);
    assert_eq!(events.next().await, listening(&phone, true));
    assert_eq!(two.subscribe(&phone.sms()).await, 1);
    one.disconnect().await;
    events.nothing().await;
    drop(two);
    assert_eq!(events.next().await, listening(&phone, false));
}

#[tokio::test]
async fn a_takeover_loses_no_listener() {
    let ground = Ground::new().await;
    let phone = ground.original().await;
    let mut events = ground.events();
    for version in BOTH {
        let mut old = ground.connect(shared(version, "same")).await;
        assert_eq!(old.subscribe(&phone.sms()).await, 1);
        assert_eq!(events.next().await, listening(&phone, true));
        // A clean start drops the subscription of the old one.
        let mut new = ground.connect(shared(version, "same")).await;
        assert_eq!(events.next().await, listening(&phone, false));
        assert_eq!(new.subscribe(&phone.sms()).await, 1);
        assert_eq!(events.next().await, listening(&phone, true));
        events.nothing().await;
        drop(new);
        assert_eq!(events.next().await, listening(&phone, false));
    }
}

#[tokio::test]
async fn a_session_that_goes_on_listens_again() {
    let ground = Ground::new().await;
    let phone = ground.original().await;
    let mut events = ground.events();
    for (version, id) in [(Version::V5, "a"), (Version::V311, "b")] {
        let mut client = ground.connect(shared(version, id).persistent()).await;
        assert_eq!(client.subscribe(&phone.sms()).await, 1);
        assert_eq!(events.next().await, listening(&phone, true));
        drop(client);
        assert_eq!(events.next().await, listening(&phone, false));
        let client = ground.connect(shared(version, id).persistent()).await;
        assert_eq!(events.next().await, listening(&phone, true));
        drop(client);
        assert_eq!(events.next().await, listening(&phone, false));
    }
}

#[tokio::test]
async fn who_subscribes_only_after_the_answer_gets_another() {
    let ground = Ground::new().await;
    let phone = ground.original().await;
    let mut gateway = ground.connect(ground.gateway_options()).await;
    let mut events = ground.events();
    for version in BOTH {
        let mut late = ground.connect(shared(version, "late")).await;
        assert_eq!(late.publish(&phone.auth(), "client_id").await, 0);
        assert_eq!(gateway.publish(&phone.answer(), "authenticated").await, 0);
        assert_eq!(late.subscribe(&phone.answer()).await, 1);
        assert_eq!(events.next().await, awaited(&phone));
        // Once is enough.
        assert_eq!(late.subscribe(&phone.answer()).await, 1);
        events.nothing().await;
    }
}

#[tokio::test]
async fn who_subscribes_before_the_answer_gets_one() {
    let ground = Ground::new().await;
    let phone = ground.original().await;
    let mut gateway = ground.connect(ground.gateway_options()).await;
    let mut events = ground.events();
    for version in BOTH {
        // As the original client does it: it presents its key, and subscribes without waiting.
        let mut usual = ground.connect(shared(version, "usual")).await;
        assert_eq!(usual.publish(&phone.auth(), "client_id").await, 0);
        assert_eq!(usual.subscribe(&phone.answer()).await, 1);
        assert_eq!(gateway.publish(&phone.answer(), "authenticated").await, 0);
        let mut early = ground.connect(phone.original(version, "early")).await;
        assert_eq!(early.subscribe(&phone.answer()).await, 1);
        assert_eq!(early.publish(&phone.auth(), "client_id").await, 0);
        assert_eq!(gateway.publish(&phone.answer(), "authenticated").await, 0);
    }
    // Another connection has not presented anything.
    let mut other = ground.connect(shared(Version::V5, "other")).await;
    assert_eq!(other.subscribe(&phone.answer()).await, 1);
    events.nothing().await;
}
