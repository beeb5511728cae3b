//! Keeps the accounts of devices on a broker that checks keys itself: at start, when a key is made, ends or expires, and
//! regularly, since brokers forget and gateways die half-way.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;

use super::Shared;
use super::retry::until_done;
use crate::device::{Device, DeviceKey, Protocol};
use crate::error::{Error, ErrorKind, Result};
use crate::id::DeviceId;
use crate::key::{Credential, KeyId};
use crate::provision::{Grant, Provisioner, Resynced, ValidKeys};
use crate::seal::{Seal, Sealed};
use crate::time::Timestamp;
use crate::transport::{Address, TopicKey};

/// How often everything is compared: what another gateway has left undone, the broker has forgotten, or an operator has
/// changed by hand.
const RESYNC_EVERY: Duration = Duration::from_secs(600);
/// Keys of one question to the store.
const PAGE: usize = 1_000;
/// How long a caller waits for the broker: during a comparison of everything others must wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How many devices a warning names.
const NAMED: usize = 20;

/// The broker's accounts, and what they are made of.
#[derive(Debug, Default)]
pub(super) struct BrokerAccounts {
    pub(super) provisioner: Option<Arc<dyn Provisioner>>,
    pub(super) sealer: Option<Arc<dyn Seal>>,
    /// When valid keys end, as far as this gateway knows.
    ends: Mutex<BTreeSet<(Timestamp, KeyId)>>,
    /// There is an earlier end than before, perhaps.
    sooner: Notify,
    /// Something was not done: compare everything.
    again: Notify,
}

impl BrokerAccounts {
    pub(super) fn new(provisioner: Option<Arc<dyn Provisioner>>, sealer: Option<Arc<dyn Seal>>) -> Self {
        Self { provisioner, sealer, ..Self::default() }
    }

    /// What is kept of a key whose text must be read back.
    pub(super) fn seal(&self, protocol: Protocol, credential: &Credential) -> Result<Option<Sealed>> {
        let Some(sealer) = self.sealer.as_ref().filter(|_| protocol == Protocol::Original) else {
            return Ok(None);
        };
        let sealed = sealer.seal(credential.id().as_bytes(), credential.expose());
        sealed
            .map(Some)
            .map_err(|source| Error::new(ErrorKind::Internal, "gateway", "seal a key").with_source(source))
    }

    /// Lets a device in with a new key.
    pub(super) async fn grant(&self, device: &Device, key: &DeviceKey, secret: &Credential) -> Result<()> {
        let Some(provisioner) = &self.provisioner else { return Ok(()) };
        let grant = Grant {
            device: device.id,
            protocol: device.protocol,
            key: key.id,
            secret: Some(SecretString::from(secret.expose())),
        };
        self.soon(provisioner.grant(&[grant])).await?;
        if let Some(end) = key.ends_at() {
            self.expect_end(end, key.id);
        }
        Ok(())
    }

    /// A key will end.
    pub(super) fn expect_end(&self, end: Timestamp, key: KeyId) {
        if self.provisioner.is_some() {
            self.lock().insert((end, key));
            self.sooner.notify_one();
        }
    }

    /// Shuts out whoever uses a key that has ended.
    pub(super) async fn disable(&self, key: KeyId) -> Result<()> {
        let Some(provisioner) = &self.provisioner else { return Ok(()) };
        self.soon(provisioner.disable(&[key])).await.map(drop)
    }

    /// Removes what a device has there.
    pub(super) async fn remove(&self, device: DeviceId) -> Result<()> {
        let Some(provisioner) = &self.provisioner else { return Ok(()) };
        self.soon(provisioner.remove(&[device])).await.map(drop)
    }

    /// For a caller who waits: what takes too long is left to the next comparison.
    async fn soon<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let answer = tokio::time::timeout(ANSWER_WITHIN, call).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, "gateway", "tell the broker")
                .with_detail("the broker's accounts are being brought up to date; try again"))
        });
        self.noted(answer)
    }

    /// Whatever failed is made good by comparing everything.
    fn noted<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.inspect_err(|_| self.again.notify_one())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Timestamp, KeyId)>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Welcomes the original devices that never ceased to listen while no gateway was there, then keeps the accounts until
