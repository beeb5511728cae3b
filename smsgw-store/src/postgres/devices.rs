use std::collections::HashMap;

use async_trait::async_trait;
use smsgw_core::device::{Device, DeviceKey, Protocol, Sim};
use smsgw_core::error::Result;
use smsgw_core::id::{AccountId, DeviceId};
use smsgw_core::key::KeyId;
use smsgw_core::seal::Sealed;
use smsgw_core::store::{Cursor, DevicePatch, DeviceStore, Page};
use smsgw_core::time::Timestamp;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::rows::{Columns, end_of, limit, owned};
use super::{PostgresStore, keys};
use crate::heard::{Heard, latest};

/// What [`device`] reads.
macro_rules! device_columns {
    () => {
        "id, account, name, description, protocol, rate_limit, sims, created_at, last_seen_at, paused"
    };
}

const ADD: &str = concat!(
    "INSERT INTO devices (",
    device_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING"
);

pub(super) const BY_ID: &str =
    concat!("SELECT ", device_columns!(), " FROM devices WHERE id = ANY ((SELECT $1::uuid[])::uuid[])");

/// A page: $1 account, $2 and $3 the place it ends before, $4 limit.
pub(super) const PAGE: &str = concat!(
    "SELECT ",
    device_columns!(),
    " FROM devices WHERE account = $1 AND (created_at, id) < ($2, $3) \
     ORDER BY created_at DESC, id DESC LIMIT $4"
);

/// Changes what is said to be changed.
const UPDATE: &str = concat!(
    "UPDATE devices SET name = coalesce($3, name), description = CASE WHEN $4 THEN $5 ELSE description END, \
     rate_limit = CASE WHEN $6 THEN $7 ELSE rate_limit END, paused = coalesce($8, paused) WHERE id = $1 AND account = $2 RETURNING ",
    device_columns!()
);

const DELETE: &str = "DELETE FROM devices WHERE id = $1 AND account = $2";

/// Id, when it was heard of, when it told of its SIM cards, and these. In the order of ids, so that two that note the
/// same wait for each other and never both; what is not newer is not written.
pub(super) const TOUCH: &str = "UPDATE devices AS d SET last_seen_at = greatest(d.last_seen_at, v.at), \
     sims = CASE WHEN v.told_at >= coalesce(d.last_seen_at, 0) THEN v.sims ELSE d.sims END \
     FROM (SELECT v.* FROM unnest((SELECT $1::uuid[]), (SELECT $2::bigint[]), (SELECT $3::bigint[]), \
     (SELECT $4::text[])) AS v (id, at, told_at, sims) JOIN devices AS d ON d.id = v.id \
     WHERE v.at > coalesce(d.last_seen_at, -1) OR v.told_at IS NOT NULL ORDER BY v.id FOR UPDATE OF d) AS v \
     WHERE d.id = v.id";

#[async_trait]
impl DeviceStore for PostgresStore {
    async fn create_device(&self, device: &Device) -> Result<()> {
        let device = device.clone();
        self.run("create_device", move |conn| {
            let device = device.clone();
            Box::pin(add(conn, device))
        })
        .await
    }

    async fn update_device(
        &self,
        account: AccountId,
        id: DeviceId,
        patch: DevicePatch,
    ) -> Result<Option<Device>> {
        self.run("update_device", move |conn| {
            let patch = patch.clone();
            Box::pin(update(conn, account, id, patch))
        })
        .await
    }

    async fn delete_device(&self, account: AccountId, id: DeviceId) -> Result<bool> {
        let (id, account) = owned(account, id.as_uuid());
        self.run("delete_device", move |conn| {
            Box::pin(async move {
                let done = sqlx::query(DELETE).bind(id).bind(account).execute(conn).await?;
                Ok(done.rows_affected() > 0)
            })
        })
        .await
    }

