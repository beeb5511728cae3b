use std::collections::HashMap;

use async_trait::async_trait;
use serde::Deserialize;
use smsgw_core::device::{Device, DeviceKey, Protocol, Sim};
use smsgw_core::error::Result;
use smsgw_core::id::{AccountId, DeviceId};
use smsgw_core::key::KeyId;
use smsgw_core::rate::RateLimit;
use smsgw_core::seal::Sealed;
use smsgw_core::store::{Cursor, DevicePatch, DeviceStore, Page};
use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::classify::classify;
use super::damaged::Rows;
use super::rows::Micros;
use super::sql::{Args, Batch, Script, fetch_first, part, parts};
use super::{SqliteStore, keys};
use crate::heard::{Heard, latest};

/// A [`DeviceRow`].
macro_rules! device_json {
    () => {
        "json_array(hex(id), hex(account), name, description, protocol, rate_limit, json(sims), created_at, \
         last_seen_at, paused)"
    };
}

const ADD: &str = "INSERT INTO devices (id, account, name, description, protocol, rate_limit, sims, created_at, \
     last_seen_at, paused) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";

const ONE: &str = concat!("SELECT ", device_json!(), " FROM devices WHERE id = ? AND account = ?");

pub(super) const BY_ID: Batch = Batch {
    head: concat!("SELECT json_group_array(", device_json!(), ") FROM devices WHERE id IN ("),
    row: "?",
    tail: ")",
};

pub(super) const PAGE: &str = concat!(
    "SELECT ",
    device_json!(),
    " FROM devices WHERE account = ? AND (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?"
);

const UPDATE: &str =
    "UPDATE devices SET name = ?2, description = ?3, rate_limit = ?4, paused = ?5 WHERE id = ?1";

const DELETE: &str = "DELETE FROM devices WHERE id = ? AND account = ?";

/// Id, when it was heard of, when it told of its SIM cards, and these.
pub(super) const TOUCH: Batch = Batch {
    head: "UPDATE devices SET last_seen_at = max(ifnull(last_seen_at, 0), v.column2), \
           sims = iif(v.column3 >= ifnull(last_seen_at, 0), v.column4, sims) FROM (VALUES ",
    row: "(?,?,?,?)",
    tail: ") AS v WHERE devices.id = v.column1",
};

#[async_trait]
impl DeviceStore for SqliteStore {
    async fn create_device(&self, device: &Device) -> Result<()> {
        let device = device.clone();
        self.write("create_device", 1, move |transaction| Box::pin(add(&mut transaction.conn, device))).await
    }

    async fn update_device(
        &self,
        account: AccountId,
        id: DeviceId,
        patch: DevicePatch,
    ) -> Result<Option<Device>> {
        self.write("update_device", 1, move |transaction| {
            Box::pin(update(&mut transaction.conn, account, id, patch))
        })
        .await
    }

    async fn delete_device(&self, account: AccountId, id: DeviceId) -> Result<bool> {
        self.write("delete_device", 1, move |transaction| {
            Box::pin(delete(&mut transaction.conn, account, id))
        })
        .await
    }