/// the gateway stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let work = async {
        let given_up = |error: &Error| {
            tracing::warn!(%error, "could not read the keys of original devices; trying again");
            shared.stop.is_cancelled()
        };
        if let Err(error) = until_done(|| welcome(&shared), given_up).await {
            tracing::error!(%error, "original devices are reached when they authenticate again");
        }
        if let Err(error) = until_done(|| seal_anew(&shared), given_up).await {
            tracing::error!(%error, "keys could not be sealed under the new secret: keep the old one");
        }
        match &shared.broker_accounts.provisioner {
            Some(provisioner) => keep(&shared, &**provisioner).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = shared.stop.cancelled() => {}
        () = work => {}
    }
}

/// An original device authenticates once in a connection, and a broker outside keeps that connection while gateways
/// come and go. Where the broker says who does not listen, all of them count as there until it does.
async fn welcome(shared: &Shared) -> Result<()> {
    let capabilities = shared.transport.capabilities();
    if !capabilities.tells_no_subscriber || capabilities.tells_listening {
        return Ok(());
    }
    let Some(sealer) = &shared.broker_accounts.sealer else { return Ok(()) };
    // Of several keys of a device the one that it used last.
    let mut used: HashMap<DeviceId, DeviceKey> = HashMap::new();
    each_valid(shared, |key, protocol| {
        if protocol == Protocol::Original && key.last_used_at.is_some() && key.sealed.is_some() {
            let last = used.entry(key.device).or_insert_with(|| key.clone());
            if last.last_used_at < key.last_used_at {
                *last = key;
            }
        }
    })
    .await?;
    let ids: Vec<DeviceId> = used.keys().copied().collect();
    let mut count = 0;
    let mut foreign = Vec::new();
    for ids in ids.chunks(PAGE) {
        for device in shared.store.find_devices(ids).await?.into_iter().flatten() {
            let Some(key) = used.remove(&device.id) else { continue };
            let Some(secret) = open(&**sealer, &key) else {
                foreign.push(device.id);
                continue;
            };
            // One that has said who it is meanwhile knows better.
            if shared.fleet.account(device.id).is_none() {
                let topic = TopicKey::from(secret);
                shared.fleet.arrive(&device, Address::Original(topic), Some(key), shared.clock.now());
                count += 1;
            }
        }
    }
    warn_of_seals(&foreign);
    if count > 0 {
        tracing::info!(count, "devices of the original protocol may still listen");
    }
    Ok(())
}

/// Seals anew what was sealed under a secret of before, so that nobody needs that any more.
async fn seal_anew(shared: &Shared) -> Result<()> {
    let Some(sealer) = &shared.broker_accounts.sealer else { return Ok(()) };
    let mut old = Vec::new();
    each_valid(shared, |key, _| {
        if key.sealed.as_ref().is_some_and(|sealed| !sealer.is_current(sealed)) {
            old.push(key);
        }
    })
    .await?;
    // What cannot be opened is told of elsewhere.
    let anew = old.iter().filter_map(|key| {
        let text = open(&**sealer, key)?;
        Some((key.id, sealer.seal(key.id.as_bytes(), text.expose_secret()).ok()?))
    });
    let anew: Vec<(KeyId, Sealed)> = anew.collect();
    for batch in anew.chunks(PAGE) {
        shared.store.reseal_keys(batch).await?;
    }
    if !anew.is_empty() {
        tracing::info!(keys = anew.len(), "sealed the keys of original devices under the new secret");
    }
    Ok(())
}

