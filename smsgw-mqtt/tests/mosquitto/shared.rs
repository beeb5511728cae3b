//! The account that devices of the original protocol share, and grants that cross a resync.

use async_trait::async_trait;
use smsgw_core::conformance::Absent;
use smsgw_core::device::Protocol;
use smsgw_core::error::{ErrorKind, Result};
use smsgw_core::provision::{Grant, Provisioner, ValidKeys};
use smsgw_mqtt::provision::{DynsecProvisioner, SharedAccount};

use crate::client::Client;
use crate::fixtures::{BRIEF, LONG};
use crate::ground::{Ground, Keys, PASSWORD, USER};

const SHARED: &str = "admin";

fn account(password: &str) -> SharedAccount {
    SharedAccount { username: SHARED.into(), password: password.into() }
}

fn provisioner(ground: &Ground, password: &str) -> DynsecProvisioner {
    ground.provisioner().with_shared_account(account(password))
}

async fn client(ground: &Ground, id: &str, password: &str) -> Option<Client> {
    Client::connect(ground.server.port(), id, SHARED, password).await
}

pub(crate) async fn the_shared_account_reaches_one_key_at_a_time() -> std::result::Result<(), Absent> {
    let ground = Ground::start()?;
    let provisioner = provisioner(&ground, "password");
    let (native, original) = (ground.device(Protocol::Native), ground.device(Protocol::Original));
    let keys = vec![native.grant.clone(), original.grant.clone()];
    assert_eq!(provisioner.resync(&Keys(keys)).await.expect("resync").granted, 3);
    assert!(client(&ground, "phone", "wrong").await.is_none());
    let mut phone = client(&ground, "phone", "password").await.expect("it is let in");
    let mut spy = client(&ground, "spy", "password").await.expect("any client id will do");
    let (id, key) = (native.grant.device.to_string(), &original.text);
    for filter in [
        "#".to_owned(),
        "+".into(),
        "+/#".into(),
        "+/+".into(),
        "+/+/+".into(),
        "+/+/+/+".into(),
        "+/+/sms".into(),
        "/#".into(),
        "devices/+/sms".into(),
        "devices/+/sms/#".into(),
        "devices/+/+".into(),
        "devices/+/#".into(),
        "devices/#".into(),
        format!("devices/{key}/#"),
        format!("devices/{key}/+"),
        format!("devices/{key}/sms/#"),
        format!("+/{key}/sms"),
        "devices/auth/+".into(),
        "devices/messages/+".into(),
        format!("devices/auth/{key}"),
        format!("devices/messages/{key}"),
        "server/auth/+".into(),
        "server/auth/#".into(),
        "server/auth/+/#".into(),
        "server/+/+".into(),
        format!("server/+/{key}"),
        "server/#".into(),
        "smsgw/#".into(),
        "smsgw/v1/+/down".into(),
        "smsgw/v1/+/up".into(),
        "smsgw/v1/+/presence".into(),
        format!("smsgw/v1/{id}/down"),
        format!("smsgw/v1/{id}/up"),
        "$SYS/#".into(),
        "$CONTROL/#".into(),
        "$CONTROL/dynamic-security/v1/response".into(),
        "$share/g/#".into(),
        "$share/g/smsgw/v1/+/down".into(),
        "$share/g/devices/+/sms".into(),
        format!("$share/g/devices/{key}/sms"),
        "$share/g/devices/#".into(),
        "$share/g/server/auth/+".into(),
    ] {
        assert!(!spy.subscribe(&filter).await, "{filter}");
    }
    let (sms, answer) = (format!("devices/{key}/sms"), format!("server/auth/{key}"));
    for topic in [&sms, &answer] {
        assert!(phone.subscribe(topic).await, "{topic}");
    }
    assert!(spy.subscribe("devices/another/sms").await, "whoever knows a key is that device");
    for (topic, may) in [
        (format!("devices/auth/{key}"), true),
        (format!("devices/messages/{key}"), true),
        (sms.clone(), false),
        (answer.clone(), false),
        (format!("devices/auth/{key}/x"), false),
        (format!("smsgw/v1/{id}/up"), false),
        (format!("smsgw/v1/{id}/down"), false),
        ("$CONTROL/dynamic-security/v1".into(), false),
    ] {
        assert_eq!(phone.publish(&topic).await, may, "{topic}");
    }
    let mut gateway =
        Client::connect(ground.server.port(), "g", USER, PASSWORD).await.expect("the gateway is let in");
    for topic in [&sms, &answer] {
        assert!(gateway.publish(topic).await);
        assert_eq!(phone.hear(LONG).await.as_ref(), Some(topic));
    }
    assert!(gateway.publish(&format!("smsgw/v1/{id}/down")).await);
    assert_eq!(spy.hear(BRIEF).await, None, "nothing but its own key's topic gets through");
    Ok(())
}

