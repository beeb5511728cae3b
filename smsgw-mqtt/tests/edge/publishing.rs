//! PUBLISH where one may not: refused (0x87), no effect.

use smsgw_core::device::Protocol;
use smsgw_core::state::State;
use smsgw_mqtt::wire::{self, Presence, ReportState};
use tokio::time::{Duration, Instant};

use crate::client::{BOTH, Said, Version};
use crate::phone::report;
use crate::place::{Kind, LONG, Place};

/// Long enough for what is on its way.
const BRIEF: Duration = Duration::from_millis(300);

pub(crate) async fn publish_to_another_devices_topic_or_to_any_down(place: Place) {
    for version in BOTH {
        // MQTT 3.1.1 has no words for it.
        let refused = if version == Version::V5 { 0x87 } else { 0 };
        let (one, other) =
            (place.phone(Protocol::Native, None).await, place.phone(Protocol::Native, None).await);
        let (mut forger, mut victim) = (one.come(version).await, other.come(version).await);
        place.until_online(one.device).await;
        place.until_online(other.device).await;
        let message = place.submit(&[other.device]).await[0];
        victim.listen(Instant::now() + LONG, |ears| ears.orders().len() == 1).await;
        let gone = wire::encode(&Presence { online: false, at: None });
        let (_, forged) = report(&message.to_string(), ReportState::Delivered);
        let order =
            br#"{"type":"send","id":"01990000-0000-7000-8000-000000000001","to":"+53","body":"for x"}"#;
        for retain in [false, true] {
            for (topic, payload) in [
                (other.up(), &forged[..]),
                (other.presence(), &gone),
                (other.down(), order),
                (one.down(), order),
            ] {
                assert_eq!(forger.publish(&topic, payload, retain).await, refused, "{topic} {retain}");
            }
        }
        // What was said before this has been heard.
        let (_, own) = report(&message.to_string(), ReportState::Delivered);
        victim.publish(&other.up(), &own, false).await;
        victim.listen(Instant::now() + LONG, |ears| ears.heard.len() > 1).await;
        let events = place.handle.message_events(place.account, message).await.expect("events");
        let events = events.expect("the message is there");
        assert_eq!(events.iter().filter(|event| event.state == State::Delivered).count(), 1);
        assert!(place.is_online(other.device).await);
        for ears in [&mut forger, &mut victim] {
            ears.listen_for(BRIEF).await;
            assert_eq!(ears.foreign(), 0);
        }
        // And nothing was kept for who comes later.
        for (phone, ears) in [(&one, forger), (&other, victim)] {
            ears.client.disconnect().await;
            let mut ears = phone.come(version).await;
            ears.listen_for(BRIEF).await;
            assert_eq!((ears.foreign(), ears.orders().len()), (0, 0));
        }
    }
}

pub(crate) async fn a_last_will_for_another_device(place: Place) {
    for version in BOTH {
        let (one, other) =
            (place.phone(Protocol::Native, None).await, place.phone(Protocol::Native, None).await);
        let mut victim = other.come(version).await;
        place.until_online(other.device).await;
        for (topic, payload) in
            [(other.presence(), r#"{"online":false}"#), (other.down(), "for x"), (one.down(), "for x")]
        {
            for retain in [false, true] {
                let options = one.options(version).will(&topic, payload, retain);
                let (client, said) = options.try_connect(place.address).await;
                // The embedded broker does not let such a client in; another says nothing and drops what it leaves.
                let is_refused = matches!(said, Said::Refused(_));
                assert!(is_refused || place.kind == Kind::Mosquitto, "{topic}: {said:?}");
                drop(client);
            }
        }
        victim.listen_for(BRIEF).await;
        assert_eq!(victim.foreign(), 0);
        assert!(place.is_online(other.device).await);
        let mut ears = one.come(version).await;
        ears.listen_for(BRIEF).await;
        assert_eq!(ears.foreign(), 0);
    }
}
