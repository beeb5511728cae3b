//! A broker that checks keys itself is told who may come in, whatever goes wrong between.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use smsgw_core::device::Protocol;
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::gateway::{Gateway, GatewayBuilder, Handle, NewDevice, Running};
use smsgw_core::id::{AccountId, DeviceId};
use smsgw_core::key::KeyId;
use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::message::{Body, NewMessage};
use smsgw_core::provision::{Grant, Provisioner, Resynced, ValidKeys};
use smsgw_core::seal::{Seal, Sealer};
use smsgw_core::state::{Report, ReportState};
use smsgw_core::store::DeviceStore;
use smsgw_core::time::{Clock, Timestamp};
use smsgw_core::transport::{
    Command, DeviceEvent, Downlink, Inbox, Sent, TopicKey, Transport, TransportCapabilities,
};
use uuid::Uuid;

/// A broker with one account a key, and what was last known of the key.
#[derive(Clone, Default)]
struct Accounts(Arc<Broker>);

/// Of each key the device and, where it is known, the text.
type Rows = BTreeMap<KeyId, (DeviceId, Option<String>)>;

#[derive(Default)]
struct Broker {
    rows: Mutex<Rows>,
    is_away: AtomicBool,
    stalls: AtomicBool,
}

impl Accounts {
    fn keys(&self) -> Vec<KeyId> {
        self.0.rows.lock().expect("a lock").keys().copied().collect()
    }

    fn set_away(&self, is_away: bool) {
        self.0.is_away.store(is_away, Ordering::SeqCst);
    }

    fn rows(&self) -> Result<MutexGuard<'_, Rows>> {
        if self.0.is_away.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "accounts", "any"));
        }
        Ok(self.0.rows.lock().expect("a lock"))
    }

    async fn become_keys(&self, expected: &[KeyId]) {
        let mut expected = expected.to_vec();
        expected.sort();
        let reached = async {
            while self.keys() != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), reached).await.is_err() {
            assert_eq!(self.keys(), expected);
        }
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accounts")
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("accounts")
    }
}

#[async_trait]
impl Provisioner for Accounts {
    async fn check(&self) -> Result<()> {
        self.rows().map(drop)
    }

    async fn grant(&self, grants: &[Grant]) -> Result<()> {
        if self.0.stalls.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let rows = grants.iter().map(|grant| {
            let secret = grant.secret.as_ref().map(|secret| secret.expose_secret().to_owned());
            (grant.key, (grant.device, secret))
        });
        self.rows()?.extend(rows);
        Ok(())
    }

    async fn disable(&self, keys: &[KeyId]) -> Result<usize> {
        self.rows()?.retain(|key, _| !keys.contains(key));
        Ok(keys.len())
    }

    async fn remove(&self, devices: &[DeviceId]) -> Result<usize> {
        self.rows()?.retain(|_, (device, _)| !devices.contains(device));
        Ok(devices.len())
    }

    async fn resync(&self, valid: &dyn ValidKeys) -> Result<Resynced> {
        drop(self.rows()?);
        let grants = valid.valid_keys().await?;
        let mut rows = self.rows()?;
        rows.retain(|key, _| grants.iter().any(|grant| grant.key == *key));
        let mut done = Resynced::default();
        for grant in grants {
            match &grant.secret {
                _ if rows.contains_key(&grant.key) => {}
                None => done.keyless.push(grant.device),
                Some(secret) => {
                    rows.insert(grant.key, (grant.device, Some(secret.expose_secret().to_owned())));
                }
            }
        }
        Ok(done)
    }
}

/// Devices on a broker that outlives the gateway: it does not say who listens, and others hear its devices too.
#[derive(Debug, Clone, Default)]
struct Outside(MemoryTransport);

#[async_trait]
impl Transport for Outside {
    fn capabilities(&self) -> TransportCapabilities {
        TransportCapabilities { tells_listening: false, shares_traffic: true, ..self.0.capabilities() }
    }

    async fn open(&self) -> Result<Inbox> {
        self.0.open().await
    }

    async fn send(&self, batch: &[Downlink]) -> Result<Vec<Sent>> {
        self.0.send(batch).await
    }

    async fn disconnect(&self, devices: &[DeviceId]) -> Result<()> {
        self.0.disconnect(devices).await
    }

    async fn ready(&self) -> Result<()> {
        self.0.ready().await
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outside")
    }
}

/// Tokio's time, which stands still while something is to be done.
#[derive(Debug)]
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000) + self.0.elapsed()
    }
}

fn sealer() -> Sealer {
    Sealer::new(&[7; 32]).expect("long enough")
}

