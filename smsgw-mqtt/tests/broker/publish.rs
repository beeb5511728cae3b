use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{BOTH, Said, Version, message};
use crate::ground::{Ground, PASSWORD, USER, config, shared};

/// What a refused publish is answered with: MQTT 3.1.1 has no words for it.
fn refused(version: Version) -> u8 {
    if version == Version::V5 { 0x87 } else { 0 }
}

#[tokio::test]
async fn nobody_writes_where_he_may_not() {
    let ground = Ground::new().await;
    let (one, other) = (ground.native().await, ground.native().await);
    let (original, neighbour) = (ground.original().await, ground.original().await);
    let mut gateway = ground.gateway().await;
    for version in BOTH {
        let mut clients = [
            ground.connect(one.native(version)).await,
            ground.connect(original.original(version, "keyed")).await,
            ground.connect(shared(version, "shared")).await,
        ];
        for client in &mut clients {
            for topic in [
                &other.up(),
                &other.presence(),
                &other.down(),
                &one.down(),
                &neighbour.sms(),
                &neighbour.answer(),
                &original.sms(),
                "devices/auth/a/b",
                "smsgw/v1/up",
                "$SYS/broker/uptime",
                "$CONTROL/dynamic-security/v1",
                "anything",
            ] {
                assert_eq!(client.publish(topic, "forged").await, refused(version), "{topic}");
                assert_eq!(client.publish_retained(topic, "forged").await, refused(version), "{topic}");
            }
        }
        // A key that one knows is good for the shared account alone.
        for client in &mut clients[..2] {
            assert_eq!(client.publish(&neighbour.auth(), "x").await, refused(version));
        }
        // And all of them are still connected.
        for client in &mut clients {
            assert_eq!(client.subscribe("#").await, if version == Version::V5 { 0x87 } else { 0x80 });
        }
    }
    gateway.hears_nothing().await;
    // Nothing was kept either.
    gateway.unsubscribe("#").await;
    assert_eq!(gateway.subscribe("#").await, 1);
    gateway.hears_nothing().await;
}

#[tokio::test]
async fn everybody_writes_where_he_may() {
    let ground = Ground::new().await;
    let (native, original, lent) = (ground.native().await, ground.original().await, ground.original().await);
    let mut gateway = ground.gateway().await;
    for version in BOTH {
        let mut clients = [
            ground.connect(native.native(version)).await,
            ground.connect(original.original(version, "keyed")).await,
            ground.connect(shared(version, "shared")).await,
        ];
        let inbound = |key: &str| format!("devices/messages/{key}");
        for (who, topic) in [
            (0, native.up()),
            (0, native.presence()),
            (1, original.auth()),
            (1, inbound(&original.key)),
            (2, lent.auth()),
            (2, inbound(&lent.key)),
        ] {
            let client = &mut clients[who];
            assert_eq!(client.publish(&topic, "+53:a:b\n👋").await, 0);
            assert_eq!(gateway.hear().await, message(&topic, "+53:a:b\n👋"));
        }
    }
}

#[tokio::test]
async fn only_presence_is_kept() {
    let ground = Ground::new().await;
    let (native, original) = (ground.native().await, ground.original().await);
    let mut gateway = ground.gateway().await;
    for version in BOTH {
        let mut clients = [
            ground.connect(native.native(version)).await,
            ground.connect(original.original(version, "keyed")).await,
            ground.connect(shared(version, "shared")).await,
        ];
        for (who, topic) in [(0, native.up()), (1, original.auth()), (2, original.auth())] {
            let client = &mut clients[who];
            assert_eq!(client.publish_retained(&topic, "x").await, 0);
            assert_eq!(gateway.hear().await, message(&topic, "x"));
        }
        assert_eq!(clients[0].publish_retained(&native.presence(), "here").await, 0);
        assert_eq!(gateway.hear().await, message(&native.presence(), "here"));
        // What was kept is heard by who subscribes later.
        gateway.unsubscribe("#").await;
        assert_eq!(gateway.subscribe("#").await, 1);
        let kept = Said::Message { topic: native.presence(), payload: "here".into(), retain: true };
        assert_eq!(gateway.hear().await, kept);
        gateway.hears_nothing().await;
        assert_eq!(clients[0].publish_retained(&native.presence(), "").await, 0);
        assert_eq!(gateway.hear().await, message(&native.presence(), ""));
    }
}

