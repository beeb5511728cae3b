//! Devices as accounts of the dynamic security plugin.

use std::time::Duration;

use smsgw_core::conformance::Absent;
use smsgw_core::device::Protocol;
use smsgw_core::error::ErrorKind;
use smsgw_core::provision::{Grant, Provisioner};
use smsgw_mqtt::provision::{DynsecProvisioner, Lack};
use smsgw_mqtt::transport::MqttConfig;
use smsgw_test_support::Mosquitto;
use tokio::time::Instant;

use crate::client::Client;
use crate::fixtures::{BRIEF, Fake, Habits};
use crate::ground::{Ground, Key, Keys};

/// Within which whoever uses a revoked key is gone.
const OUT: Duration = Duration::from_secs(2);

fn grants(keys: &[&Key]) -> Vec<Grant> {
    keys.iter().map(|key| key.grant.clone()).collect()
}

pub(crate) async fn devices_are_kept_apart() -> Result<(), Absent> {
    let ground = Ground::start()?;
    let (one, two) = (ground.device(Protocol::Native), ground.device(Protocol::Native));
    let original = ground.device(Protocol::Original);
    ground.provisioner().check().await.expect("all is well");
    ground.provisioner().grant(&grants(&[&one, &two, &original])).await.expect("grant");
    let port = ground.server.port();
    let (id, other, key) = (one.grant.device.to_string(), two.grant.device.to_string(), &original.text);
    for (client_id, user, password) in [
        (&other[..], &id[..], &one.text[..]),
        ("x", &id, &one.text),
        (&id, &id, &two.text),
        (&id, &id, ""),
        (&id, &other, &one.text),
        (&id, "", ""),
        ("x", key, "wrong"),
    ] {
        assert!(Client::connect(port, client_id, user, password).await.is_none(), "{client_id} as {user}");
    }
    let mut clients = Vec::new();
    for key in [&one, &two, &original] {
        clients.push(ground.client(key).await.expect("it is let in"));
    }
    for (client, topic, may) in [
        (0, format!("smsgw/v1/{id}/down"), true),
        (1, format!("smsgw/v1/{other}/down"), true),
        (2, format!("devices/{key}/sms"), true),
        (2, format!("server/auth/{key}"), true),
        (0, format!("devices/{key}/sms"), false),
        (2, format!("smsgw/v1/{id}/down"), false),
    ] {
        assert_eq!(clients[client].subscribe(&topic).await, may, "{topic}");
    }
    for filter in [
        "#".to_owned(),
        "+/+".into(),
        "+/+/+/+".into(),
        "smsgw/v1/+/down".into(),
        "smsgw/#".into(),
        "devices/+/sms".into(),
        "devices/#".into(),
        "server/auth/+".into(),
        format!("smsgw/v1/{id}/#"),
        format!("smsgw/v1/{id}/up"),
        format!("smsgw/v1/{id}/presence"),
        format!("$share/g/smsgw/v1/{id}/down"),
        "$share/g/#".into(),
        "$SYS/#".into(),
        "$CONTROL/#".into(),
    ] {
        for client in &mut clients {
            assert!(!client.subscribe(&filter).await, "{filter}");
        }
    }
    assert!(!clients[1].subscribe(&format!("smsgw/v1/{id}/down")).await);
    for (client, topic, may) in [
        (0, format!("smsgw/v1/{id}/up"), true),
        (0, format!("smsgw/v1/{id}/presence"), true),
        (0, format!("smsgw/v1/{id}/down"), false),
        (0, format!("smsgw/v1/{other}/up"), false),
        (0, format!("smsgw/v1/{other}/presence"), false),
        (0, format!("smsgw/v1/{other}/down"), false),
        (0, format!("devices/auth/{key}"), false),
        (0, "$CONTROL/dynamic-security/v1".into(), false),
        (2, format!("devices/auth/{key}"), true),
        (2, format!("devices/messages/{key}"), true),
        (2, format!("devices/{key}/sms"), false),
        (2, format!("server/auth/{key}"), false),
        (2, "devices/auth/other".into(), false),
        (2, format!("smsgw/v1/{id}/up"), false),
    ] {
        assert_eq!(clients[client].publish(&topic).await, may, "{topic}");
    }
    // And nothing came through.
    for client in &mut clients {
        assert_eq!(client.hear(BRIEF).await, None);
    }
    let mut gateway = Client::connect(port, "g", "gateway", "correct").await.expect("the gateway is let in");
    for (topic, client) in [
        (format!("smsgw/v1/{id}/down"), 0),
        (format!("smsgw/v1/{other}/down"), 1),
        (format!("devices/{key}/sms"), 2),
        (format!("server/auth/{key}"), 2),
    ] {
        assert!(gateway.publish(&topic).await, "{topic}");
        assert_eq!(clients[client].hear(OUT).await.as_ref(), Some(&topic));
    }
    Ok(())
}