    async fn find_devices(&self, ids: &[DeviceId]) -> Result<Vec<Option<Device>>> {
        let asked: Vec<Uuid> = ids.iter().map(|id| *id.as_uuid()).collect();
        let found: HashMap<DeviceId, Device> = self
            .run("find_devices", move |conn| {
                let asked = asked.clone();
                Box::pin(async move {
                    let rows = sqlx::query(BY_ID).bind(asked).fetch_all(conn).await?;
                    rows.iter().map(|row| device(row).map(|device| (device.id, device))).collect()
                })
            })
            .await?;
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn devices(&self, account: AccountId, after: Option<Cursor>, most: usize) -> Result<Page<Device>> {
        let (before, before_id) = end_of(after);
        let rows = self
            .run("devices", move |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(PAGE)
                        .bind(*account.as_uuid())
                        .bind(before)
                        .bind(before_id)
                        .bind(limit(most.saturating_add(1)))
                        .fetch_all(conn)
                        .await?;
                    rows.iter().map(device).collect::<sqlx::Result<Vec<_>>>()
                })
            })
            .await?;
        Ok(Page::from_rows(rows, most, |row| Cursor { at: row.created_at, id: *row.id.as_uuid() }))
    }

    async fn touch_devices(&self, seen: &[(DeviceId, Timestamp, Option<Vec<Sim>>)]) -> Result<()> {
        let latest = std::sync::Arc::new(latest(seen));
        self.run("touch_devices", move |conn| {
            let latest = latest.clone();
            Box::pin(async move { touch(conn, &latest).await })
        })
        .await
    }

    async fn create_key(&self, key: &DeviceKey) -> Result<bool> {
        let key = key.clone();
        self.run("create_key", move |conn| Box::pin(keys::add(conn, key.clone()))).await
    }

    async fn find_keys(&self, ids: &[KeyId]) -> Result<Vec<Option<DeviceKey>>> {
        let asked: Vec<Vec<u8>> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
        let found: HashMap<KeyId, DeviceKey> = self
            .run("find_keys", move |conn| {
                let asked = asked.clone();
                Box::pin(async move {
                    let found = keys::find(conn, asked).await?;
                    Ok(found.into_iter().map(|key| (key.id, key)).collect())
                })
            })
            .await?;
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn keys(&self, device: DeviceId) -> Result<Vec<DeviceKey>> {
        self.run("keys", move |conn| Box::pin(keys::of_device(conn, device))).await
    }

    async fn valid_keys(
        &self,
        after: Option<KeyId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(DeviceKey, Protocol)>> {
        self.run("valid_keys", move |conn| Box::pin(keys::valid(conn, after, limit, now))).await
    }

    async fn revoke_key(&self, device: DeviceId, id: KeyId, at: Timestamp) -> Result<bool> {
        self.run("revoke_key", move |conn| Box::pin(keys::revoke(conn, device, id, at))).await
    }

    async fn reseal_keys(&self, keys: &[(KeyId, Sealed)]) -> Result<()> {
        let ids: Vec<Vec<u8>> = keys.iter().map(|(id, _)| id.as_bytes().to_vec()).collect();
        let sealed: Vec<Vec<u8>> = keys.iter().map(|(_, sealed)| sealed.as_bytes().to_vec()).collect();
        self.run("reseal_keys", move |conn| Box::pin(keys::reseal(conn, ids.clone(), sealed.clone()))).await
    }

    async fn touch_key(&self, id: KeyId, at: Timestamp) -> Result<()> {
        self.run("touch_key", move |conn| Box::pin(keys::touch(conn, id, at))).await
    }
}

async fn add(conn: &mut PgConnection, device: Device) -> sqlx::Result<()> {
    let sims = sims_text(&device.sims)?;
    sqlx::query(ADD)
        .bind(*device.id.as_uuid())
        .bind(*device.account.as_uuid())
        .bind(device.name)
        .bind(device.description)
        .bind(device.protocol.as_str())
        .bind(device.rate_limit.map(|limit| limit.to_string()))
        .bind(sims)
        .bind(device.created_at.as_micros())
        .bind(device.last_seen_at.map(Timestamp::as_micros))
        .bind(device.paused)
        .execute(conn)
        .await
        .map(drop)
}

async fn update(
    conn: &mut PgConnection,
    account: AccountId,
    id: DeviceId,
    patch: DevicePatch,
) -> sqlx::Result<Option<Device>> {
    let row = sqlx::query(UPDATE)
        .bind(*id.as_uuid())
        .bind(*account.as_uuid())
        .bind(patch.name)
        .bind(patch.description.is_some())
        .bind(patch.description.flatten())
        .bind(patch.rate_limit.is_some())
        .bind(patch.rate_limit.flatten().map(|limit| limit.to_string()))
        .bind(patch.paused)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(device).transpose()
}

async fn touch(conn: &mut PgConnection, latest: &[(DeviceId, Heard)]) -> sqlx::Result<()> {
    if latest.is_empty() {
        return Ok(());
    }
    let told = |heard: &Heard| heard.sims.as_ref().map(|(_, sims)| sims_text(sims)).transpose();
    let sims: Vec<Option<String>> =
        latest.iter().map(|(_, heard)| told(heard)).collect::<sqlx::Result<_>>()?;
    let told_at = |(_, heard): &(_, Heard)| heard.sims.as_ref().map(|(at, _)| at.as_micros());
    sqlx::query(TOUCH)
        .bind(latest.iter().map(|(id, _)| *id.as_uuid()).collect::<Vec<_>>())
        .bind(latest.iter().map(|(_, heard)| heard.at.as_micros()).collect::<Vec<_>>())
        .bind(latest.iter().map(told_at).collect::<Vec<_>>())
        .bind(sims)
        .execute(conn)
        .await
        .map(drop)
}

fn sims_text(sims: &[Sim]) -> sqlx::Result<String> {
    serde_json::to_string(sims).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn device(row: &PgRow) -> sqlx::Result<Device> {
    let mut columns = Columns::of(row);
    Ok(Device {
        id: columns.id()?,
        account: columns.id()?,
        name: columns.take()?,
        description: columns.take()?,
        protocol: columns.word(|text| text.parse().ok())?,
        rate_limit: columns.word_or_null(|text| text.parse().ok())?,
        sims: columns.word(|text| serde_json::from_str(text).ok())?,
        created_at: columns.time()?,
        last_seen_at: columns.time_or_null()?,
        paused: columns.take()?,
    })
}
