//! Started with the names that the Python gateway's settings have, and nothing else.

use smsgw_test_support::{RabbitMq, Redis};

use crate::deployment::{Deployment, all_delivered, available, submit_many};
use crate::support::{eventually, radio, start_device};

/// Messages go out once, a revoked key is out, and it all goes on after the gateway was killed.
fn delivers(deployment: &Deployment, settings: &[(&str, String)]) {
    let (code, said) = deployment.check("check", settings);
    assert_eq!(code, Some(0), "{said}");
    let mut gateway = deployment.gateway("gateway", settings);
    let (device, key) = gateway.device("native");
    let args = deployment.device_args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let _phone = start_device(deployment.path(), &gateway.mqtt, &device, &key, &args);
    let mut ids = submit_many(&gateway, 50, "before");
    gateway.process.signal("-KILL");
    gateway.process.exit_code();
    let mut gateway = deployment.gateway("gateway", settings);
    ids.extend(submit_many(&gateway, 50, "after"));
    all_delivered(&gateway, &ids);
    let mut sent = radio(deployment.path(), &device);
    sent.sort();
    ids.sort();
    assert_eq!(sent, ids, "each went over the air once");

    let (_, keys) = gateway.get(&format!("/devices/{device}/api-keys"));
    let key = keys["items"][0]["id"].as_str().expect("a key id").to_owned();
    let (status, _) = gateway.delete(&format!("/devices/{device}/api-keys/{key}"));
    assert!(matches!(status, 200 | 204), "{status}");
    // The broker has thrown it out: its last will says so.
    eventually("the device is gone", || {
        (gateway.get(&format!("/devices/{device}")).1["online"] == false).then_some(())
    });
    gateway.process.signal("-TERM");
    assert_eq!(gateway.process.exit_code(), Some(0), "{}", gateway.log());
    assert!(!gateway.log().contains("ERROR"), "{}", gateway.log());
}

#[test]
fn postgresql_redis_and_mosquitto_over_tls() {
    let Some(redis) = available(Redis::start(), "redis") else { return };
    let Some(deployment) = Deployment::start() else { return };
    let mut settings = deployment.settings();
    settings.push(("BROKER_URL", redis.url()));
    settings.push(("RESULT_BACKEND", redis.url()));
    delivers(&deployment, &settings);
}

#[test]
fn postgresql_rabbitmq_and_mosquitto() {
    let Some(rabbitmq) = available(RabbitMq::start(), "amqp") else { return };
    let Some(deployment) = Deployment::start() else { return };
    let mut settings = deployment.settings();
    settings.push(("BROKER_URL", rabbitmq.url()));
    delivers(&deployment, &settings);
}