pub(crate) async fn original_devices_come_in_by_each_of_their_keys() -> Result<(), Absent> {
    let ground = Ground::start()?;
    let provisioner = ground.provisioner();
    let one = ground.device(Protocol::Original);
    let two = one.another();
    provisioner.grant(&grants(&[&one, &two])).await.expect("grant");
    let mut first = ground.client(&one).await.expect("it is let in");
    assert!(!first.subscribe(&format!("devices/{}/sms", two.text)).await, "each key has its own topics");
    drop(first);
    let mut second = ground.client(&two).await.expect("it is let in");
    assert_eq!(provisioner.disable(&[one.grant.key]).await.expect("disable"), 1);
    assert!(ground.client(&one).await.is_none());
    assert!(!second.is_ended(BRIEF).await, "the other key is as good as before");
    assert_eq!(provisioner.remove(&[one.grant.device]).await.expect("remove"), 2);
    assert!(second.is_ended(OUT).await);
    assert!(ground.client(&two).await.is_none());
    Ok(())
}

pub(crate) async fn whoever_is_disabled_is_out_at_once() -> Result<(), Absent> {
    let ground = Ground::start()?;
    let provisioner = ground.provisioner();
    let (one, two) = (ground.device(Protocol::Native), ground.device(Protocol::Native));
    provisioner.grant(&grants(&[&one, &two])).await.expect("grant");
    let mut first = ground.client(&one).await.expect("it is let in");
    let mut second = ground.client(&two).await.expect("it is let in");
    let begun = Instant::now();
    assert_eq!(provisioner.disable(&[one.grant.key]).await.expect("disable"), 1);
    assert!(first.is_ended(OUT).await && begun.elapsed() < OUT, "{:?}", begun.elapsed());
    assert!(ground.client(&one).await.is_none());
    assert!(!second.is_ended(BRIEF).await);
    assert_eq!(provisioner.disable(&[one.grant.key]).await.expect("again"), 0);
    let new = one.another();
    provisioner.grant(&grants(&[&new])).await.expect("grant");
    assert!(ground.client(&one).await.is_none());
    assert!(ground.client(&new).await.is_some(), "a new key lets it in again");
    Ok(())
}

pub(crate) async fn the_last_key_counts() -> Result<(), Absent> {
    let ground = Ground::start()?;
    let provisioner = ground.provisioner();
    let old = ground.device(Protocol::Native);
    let (middle, new) = (old.another(), old.another());
    provisioner.grant(&grants(&[&old])).await.expect("grant");
    let mut session = ground.client(&old).await.expect("it is let in");
    provisioner.grant(&grants(&[&middle, &new])).await.expect("grant");
    assert!(session.is_ended(OUT).await, "the session of the old key ends");
    for key in [&old, &middle] {
        assert!(ground.client(key).await.is_none());
    }
    let mut session = ground.client(&new).await.expect("it is let in");
    assert_eq!(provisioner.disable(&[old.grant.key, middle.grant.key]).await.expect("disable"), 0);
    assert!(!session.is_ended(BRIEF).await, "the end of an old key is not the end of the new one");
    Ok(())
}

