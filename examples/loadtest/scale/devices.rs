//! Registered devices, each with a key.

use std::sync::Arc;
use std::time::Duration;

use smsgw::device::{Device, DeviceKey, Protocol};
use smsgw::id::{AccountId, DeviceId, IdSource};
use smsgw::key::{KeyDigest, KeyId};
use smsgw::store::{Cursor, DeviceStore};
use smsgw::time::{Clock, SystemClock, Timestamp};
use tokio::task::JoinSet;

use super::Table;
use super::book::Book;
use super::ground::{Ground, Result};

/// Among which the devices are dealt out in turn.
const ACCOUNTS: usize = 10;
/// How far apart they were made.
const APART: Duration = Duration::from_millis(100);
/// Devices that are made by one after the other, and how many such lines there are.
const BATCH: u64 = 200;
const WRITERS: usize = 4;
/// How often a round makes each call.
const ASKED: usize = 10;

pub(crate) struct Devices {
    ground: Ground,
    accounts: Vec<AccountId>,
    ids: IdSource,
    begun: Timestamp,
    known: Vec<(DeviceId, KeyId)>,
}

impl Devices {
    /// No devices yet. There may be `most`.
    pub(crate) fn new(ground: Ground, most: u64) -> Self {
        let now = SystemClock.now();
        let ids = IdSource::new();
        let age = APART.saturating_mul(u32::try_from(most).unwrap_or(u32::MAX));
        let accounts = (0..ACCOUNTS).map(|_| IdSource::new().next(now)).collect();
        Self { accounts, ids, begun: now - age, known: Vec::new(), ground }
    }

    fn rows(&self) -> u64 {
        self.known.len() as u64
    }

    fn made_at(&self, n: usize) -> Timestamp {
        self.begun + APART.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX))
    }

    fn device(&self, n: usize) -> Device {
        let created_at = self.made_at(n);
        Device {
            id: self.ids.next(created_at),
            account: self.accounts[n % ACCOUNTS],
            name: format!("phone {n}"),
            description: None,
            protocol: Protocol::Native,
            rate_limit: None,
            paused: false,
            sims: Vec::new(),
            created_at,
            last_seen_at: None,
        }
    }
}

impl Table for Devices {
    fn ground(&mut self) -> &mut Ground {
        &mut self.ground
    }

    /// Registers devices until there are `rows`.
    async fn fill(&mut self, rows: u64, random: &mut fastrand::Rng) -> Result<()> {
        let mut writers = JoinSet::new();
        while self.rows() < rows {
            let first = self.rows();
            let batch: Vec<_> = (first..first + BATCH.min(rows - first))
                .map(|n| {
                    let device = self.device(n as usize);
                    let key = key(device.id, device.created_at, random);
                    (device, key)
                })
                .collect();
            self.known.extend(batch.iter().map(|(device, key)| (device.id, key.id)));
            if writers.len() >= WRITERS
                && let Some(written) = writers.join_next().await
            {
                written??;
            }
            let store = Arc::clone(&self.ground.filler);
            writers.spawn(async move {
                for (device, key) in &batch {
                    store.create_device(device).await?;
                    store.create_key(key).await?;
                }
                Result::Ok(())
            });
        }
        while let Some(written) = writers.join_next().await {
            written??;
        }
        self.ground.settle().await
    }

    /// What a gateway asks of devices and notes about them, of others each time.
    async fn round(&mut self, book: &mut Book, random: &mut fastrand::Rng) -> Result<()> {
        let ground = &self.ground;
        let store = &ground.store;
        for _ in 0..ASKED {
            let some = random.choose_multiple(self.known.iter(), 100);
            let devices: Vec<DeviceId> = some.iter().map(|(device, _)| *device).collect();
            let found = book.time(ground, "find 100 devices", store.find_devices(&devices)).await?;
            whole(found.iter().flatten().count(), 100)?;
            let now = SystemClock.now();
            let seen: Vec<_> = devices.iter().map(|device| (*device, now, None)).collect();
            book.time(ground, "note 100 devices as seen", store.touch_devices(&seen)).await?;
            let (_, key) = random.choice(&self.known).ok_or("no device")?;
            let found = book.time(ground, "find a key", store.find_keys(&[*key])).await?;
            whole(found.iter().flatten().count(), 1)?;
            let account = *random.choice(&self.accounts).ok_or("no account")?;
            let page =
                book.time(ground, "list, the newest 50 devices", store.devices(account, None, 50)).await?;
            whole(page.items.len(), 50)?;
            // With as many behind it as a page of one account needs.
            let place = random.usize(self.known.len() / 2..self.known.len());
            let after = Some(Cursor { at: self.made_at(place), id: uuid::Uuid::nil() });
            let page =
                book.time(ground, "list, 50 devices deep in", store.devices(account, after, 50)).await?;
            whole(page.items.len(), 50)?;
        }
        self.ground.soil(100 * ASKED as u64);
        self.ground.tidy(self.rows()).await
    }
}

fn key(device: DeviceId, created_at: Timestamp, random: &mut fastrand::Rng) -> DeviceKey {
    let (mut id, mut digest) = ([0; 10], [0; 32]);
    random.fill(&mut id);
    random.fill(&mut digest);
    DeviceKey {
        id: KeyId::from_bytes(id),
        device,
        digest: KeyDigest::from_bytes(digest),
        created_at,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
        sealed: None,
    }
}

fn whole(found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(format!("{found} instead of {expected}").into()) }
}
