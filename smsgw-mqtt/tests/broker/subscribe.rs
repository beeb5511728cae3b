use crate::client::{BOTH, SILENCE, Version, message};
use crate::ground::{Ground, shared};

fn refused(version: Version) -> u8 {
    if version == Version::V5 { 0x87 } else { 0x80 }
}

#[tokio::test]
async fn nobody_reads_what_is_for_somebody_else() {
    let ground = Ground::new().await;
    let (one, other) = (ground.native().await, ground.native().await);
    let (original, neighbour) = (ground.original().await, ground.original().await);
    let mut gateway = ground.connect(ground.gateway_options()).await;
    for version in BOTH {
        let mut spies = [
            ground.connect(one.native(version)).await,
            ground.connect(original.original(version, "keyed")).await,
            ground.connect(shared(version, "shared")).await,
        ];
        for spy in &mut spies {
            for filter in [
                "#",
                "+/+",
                "+/+/+",
                "+/+/+/+",
                "smsgw/#",
                "smsgw/v1/+/down",
                "devices/#",
                "devices/+/sms",
                "devices/auth/+",
                "devices/messages/+",
                "server/auth/+",
                "$share/g/#",
                "$share/g/devices/+/sms",
                "$SYS/#",
                "$CONTROL/#",
                "$CONTROL/dynamic-security/v1/response",
                &other.down(),
                &other.up(),
                &other.presence(),
                &format!("$share/g/{}", other.down()),
                &format!("$share/g/{}", neighbour.sms()),
                &neighbour.auth(),
            ] {
                assert_eq!(spy.subscribe(filter).await, refused(version), "{filter}");
            }
        }
        // A key that one knows is good for the shared account alone.
        for spy in &mut spies[..2] {
            assert_eq!(spy.subscribe(&neighbour.sms()).await, refused(version));
            assert_eq!(spy.subscribe(&neighbour.answer()).await, refused(version));
        }
        for topic in [&other.down(), &other.up(), &other.presence(), &neighbour.sms(), &neighbour.answer()] {
            assert_eq!(gateway.publish(topic, "secret").await, 0);
        }
        tokio::time::sleep(SILENCE).await;
        for spy in &mut spies {
            spy.hears_nothing().await;
        }
    }
}

#[tokio::test]
async fn everybody_reads_what_is_for_him() {
    let ground = Ground::new().await;
    let (native, original, lent) = (ground.native().await, ground.original().await, ground.original().await);
    let mut gateway = ground.connect(ground.gateway_options()).await;
    for version in BOTH {
        let mut clients = [
            ground.connect(native.native(version)).await,
            ground.connect(original.original(version, "keyed")).await,
            ground.connect(shared(version, "shared")).await,
        ];
        for (who, topic) in [
            (0, native.down()),
            (1, original.sms()),
            (1, original.answer()),
            (2, lent.sms()),
            (2, lent.answer()),
        ] {
            let client = &mut clients[who];
            assert_eq!(client.subscribe(&topic).await, 1);
            assert_eq!(gateway.publish(&topic, "+53:a:b\n👋").await, 0);
            assert_eq!(client.hear().await, message(&topic, "+53:a:b\n👋"));
        }
    }
}

#[tokio::test]
async fn a_connection_holds_64_filters() {
    let ground = Ground::new().await;
    let mut client = ground.connect(shared(Version::V5, "greedy")).await;
    for number in 0..64 {
        assert_eq!(client.subscribe(&format!("devices/{number}/sms")).await, 1);
    }
    assert_eq!(client.subscribe("devices/more/sms").await, 0x87);
    assert_eq!(client.subscribe("devices/0/sms").await, 1);
    client.unsubscribe("devices/0/sms").await;
    assert_eq!(client.subscribe("devices/more/sms").await, 1);
}