pub(crate) async fn the_shared_account_is_kept_and_removed_as_it_is_configured()
-> std::result::Result<(), Absent> {
    let ground = Ground::start()?;
    let one = ground.device(Protocol::Original);
    let with = provisioner(&ground, "password");
    with.grant(std::slice::from_ref(&one.grant)).await.expect("grant");
    let mut phone = client(&ground, "phone", "password").await.expect("a grant makes it, too");
    let keys = Keys(vec![one.grant.clone()]);
    let done = with.resync(&keys).await.expect("resync");
    assert_eq!((done.granted, done.removed), (0, 0));
    assert!(!phone.is_ended(BRIEF).await, "whoever is as it should be notices nothing");
    // Somebody changes it by hand.
    ground.control(&["disableClient", SHARED]);
    assert_eq!(with.resync(&keys).await.expect("resync").granted, 1);
    assert!(client(&ground, "phone", "password").await.is_some());
    // Another password.
    let other = provisioner(&ground, "another");
    assert_eq!(other.resync(&keys).await.expect("resync").granted, 1);
    assert!(client(&ground, "phone", "password").await.is_none());
    assert!(client(&ground, "phone", "another").await.is_some());
    // Another name: the role stays.
    let renamed = SharedAccount { username: "phones".into(), password: "another".into() };
    let renamed = ground.provisioner().with_shared_account(renamed);
    let done = renamed.resync(&keys).await.expect("resync");
    assert_eq!((done.granted, done.removed), (1, 1));
    assert!(client(&ground, "phone", "another").await.is_none());
    let mut phone =
        Client::connect(ground.server.port(), "phone", "phones", "another").await.expect("let in");
    assert!(phone.subscribe("devices/any/sms").await);
    // None at all.
    let done = ground.provisioner().resync(&keys).await.expect("resync");
    assert_eq!((done.granted, done.removed), (0, 1));
    assert!(phone.is_ended(LONG).await);
    assert!(!ground.control(&["listRoles"]).contains("smsgw/v1/shared"));
    assert!(ground.client(&one).await.is_some());
    Ok(())
}

pub(crate) async fn an_account_of_somebody_else_is_not_taken() -> std::result::Result<(), Absent> {
    let ground = Ground::start()?;
    ground.control(&["createClient", SHARED, "-p", "theirs"]);
    for name in [SHARED, USER] {
        let account = SharedAccount { username: name.into(), password: "theirs".into() };
        let provisioner = ground.provisioner().with_shared_account(account);
        let error = provisioner.resync(&Keys(Vec::new())).await.expect_err("it is not ours");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.detail().is_some_and(|detail| detail.contains(name)), "{error:?}");
    }
    assert!(client(&ground, "phone", "theirs").await.is_some(), "it is as before");
    ground.provisioner().check().await.expect("the gateway is let in as before");
    Ok(())
}

/// What another gateway does while this one asks which keys are valid.
struct Meanwhile<'a> {
    other: DynsecProvisioner,
    grants: &'a [Grant],
    valid: Vec<Grant>,
}

#[async_trait]
impl ValidKeys for Meanwhile<'_> {
    async fn valid_keys(&self) -> Result<Vec<Grant>> {
        self.other.grant(self.grants).await?;
        Ok(self.valid.clone())
    }
}

pub(crate) async fn a_grant_that_crosses_a_resync_lets_in() -> std::result::Result<(), Absent> {
    let ground = Ground::start()?;
    let provisioner = ground.provisioner();
    let renewed = ground.device(Protocol::Native);
    provisioner.grant(std::slice::from_ref(&renewed.grant)).await.expect("grant");
    let (renewed, native, original) =
        (renewed.another(), ground.device(Protocol::Native), ground.device(Protocol::Original));
    let grants = [&renewed, &native, &original].map(|key| key.grant.clone());
    // The store knows native keys by their digests, and has them before they are granted, or just after it was asked.
    for valid in [vec![], vec![renewed.sealed(), native.sealed(), original.grant.clone()]] {
        let meanwhile = Meanwhile { other: ground.provisioner(), grants: &grants, valid };
        provisioner.resync(&meanwhile).await.expect("resync");
    }
    let keys = Keys(vec![renewed.sealed(), native.sealed(), original.grant.clone()]);
    let done = provisioner.resync(&keys).await.expect("resync");
    assert_eq!(done.keyless, [], "nobody needs a new key");
    for key in [&renewed, &native, &original] {
        assert!(ground.client(key).await.is_some(), "{:?}", key.grant);
    }
    Ok(())
}