pub(crate) async fn a_resync_makes_and_removes_the_difference() -> Result<(), Absent> {
    let ground = Ground::start()?;
    let provisioner = ground.provisioner();
    let native: Vec<Key> = (0..5).map(|_| ground.device(Protocol::Native)).collect();
    let original: Vec<Key> = (0..3).map(|_| ground.device(Protocol::Original)).collect();
    let [kept, gone, changed, revoked, missed] = &native[..] else { panic!("five") };
    let [kept_key, gone_key, new_key] = &original[..] else { panic!("three") };
    ground.control(&["createRole", "smsgw/v1/left-behind"]);
    ground.control(&["createRole", "somebody-else"]);
    provisioner.grant(&grants(&[kept, gone, changed, revoked, kept_key, gone_key])).await.expect("grant");
    let mut session = ground.client(kept).await.expect("it is let in");
    let (better, unknown) = (changed.another(), revoked.another());
    let wanted = Keys(vec![
        kept.sealed(),
        changed.sealed(),
        better.grant.clone(),
        unknown.sealed(),
        missed.sealed(),
        kept_key.grant.clone(),
        new_key.grant.clone(),
    ]);
    let done = provisioner.resync(&wanted).await.expect("resync");
    // Of the natives `gone`, and `revoked`, whose only valid key is not known whole; and `gone_key`.
    assert_eq!((done.granted, done.enabled, done.disabled, done.removed), (2, 0, 2, 1));
    let mut keyless = [revoked.grant.device, missed.grant.device];
    keyless.sort_unstable();
    assert_eq!(done.keyless, keyless);
    for (key, may) in [
        (gone, false),
        (changed, false),
        (&better, true),
        (revoked, false),
        (&unknown, false),
        (missed, false),
        (kept_key, true),
        (gone_key, false),
        (new_key, true),
    ] {
        assert_eq!(ground.client(key).await.is_some(), may, "{:?}", key.grant);
    }
    assert!(!session.is_ended(BRIEF).await, "whoever is as it should be notices nothing");
    let again = provisioner.resync(&wanted).await.expect("resync");
    assert_eq!((again.granted, again.enabled, again.disabled, again.removed), (0, 0, 0, 0));
    let roles = ground.control(&["listRoles"]);
    assert!(roles.contains("somebody-else") && !roles.contains("left-behind"), "{roles}");
    // Those of `kept`, `gone`, `changed`, `revoked`, `kept_key` and `new_key`.
    assert_eq!(roles.matches("smsgw/v1/").count(), 6, "{roles}");
    Ok(())
}

pub(crate) async fn a_resync_puts_right_what_others_have_changed() -> Result<(), Absent> {
    let ground = Ground::start()?;
    let provisioner = ground.provisioner();
    let (one, two) = (ground.device(Protocol::Native), ground.device(Protocol::Native));
    provisioner.grant(&grants(&[&one, &two])).await.expect("grant");
    let name = one.grant.device.to_string();
    ground.control(&["disableClient", &name]);
    let other = two.grant.device.to_string();
    ground.control(&["removeClientRole", &other, &format!("smsgw/v1/{other}")]);
    let done = provisioner.resync(&Keys(grants(&[&one, &two]))).await.expect("resync");
    assert_eq!((done.granted, done.enabled, done.removed), (1, 1, 0));
    for key in [&one, &two] {
        let mut client = ground.client(key).await.expect("it is let in");
        assert!(client.subscribe(&format!("smsgw/v1/{}/down", key.grant.device)).await);
    }
    // Who was disabled by us and has a valid key again, too.
    provisioner.disable(&[one.grant.key]).await.expect("disable");
    let done = provisioner.resync(&Keys(vec![one.sealed(), two.sealed()])).await.expect("resync");
    assert_eq!((done.granted, done.enabled, done.removed), (0, 1, 0));
    assert!(ground.client(&one).await.is_some());
    Ok(())
}

pub(crate) async fn many_devices_are_granted_at_once() -> Result<(), Absent> {
    const DEVICES: usize = 300;
    let ground = Ground::start()?;
    let provisioner = ground.provisioner();
    let keys: Vec<Key> = (0..DEVICES).map(|_| ground.device(Protocol::Native)).collect();
    let all: Vec<Grant> = keys.iter().map(|key| key.grant.clone()).collect();
    provisioner.grant(&all).await.expect("grant");
    for key in [&keys[0], &keys[DEVICES / 2], &keys[DEVICES - 1]] {
        assert!(ground.client(key).await.is_some());
    }
    let done = provisioner.resync(&Keys(all)).await.expect("resync");
    assert_eq!((done.granted, done.removed), (0, 0), "all of them are there");
    assert_eq!(provisioner.resync(&Keys(Vec::new())).await.expect("resync").disabled, DEVICES);
    assert!(ground.client(&keys[7]).await.is_none());
    Ok(())
}

/// What the broker lacks, once it was told so with these words.
async fn told(provisioner: &DynsecProvisioner, kind: ErrorKind, words: &[&str]) -> Option<Lack> {
    let error = provisioner.resync(&Keys(Vec::new())).await.expect_err("it cannot be");
    let detail = error.detail().expect("it says what to do");
    assert_eq!(error.kind(), kind, "{detail}");
    for word in words {
        assert!(detail.contains(word), "{word:?} is not in {detail:?}");
    }
    Lack::of(&error)
}

