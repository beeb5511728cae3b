use smsgw_test_support::Log;
use tracing_subscriber::EnvFilter;

use crate::client::{BOTH, Options};
use crate::ground::{Ground, shared};

/// Everything of ours, and of the library what the module's documentation lets through.
#[tokio::test]
async fn refused_accesses_are_logged_without_a_key() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("trace,mqtt5=error,mqtt5_protocol=error"))
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let ground = Ground::new().await;
    let (native, original, other) = (ground.native().await, ground.original().await, ground.original().await);
    for version in BOTH {
        let wrong = Options::new(version, &native.name, &native.name, &other.key);
        ground.refused(wrong).await;
        ground.refused(Options::new(version, &other.key, &other.key, "x")).await;
        ground.refused(shared(version, "x").will("devices/secret/sms", "secret", false)).await;
        for options in [native.native(version), original.original(version, &original.key)] {
            let mut client = ground.connect(options).await;
            client.subscribe(&other.sms()).await;
            client.subscribe("a\nforged line").await;
            client.publish(&other.auth(), "secret").await;
            client.publish(&original.auth(), "secret".repeat(1_000)).await;
        }
    }
    ground.revoke(&original).await;
    ground.broker.disconnect(&[original.id]).await;
    ground.broker.close().await;

    let text = log.text();
    for phone in [&native, &original, &other] {
        let secret = phone.key.rsplit('_').next().expect("a secret");
        assert!(!text.contains(secret), "{text}");
    }
    for word in ["secret", "forged line", "mqtt5"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    for word in [
        "the API key of another device",
        "unknown user name or wrong password",
        "a last will that it may not leave",
        "devices/…/sms",
        "devices/auth/…",
        &format!("device={}", native.id),
        &format!("credential={}", native.key_id),
        "origin=127.0.0.1",
    ] {
        assert!(
            text.lines().any(|line| line.contains("WARN smsgw::audit") && line.contains(word)),
            "{word}: {text}"
        );
    }
    assert!(text.contains("dropped a payload over 4 KiB"), "{text}");
}