#[tokio::test]
async fn a_payload_over_4_kib() {
    let ground = Ground::new().await;
    let phone = ground.native().await;
    let mut gateway = ground.gateway().await;
    for version in BOTH {
        let mut client = ground.connect(phone.native(version)).await;
        let whole = "x".repeat(4_096);
        assert_eq!(client.publish(&phone.up(), whole.as_str()).await, 0);
        assert_eq!(gateway.hear().await, message(&phone.up(), &whole));
        assert_eq!(client.publish(&phone.up(), "x".repeat(4_097)).await, 0);
        assert_eq!(client.publish_retained(&phone.presence(), &"x".repeat(4_097)).await, 0);
        gateway.hears_nothing().await;
        assert_eq!(client.publish(&phone.up(), "small").await, 0);
        assert_eq!(gateway.hear().await, message(&phone.up(), "small"));
    }
}

#[tokio::test]
async fn a_packet_over_8_kib_ends_the_connection() {
    let ground = Ground::new().await;
    let phone = ground.native().await;
    // rumqttc keeps to what the broker announces in MQTT 5.
    let mut client = ground.connect(phone.native(Version::V311)).await;
    client.send(&phone.up(), "x".repeat(9_000), false);
    assert_eq!(client.hear().await, Said::Lost);
}

#[tokio::test]
async fn who_floods_is_slowed_down_and_others_are_not() {
    let mut config = config();
    config.max_packet_rate = 20;
    let ground = Ground::with(config).await;
    let (flooder, calm) = (ground.native().await, ground.native().await);
    let mut client = ground.connect(flooder.native(Version::V5)).await;
    let begun = Instant::now();
    for _ in 0..60 {
        client.send(&flooder.up(), "x", false);
    }
    let mut other = ground.connect(calm.native(Version::V5)).await;
    assert_eq!(other.publish(&calm.up(), "x").await, 0);
    assert!(begun.elapsed() < Duration::from_millis(900));
    for _ in 0..60 {
        assert_eq!(client.hear().await, Said::Acknowledged(0));
    }
    // 40 at once, then 20 a second.
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
}

/// Byte for byte: paho hangs up where the answer is one of MQTT 5.
#[tokio::test]
async fn a_refused_publish_is_acknowledged_in_the_words_of_mqtt_3_1_1() {
    let ground = Ground::new().await;
    let text =
        |text: &str| [&u16::try_from(text.len()).expect("short").to_be_bytes()[..], text.as_bytes()].concat();
    let packet = |first: u8, body: &[u8]| [&[first, u8::try_from(body.len()).expect("short")], body].concat();
    let connect = [&text("MQTT")[..], &[4, 0xC2, 0, 60], &text("x"), &text(USER), &text(PASSWORD)].concat();
    let publish = [&text("devices/KEY/sms")[..], &[0, 7], b"forged"].concat();
    let mut stream = TcpStream::connect(ground.broker.local_addr()).await.expect("connect");
    for (sent, answer) in [
        (packet(0x10, &connect), &[0x20, 2, 0, 0][..]),
        (packet(0x32, &publish), &[0x40, 2, 0, 7]),
        (packet(0xC0, &[]), &[0xD0, 0]),
    ] {
        stream.write_all(&sent).await.expect("write");
        let mut heard = vec![0; answer.len()];
        stream.read_exact(&mut heard).await.expect("an answer");
        assert_eq!(heard, answer);
    }
}