    async fn find_devices(&self, ids: &[DeviceId]) -> Result<Vec<Option<Device>>> {
        let mut conn = self.reader("find_devices").await?;
        let Rows::<DeviceRow> { good, damaged } = BY_ID
            .fetch_good(&mut conn, ids, |args, id| args.add_id(id.as_uuid()))
            .await
            .map_err(|error| classify("find_devices", error))?;
        self.damage.tell("find_devices", &damaged);
        let found: HashMap<DeviceId, Device> = good.into_iter().map(|row| (row.id, row.into())).collect();
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn devices(&self, account: AccountId, after: Option<Cursor>, limit: usize) -> Result<Page<Device>> {
        let args = |limit| {
            Args::of(|args| {
                args.add_id(account.as_uuid())?;
                args.add_place_before(after)?;
                args.add_limit(limit)
            })
        };
        let rows: Vec<DeviceRow> = self.read_page("devices", PAGE, limit, args).await?;
        let rows = rows.into_iter().map(Device::from).collect();
        Ok(Page::from_rows(rows, limit, |row| Cursor { at: row.created_at, id: *row.id.as_uuid() }))
    }

    async fn touch_devices(&self, seen: &[(DeviceId, Timestamp, Option<Vec<Sim>>)]) -> Result<()> {
        let latest = latest(seen);
        self.write("touch_devices", latest.len(), move |transaction| {
            Box::pin(async move { touch(&mut transaction.conn, &latest).await })
        })
        .await
    }

    async fn create_key(&self, key: &DeviceKey) -> Result<bool> {
        let key = key.clone();
        self.write("create_key", 1, move |transaction| Box::pin(keys::add(&mut transaction.conn, key))).await
    }

    async fn find_keys(&self, ids: &[KeyId]) -> Result<Vec<Option<DeviceKey>>> {
        let mut conn = self.reader("find_keys").await?;
        let Rows::<keys::KeyRow> { good, damaged } = keys::BY_ID
            .fetch_good(&mut conn, ids, |args, id| args.add(&id.as_bytes()[..]))
            .await
            .map_err(|error| classify("find_keys", error))?;
        self.damage.tell("find_keys", &damaged);
        let found: HashMap<KeyId, DeviceKey> =
            good.into_iter().map(DeviceKey::from).map(|key| (key.id, key)).collect();
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn keys(&self, device: DeviceId) -> Result<Vec<DeviceKey>> {
        let args = Args::of(|args| args.add_id(device.as_uuid()));
        let rows: Vec<keys::KeyRow> = self.read("keys", keys::OF_DEVICE, args).await?;
        Ok(rows.into_iter().map(DeviceKey::from).collect())
    }

    async fn valid_keys(
        &self,
        after: Option<KeyId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(DeviceKey, Protocol)>> {
        let rows: Vec<keys::ValidRow> =
            self.read("valid_keys", keys::VALID, keys::valid(after, limit, now)).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn revoke_key(&self, device: DeviceId, id: KeyId, at: Timestamp) -> Result<bool> {
        self.write("revoke_key", 1, move |transaction| {
            Box::pin(keys::revoke(&mut transaction.conn, device, id, at))
        })
        .await
    }

    async fn reseal_keys(&self, keys: &[(KeyId, Sealed)]) -> Result<()> {
        let keys = keys.to_vec();
        self.write("reseal_keys", keys.len(), move |transaction| {
            Box::pin(async move { keys::reseal(&mut transaction.conn, &keys).await })
        })
        .await
    }

    async fn touch_key(&self, id: KeyId, at: Timestamp) -> Result<()> {
        self.write("touch_key", 1, move |transaction| Box::pin(keys::touch(&mut transaction.conn, id, at)))
            .await
    }
}

async fn add(conn: &mut SqliteConnection, device: Device) -> sqlx::Result<()> {
    let args = Args::of(|args| {
        args.add_id(device.id.as_uuid())?;
        args.add_id(device.account.as_uuid())?;
        args.add(device.name.as_str())?;
        args.add(device.description.as_deref())?;
        args.add(device.protocol.as_str())?;
        args.add(device.rate_limit.map(|limit| limit.to_string()))?;
        args.add(serde_json::to_string(&device.sims)?)?;
        args.add_time(device.created_at)?;
        args.add_time_or_null(device.last_seen_at)?;
        args.add(device.paused)
    })?;
    sqlx::query_with(ADD, args.into_inner()).execute(conn).await.map(drop)
}

async fn update(
    conn: &mut SqliteConnection,
    account: AccountId,
    id: DeviceId,
    patch: DevicePatch,
) -> sqlx::Result<Option<Device>> {
    let row: Option<DeviceRow> = fetch_first(conn, ONE, owned(account, id)?).await?;
    let Some(mut device) = row.map(Device::from) else { return Ok(None) };
    patch.apply(&mut device);
    let args = Args::of(|args| {
        args.add_id(id.as_uuid())?;
        args.add(device.name.as_str())?;
        args.add(device.description.as_deref())?;
        args.add(device.rate_limit.map(|limit| limit.to_string()))?;
        args.add(device.paused)
    })?;
    sqlx::query_with(UPDATE, args.into_inner()).execute(conn).await?;
    Ok(Some(device))
}

async fn delete(conn: &mut SqliteConnection, account: AccountId, id: DeviceId) -> sqlx::Result<bool> {
    let done = sqlx::query_with(DELETE, owned(account, id)?.into_inner()).execute(conn).await?;
    Ok(done.rows_affected() > 0)
}

async fn touch(conn: &mut SqliteConnection, latest: &[(DeviceId, Heard)]) -> sqlx::Result<()> {
    for number in parts(latest.len()) {
        let mut script = Script::default();
        script.add(&TOUCH, part(latest, number), |args, (id, heard)| {
            args.add_id(id.as_uuid())?;
            args.add_time(heard.at)?;
            args.add_time_or_null(heard.sims.as_ref().map(|(at, _)| *at))?;
            args.add(heard.sims.as_ref().map(|(_, sims)| serde_json::to_string(sims)).transpose()?)
        })?;
        script.execute(conn).await?;
    }
    Ok(())
}

fn owned(account: AccountId, id: DeviceId) -> sqlx::Result<Args> {
    Args::of(|args| {
        args.add_id(id.as_uuid())?;
        args.add_id(account.as_uuid())
    })
}

#[derive(Deserialize)]
struct DeviceRow {
    id: DeviceId,
    account: AccountId,
    name: String,
    description: Option<String>,
    protocol: Protocol,
    rate_limit: Option<RateLimit>,
    sims: Vec<Sim>,
    created_at: Micros,
    last_seen_at: Option<Micros>,
    // SQLite has no truth values.
    paused: u8,
}

impl From<DeviceRow> for Device {
    fn from(row: DeviceRow) -> Self {
        Self {
            id: row.id,
            account: row.account,
            name: row.name,
            description: row.description,
            protocol: row.protocol,
            rate_limit: row.rate_limit,
            sims: row.sims,
            created_at: row.created_at.0,
            last_seen_at: row.last_seen_at.map(|at| at.0),
            paused: row.paused != 0,
        }
    }
}