async fn keep(shared: &Shared, provisioner: &dyn Provisioner) {
    let accounts = &shared.broker_accounts;
    let mut keyless = Vec::new();
    loop {
        let failed = |error: &Error| {
            tracing::warn!(%error, "could not bring the broker's accounts up to date; trying again");
            false
        };
        match until_done(|| provisioner.resync(shared), failed).await {
            Ok(done) => {
                report(&done, &keyless);
                keyless = done.keyless;
            }
            Err(error) => {
                tracing::error!(%error, "the broker's accounts are not kept: a revoked key may still open it");
            }
        }
        let next = tokio::time::Instant::now() + RESYNC_EVERY;
        loop {
            let over = ended(&mut accounts.lock(), shared.clock.now());
            if !over.is_empty() && accounts.noted(provisioner.disable(&over).await).is_ok() {
                tracing::info!(keys = over.len(), "keys have expired");
            }
            let first = accounts.lock().first().map(|(end, _)| shared.clock.now().until(*end));
            // Bounded: the clock may be set.
            let wait =
                first.unwrap_or(RESYNC_EVERY).clamp(Duration::from_millis(10), Duration::from_secs(30));
            tokio::select! {
                () = tokio::time::sleep_until(next) => break,
                () = accounts.again.notified() => break,
                () = accounts.sooner.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

fn ended(ends: &mut BTreeSet<(Timestamp, KeyId)>, now: Timestamp) -> Vec<KeyId> {
    let later = ends.split_off(&(now + Duration::from_micros(1), KeyId::from_bytes([0; 10])));
    std::mem::replace(ends, later).into_iter().map(|(_, key)| key).collect()
}

fn report(done: &Resynced, keyless_before: &[DeviceId]) {
    let Resynced { granted, enabled, disabled, removed, keyless } = done;
    if granted + enabled + disabled + removed > 0 {
        tracing::info!(granted, enabled, disabled, removed, "brought the broker's accounts up to date");
    }
    if !keyless.is_empty() && keyless != keyless_before {
        tracing::warn!(
            count = keyless.len(),
            devices = named(keyless),
            "the broker has no account for these devices, and their keys are not known whole: give each a new key",
        );
    }
}

#[async_trait]
impl ValidKeys for Shared {
    async fn valid_keys(&self) -> Result<Vec<Grant>> {
        let mut keys = Vec::new();
        each_valid(self, |key, protocol| keys.push((key, protocol))).await?;
        keys.sort_unstable_by_key(|(key, _)| (key.created_at, key.id));
        let accounts = &self.broker_accounts;
        accounts.lock().extend(keys.iter().filter_map(|(key, _)| Some((key.ends_at()?, key.id))));
        let mut foreign = Vec::new();
        let grant = |(key, protocol): (DeviceKey, Protocol)| {
            let secret = accounts.sealer.as_ref().and_then(|sealer| open(&**sealer, &key));
            if secret.is_none() && key.sealed.is_some() && accounts.sealer.is_some() {
                foreign.push(key.device);
            }
            Grant { device: key.device, protocol, key: key.id, secret }
        };
        let grants = keys.into_iter().map(grant).collect();
        warn_of_seals(&foreign);
        Ok(grants)
    }
}

async fn each_valid(shared: &Shared, mut f: impl FnMut(DeviceKey, Protocol)) -> Result<()> {
    let mut after = None;
    loop {
        let page = shared.store.valid_keys(after, PAGE, shared.clock.now()).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|(key, _)| key.id);
        page.into_iter().for_each(|(key, protocol)| f(key, protocol));
        if is_last {
            return Ok(());
        }
    }
}

fn open(sealer: &dyn Seal, key: &DeviceKey) -> Option<SecretString> {
    sealer.open(key.id.as_bytes(), key.sealed.as_ref()?).ok()
}

fn warn_of_seals(devices: &[DeviceId]) {
    if !devices.is_empty() {
        tracing::warn!(
            count = devices.len(),
            devices = named(devices),
            "the keys of these devices were sealed under another secret: give this gateway the secret of before, or \
             each device a new key",
        );
    }
}

fn named(devices: &[DeviceId]) -> String {
    devices.iter().take(NAMED).map(DeviceId::to_string).collect::<Vec<_>>().join(" ")
}
