//! The API keys of devices.

use serde::Deserialize;
use smsgw_core::device::DeviceKey;
use smsgw_core::id::DeviceId;
use smsgw_core::key::{KeyDigest, KeyId};
use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::rows::{Hex, Micros};
use super::sql::{Args, fetch_first};

/// A [`KeyRow`].
macro_rules! key_json {
    () => {
        "json_array(hex(id), hex(device), hex(digest), created_at, expires_at, revoked_at, last_used_at)"
    };
}

pub(super) const ONE: &str = concat!("SELECT ", key_json!(), " FROM device_keys WHERE id = ?");

pub(super) const OF_DEVICE: &str =
    concat!("SELECT ", key_json!(), " FROM device_keys WHERE device = ? ORDER BY created_at DESC, id DESC");

const EXISTS: &str = "SELECT json_array(1) FROM devices WHERE id = ?";

const ADD: &str = "INSERT INTO device_keys (id, device, digest, created_at, expires_at, revoked_at, last_used_at) \
     VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";

const REVOKE: &str =
    "UPDATE device_keys SET revoked_at = min(ifnull(revoked_at, ?3), ?3) WHERE id = ?1 AND device = ?2";

const TOUCH: &str = "UPDATE device_keys SET last_used_at = max(ifnull(last_used_at, 0), ?2) WHERE id = ?1";

/// Adds `key`; `false` where its device does not exist.
pub(super) async fn add(conn: &mut SqliteConnection, key: DeviceKey) -> sqlx::Result<bool> {
    let device = Args::of(|args| args.add_id(key.device.as_uuid()))?;
    if fetch_first::<(u8,)>(conn, EXISTS, device).await?.is_none() {
        return Ok(false);
    }
    let args = Args::of(|args| {
        args.add(&key.id.as_bytes()[..])?;
        args.add_id(key.device.as_uuid())?;
        args.add(&key.digest.as_bytes()[..])?;
        args.add_time(key.created_at)?;
        args.add_time_or_null(key.expires_at)?;
        args.add_time_or_null(key.revoked_at)?;
        args.add_time_or_null(key.last_used_at)
    })?;
    sqlx::query_with(ADD, args.into_inner()).execute(conn).await?;
    Ok(true)
}

/// Ends a key at `at`, or leaves it where it ended before.
pub(super) async fn revoke(
    conn: &mut SqliteConnection,
    device: DeviceId,
    id: KeyId,
    at: Timestamp,
) -> sqlx::Result<bool> {
    let args = Args::of(|args| {
        args.add(&id.as_bytes()[..])?;
        args.add_id(device.as_uuid())?;
        args.add_time(at)
    })?;
    let done = sqlx::query_with(REVOKE, args.into_inner()).execute(conn).await?;
    Ok(done.rows_affected() > 0)
}

/// Notes that a device came in with a key.
pub(super) async fn touch(conn: &mut SqliteConnection, id: KeyId, at: Timestamp) -> sqlx::Result<()> {
    let args = Args::of(|args| {
        args.add(&id.as_bytes()[..])?;
        args.add_time(at)
    })?;
    sqlx::query_with(TOUCH, args.into_inner()).execute(conn).await.map(drop)
}

/// The parameter of [`ONE`].
pub(super) fn named(id: KeyId) -> sqlx::Result<Args> {
    Args::of(|args| args.add(&id.as_bytes()[..]))
}

#[derive(Deserialize)]
pub(super) struct KeyRow {
    id: Hex<10>,
    device: DeviceId,
    digest: Hex<32>,
    created_at: Micros,
    expires_at: Option<Micros>,
    revoked_at: Option<Micros>,
    last_used_at: Option<Micros>,
}

impl From<KeyRow> for DeviceKey {
    fn from(row: KeyRow) -> Self {
        Self {
            id: KeyId::from_bytes(row.id.0),
            device: row.device,
            digest: KeyDigest::from_bytes(row.digest.0),
            created_at: row.created_at.0,
            expires_at: row.expires_at.map(|at| at.0),
            revoked_at: row.revoked_at.map(|at| at.0),
            last_used_at: row.last_used_at.map(|at| at.0),
        }
    }
}