pub(crate) async fn a_broker_without_the_plugin_is_told() -> Result<(), Absent> {
    let server = Mosquitto::start().map_err(|missing| Absent(missing.0))?;
    let provisioner = DynsecProvisioner::new(MqttConfig::new("127.0.0.1", server.port()));
    let lack = told(&provisioner, ErrorKind::Unsupported, &["plugin_opt_config_file", "dynsec init"]).await;
    assert_eq!(lack, Some(Lack::Plugin));
    server.kill();
    assert_eq!(told(&provisioner, ErrorKind::Unavailable, &["cannot be reached"]).await, None);
    Ok(())
}

/// MQTT 5: success, and "no matching subscribers".
pub(crate) async fn a_broker_that_takes_a_command_and_answers_nothing_has_no_plugin() -> Result<(), Absent> {
    for reason in [0, 0x10] {
        let fake = Fake::start(Habits { acknowledges: Some(reason), ..Habits::default() }).await;
        let provisioner = DynsecProvisioner::new(MqttConfig::new("127.0.0.1", fake.port()));
        assert_eq!(told(&provisioner, ErrorKind::Unsupported, &[]).await, Some(Lack::Plugin));
    }
    Ok(())
}

pub(crate) async fn a_broker_that_stalls_may_have_the_plugin() -> Result<(), Absent> {
    let fake = Fake::start(Habits::default()).await;
    let provisioner = DynsecProvisioner::new(MqttConfig::new("127.0.0.1", fake.port()));
    let error = provisioner.check().await.expect_err("it says nothing");
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Timeout, true), "{error}");
    assert_eq!(Lack::of(&error), None);
    Ok(())
}

pub(crate) async fn a_broker_without_retained_messages_keeps_accounts() -> Result<(), Absent> {
    let ground = Ground::with("retain_available false\n")?;
    let provisioner = ground.provisioner();
    let one = ground.device(Protocol::Native);
    provisioner.grant(std::slice::from_ref(&one.grant)).await.expect("grant");
    assert_eq!(provisioner.disable(&[one.grant.key]).await.expect("disable"), 1);
    assert_eq!(provisioner.remove(&[one.grant.device]).await.expect("remove"), 1);
    Ok(())
}

pub(crate) async fn an_account_without_rights_is_told() -> Result<(), Absent> {
    let ground = Ground::start()?;
    let one = ground.device(Protocol::Native);
    ground.provisioner().grant(&grants(&[&one])).await.expect("grant");
    let user = one.grant.device.to_string();
    let mut config = ground.config().with_account(&user, one.text.clone().into());
    let lack = told(&DynsecProvisioner::new(config.clone()), ErrorKind::Unauthorized, &["client id"]).await;
    assert_eq!(lack, None, "the login was refused");
    ground.control(&["createClient", "plain", "-p", "pw"]);
    config = config.with_account("plain", "pw".to_owned().into());
    let words = ["addClientRole plain admin"];
    let lack = told(&DynsecProvisioner::new(config), ErrorKind::Unauthorized, &words).await;
    assert_eq!(lack, Some(Lack::Rights));
    Ok(())
}

pub(crate) async fn an_open_broker_is_told() -> Result<(), Absent> {
    let ground = Ground::start()?;
    let one = ground.device(Protocol::Native);
    let provisioner = ground.provisioner();
    provisioner.grant(&grants(&[&one])).await.expect("grant");
    ground.open_up();
    let words = ["subscribe", "defaultACLAccess", "plugin_opt_config_file"];
    assert_eq!(told(&provisioner, ErrorKind::Invalid, &words).await, None);
    assert_eq!(provisioner.disable(&[one.grant.key]).await.expect("who is out is out"), 1);
    Ok(())
}

pub(crate) async fn a_grant_without_its_key_is_refused() -> Result<(), Absent> {
    let ground = Ground::start()?;
    let one = ground.device(Protocol::Native);
    let wild = Grant { secret: Some("a/#".to_owned().into()), ..ground.device(Protocol::Original).grant };
    for grant in [one.sealed(), wild] {
        let error = ground.provisioner().grant(&[one.grant.clone(), grant]).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.detail().is_some_and(|detail| detail.contains("issue a new one")));
    }
    assert!(ground.client(&one).await.is_none(), "nothing was done");
    Ok(())
}
