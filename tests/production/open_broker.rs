//! A broker that keeps no accounts works, and the gateway says what is then not protected.

use smsgw_test_support::Mosquitto;

use crate::deployment::{available, start};
use crate::support::{radio, start_device};

#[test]
fn a_broker_without_accounts_works_and_the_log_says_what_that_means() {
    let Some(mosquitto) = available(Mosquitto::start(), "mqtt") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let settings = [
        ("DATABASE_URL", "sqlite://messages.db".to_owned()),
        ("MQTT_BROKER_HOST", "127.0.0.1".to_owned()),
        ("MQTT_BROKER_PORT", mosquitto.port().to_string()),
        ("HTTP_ADDR", "127.0.0.1:0".to_owned()),
    ];
    let gateway = start(dir.path(), "gateway", &settings, mosquitto.url());
    assert!(gateway.log().contains("not protected"), "{}", gateway.log());
    let (device, key) = gateway.device("native");
    let _phone = start_device(dir.path(), &gateway.mqtt, &device, &key, &[]);
    let id = gateway.submit("+5351234567", "hola");
    gateway.reaches(&id, "delivered");
    assert_eq!(radio(dir.path(), &device), [id]);
}