fn builder(store: &MemoryStore, transport: impl Transport, accounts: &Accounts) -> GatewayBuilder {
    Gateway::builder(store.clone(), MemoryQueue::new(), transport)
        .clock(Paused(tokio::time::Instant::now()))
        .provisioner(accounts.clone())
        .sealer(sealer())
}

struct Setup {
    store: MemoryStore,
    accounts: Accounts,
    running: Running,
    handle: Handle,
    account: AccountId,
}

async fn setup() -> Setup {
    let (store, accounts) = (MemoryStore::new(), Accounts::default());
    let running = builder(&store, MemoryTransport::new(), &accounts).build().start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;
    Setup { store, accounts, running, handle, account }
}

impl Setup {
    async fn device(&self, protocol: Protocol) -> DeviceId {
        let new = NewDevice { protocol, ..NewDevice::new("phone") };
        self.handle.create_device(self.account, new).await.expect("a device").id
    }

    async fn key(&self, device: DeviceId, expires_at: Option<Timestamp>) -> (KeyId, String) {
        let made = self.handle.create_key(self.account, device, expires_at).await.expect("create_key");
        let (credential, key) = made.expect("the device is there");
        (key.id, credential.expose().to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_has_an_account_for_as_long_as_it_is_good() {
    let setup = setup().await;
    let (phone, other) = (setup.device(Protocol::Native).await, setup.device(Protocol::Native).await);
    let (stays, _) = setup.key(phone, None).await;
    let (revoked, _) = setup.key(phone, None).await;
    let (expires, _) = setup.key(phone, Some(setup.handle.now() + Duration::from_secs(90))).await;
    let (deleted, _) = setup.key(other, None).await;
    setup.accounts.become_keys(&[stays, revoked, expires, deleted]).await;
    assert!(setup.handle.revoke_key(setup.account, phone, revoked).await.expect("revoke_key"));
    assert_eq!(setup.accounts.keys().len(), 3, "shut out before the caller is answered");
    assert!(setup.handle.delete_device(setup.account, other).await.expect("delete_device"));
    setup.accounts.become_keys(&[stays, expires]).await;
    tokio::time::sleep(Duration::from_secs(89)).await;
    assert_eq!(setup.accounts.keys().len(), 2);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(setup.accounts.keys(), [stays]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_granted_is_none() {
    let setup = setup().await;
    let phone = setup.device(Protocol::Native).await;
    setup.accounts.set_away(true);
    let refused = setup.handle.create_key(setup.account, phone, None).await.expect_err("the broker is away");
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    let keys = setup.handle.keys(setup.account, phone).await.expect("keys").expect("the device is there");
    assert!(keys.iter().all(|key| !key.is_valid(setup.handle.now())), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_for_a_key() {
    let setup = setup().await;
    let phone = setup.device(Protocol::Native).await;
    setup.accounts.0.stalls.store(true, Ordering::SeqCst);
    let made = setup.handle.create_key(setup.account, phone, None);
    let refused = tokio::time::timeout(Duration::from_secs(30), made).await.expect("an answer");
    assert_eq!(refused.expect_err("nobody was told").kind(), ErrorKind::Timeout);
    let keys = setup.handle.keys(setup.account, phone).await.expect("keys").expect("the device is there");
    assert!(keys.iter().all(|key| !key.is_valid(setup.handle.now())), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_broker_could_not_be_told_it_is_told_later() {
    let setup = setup().await;
    let phone = setup.device(Protocol::Native).await;
    let (key, _) = setup.key(phone, None).await;
    setup.accounts.set_away(true);
    let error = setup.handle.revoke_key(setup.account, phone, key).await.expect_err("the broker is away");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(setup.accounts.keys(), [key]);
    setup.accounts.set_away(false);
    setup.accounts.become_keys(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_has_forgotten_is_told_again() {
    let setup = setup().await;
    let (native, original) = (setup.device(Protocol::Native).await, setup.device(Protocol::Original).await);
    setup.key(native, None).await;
    let (sealed, text) = setup.key(original, None).await;
    setup.running.drain(Duration::from_secs(5)).await.expect("drains");
    let accounts = Accounts::default();
    let store = setup.store.clone();
    let running = builder(&store, MemoryTransport::new(), &accounts).build().start().await.expect("starts");
    // The native key is not known whole; the other one is, for its topic is made of it.
    accounts.become_keys(&[sealed]).await;
    let secret = accounts.0.rows.lock().expect("a lock")[&sealed].1.clone();
    assert_eq!(secret, Some(text));
    drop(running);
}

#[tokio::test]
async fn an_original_device_hears_after_a_restart_without_saying_anything() {
    let (store, accounts, outside) = (MemoryStore::new(), Accounts::default(), MemoryTransport::new());
    let first = builder(&store, Outside(outside.clone()), &accounts).build().start().await.expect("starts");
    let handle = first.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;
    let new = NewDevice { protocol: Protocol::Original, ..NewDevice::new("phone") };
    let device = handle.create_device(account, new).await.expect("a device").id;
    let key = handle.create_key(account, device, None).await.expect("create_key").expect("a device").0;
    // Authenticates at the first gateway, and is told so.
    let mut phone = outside.connect_original(TopicKey::new(key.expose())).await;
    assert!(matches!(phone.command().await, Some(Command::Authentication { accepted: true })));
    drop(first);

    // The broker of the second gateway has the phone's subscription, and the phone says nothing.
    let outside = MemoryTransport::new();
    let mut phone = outside.connect_original(TopicKey::new(key.expose())).await;
    let second = builder(&store, Outside(outside), &accounts).build().start().await.expect("starts");
    let to = "+5351234567".parse().expect("a number");
    let message = NewMessage::new(account, to, Body::new("hola").expect("a body"));
    second.handle().submit(vec![message]).await.expect("accepted");
    let heard = tokio::time::timeout(Duration::from_secs(20), phone.command()).await.expect("in time");
    assert!(matches!(heard, Some(Command::Send { .. })), "{heard:?}");
}

/// Two gateways on one store. The device takes messages from the north and reports them to the south.
async fn reported_elsewhere(learns: bool) {
    let (store, outside) = (MemoryStore::new(), MemoryTransport::new());
    let build = |transport| Gateway::builder(store.clone(), MemoryQueue::new(), transport).build();
    let north = build(Outside(outside.clone())).start().await.expect("starts");
    let south_side = MemoryTransport::new();
    let south = build(Outside(south_side.clone())).start().await.expect("starts");
    let (north_handle, south_handle) = (north.handle(), south.handle());
    let account = north_handle.ensure_account("test").await.expect("an account").id;
    let device = north_handle.create_device(account, NewDevice::new("phone")).await.expect("a device").id;
    let mut hears = outside.connect(device).await;
    // Somebody at the south who can speak for the device. It is not there: what it would be given, nobody would read.
    let speaker = south_side.connect_original(TopicKey::new("no key")).await;
    if learns {
        let mut changes = south_handle.observe();
        let north = north_handle.clone();
        tokio::spawn(async move {
            while let Ok(moved) = changes.recv().await {
                north.learn(&[moved]);
            }
        });
    }
    let to: smsgw_core::phone::PhoneNumber = "+5351234567".parse().expect("a number");
    // Three windows of a device.
    let batch = (0..48).map(|_| NewMessage::new(account, to, Body::new("x").expect("a body")));
    north_handle.submit(batch.collect()).await.expect("accepted");
    let all = async {
        let mut count = 0;
        while count < 48 {
            let Some(Command::Send { message, .. }) = hears.command().await else { continue };
            let report = Report {
                id: Uuid::from_u128(count).into(),
                state: ReportState::Sent,
                failure: None,
                attempt: None,
            };
            let event = DeviceEvent::Report { device, message: message.id, report };
            assert!(speaker.say(event).await, "the south listens");
            count += 1;
        }
    };
    let limit = if learns { Duration::from_secs(5) } else { Duration::from_secs(30) };
    tokio::time::timeout(limit, all).await.expect("no place is lost to reports that came in elsewhere");
}

#[tokio::test]
async fn a_place_is_free_when_another_gateway_heard_the_report() {
    reported_elsewhere(false).await;
}

#[tokio::test]
async fn a_place_is_free_at_once_where_gateways_tell_each_other() {
    reported_elsewhere(true).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_was_changed_is_needed_no_more_after_one_start() {
    let setup = setup().await;
    let original = setup.device(Protocol::Original).await;
    let (key, text) = setup.key(original, None).await;
    setup.running.drain(Duration::from_secs(5)).await.expect("drains");
    let changed =
        Sealer::new(&[8; 32]).and_then(|sealer| sealer.with_previous(&[7; 32])).expect("long enough");
    let alone = Sealer::new(&[8; 32]).expect("long enough");
    let store = setup.store.clone();
    let accounts = Accounts::default();
    let builder = builder(&store, MemoryTransport::new(), &accounts).sealer(changed);
    let running = builder.build().start().await.expect("starts");
    let sealed = async || {
        let found = store.find_keys(&[key]).await.expect("find_keys");
        found.into_iter().next().flatten().and_then(|key| key.sealed).expect("it is sealed")
    };
    while !alone.is_current(&sealed().await) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let opened = alone.open(key.as_bytes(), &sealed().await).expect("without the old secret");
    assert_eq!(opened.expose_secret(), text);
    drop(running);
}
