//! The API keys of devices.

use serde::Deserialize;
use smsgw_core::device::{DeviceKey, Protocol};
use smsgw_core::id::DeviceId;
use smsgw_core::key::{KeyDigest, KeyId};
use smsgw_core::seal::Sealed;
use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::rows::{Hex, HexBytes, Micros};
use super::sql::{Args, Batch, Script, fetch_first, part, parts};

/// The fields of a [`KeyRow`].
macro_rules! key_fields {
    () => {
        "hex(id), hex(device), hex(digest), created_at, expires_at, revoked_at, last_used_at, \
         nullif(hex(sealed), '')"
    };
}

pub(super) const BY_ID: Batch = Batch {
    head: concat!("SELECT json_group_array(json_array(", key_fields!(), ")) FROM device_keys WHERE id IN ("),
    row: "?",
    tail: ")",
};

pub(super) const OF_DEVICE: &str = concat!(
    "SELECT json_array(",
    key_fields!(),
    ") FROM device_keys WHERE device = ? ORDER BY created_at DESC, id DESC"
);

/// Those that open something, as [`ValidRow`]s: ?1 the id they come after, ?2 now, ?3 limit.
pub(super) const VALID: &str = concat!(
    "SELECT json_array((SELECT protocol FROM devices AS d WHERE d.id = device), json_array(",
    key_fields!(),
    ")) FROM device_keys WHERE id > ?1 AND ifnull(expires_at > ?2, 1) AND ifnull(revoked_at > ?2, 1) \
     ORDER BY id LIMIT ?3"
);

const EXISTS: &str = "SELECT json_array(1) FROM devices WHERE id = ?";

const ADD: &str = "INSERT INTO device_keys (id, device, digest, created_at, expires_at, revoked_at, last_used_at, \
     sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";

const REVOKE: &str =
    "UPDATE device_keys SET revoked_at = min(ifnull(revoked_at, ?3), ?3) WHERE id = ?1 AND device = ?2";

/// Ids, and what is sealed.
pub(super) const RESEAL: Batch = Batch {
    head: "UPDATE device_keys SET sealed = v.column2 FROM (VALUES ",
    row: "(?,?)",
    tail: ") AS v WHERE device_keys.id = v.column1",
};

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
        args.add_time_or_null(key.last_used_at)?;
        args.add(key.sealed.as_ref().map(Sealed::as_bytes))
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

/// Replaces what is sealed of keys.
pub(super) async fn reseal(conn: &mut SqliteConnection, keys: &[(KeyId, Sealed)]) -> sqlx::Result<()> {
    for number in parts(keys.len()) {
        let mut script = Script::default();
        script.add(&RESEAL, part(keys, number), |args, (id, sealed)| {
            args.add(&id.as_bytes()[..])?;
            args.add(sealed.as_bytes())
        })?;
        script.execute(conn).await?;
    }
    Ok(())
}

/// Notes that a device came in with a key.
pub(super) async fn touch(conn: &mut SqliteConnection, id: KeyId, at: Timestamp) -> sqlx::Result<()> {
    let args = Args::of(|args| {
        args.add(&id.as_bytes()[..])?;
        args.add_time(at)
    })?;
    sqlx::query_with(TOUCH, args.into_inner()).execute(conn).await.map(drop)
}

/// The parameters of [`VALID`].
pub(super) fn valid(after: Option<KeyId>, limit: usize, now: Timestamp) -> sqlx::Result<Args> {
    Args::of(|args| {
        args.add(after.as_ref().map_or(&[][..], |after| &after.as_bytes()[..]))?;
        args.add_time(now)?;
        args.add_limit(limit)
    })
}

/// A key, and what its device speaks.
#[derive(Deserialize)]
pub(super) struct ValidRow(Protocol, KeyRow);

impl From<ValidRow> for (DeviceKey, Protocol) {
    fn from(ValidRow(protocol, key): ValidRow) -> Self {
        (key.into(), protocol)
    }
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
    sealed: Option<HexBytes>,
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
            sealed: row.sealed.map(|bytes| Sealed::from_bytes(bytes.0)),
        }
    }
}
