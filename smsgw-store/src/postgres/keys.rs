//! The API keys of devices.

use smsgw_core::device::{DeviceKey, Protocol};
use smsgw_core::id::DeviceId;
use smsgw_core::key::{KeyDigest, KeyId};
use smsgw_core::seal::Sealed;
use smsgw_core::time::Timestamp;
use sqlx::postgres::{PgConnection, PgRow};

use super::classify::is_dangling;
use super::rows::{Columns, limit};

/// What [`key`] reads.
macro_rules! key_columns {
    () => {
        "id, device, digest, created_at, expires_at, revoked_at, last_used_at, sealed"
    };
}

pub(super) const BY_ID: &str =
    concat!("SELECT ", key_columns!(), " FROM device_keys WHERE id = ANY ((SELECT $1::bytea[])::bytea[])");

pub(super) const OF_DEVICE: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM device_keys WHERE device = $1 ORDER BY created_at DESC, id DESC"
);

/// Those that open something, with what their devices speak: $1 the id they come after, $2 now, $3 limit.
pub(super) const VALID: &str = concat!(
    "SELECT ",
    key_columns!(),
    ", (SELECT protocol FROM devices AS d WHERE d.id = device) FROM device_keys WHERE id > $1 \
     AND coalesce(expires_at > $2, true) AND coalesce(revoked_at > $2, true) ORDER BY id LIMIT $3"
);

/// Fails where there is no such device.
const ADD: &str = concat!(
    "INSERT INTO device_keys (",
    key_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING"
);

const REVOKE: &str =
    "UPDATE device_keys SET revoked_at = least(revoked_at, $3) WHERE id = $1 AND device = $2";

/// Rows are locked in the order of their ids.
pub(super) const RESEAL: &str = "UPDATE device_keys AS k SET sealed = v.sealed FROM (SELECT v.* \
     FROM unnest((SELECT $1::bytea[]), (SELECT $2::bytea[])) AS v (id, sealed) JOIN device_keys AS k ON k.id = v.id \
     ORDER BY v.id FOR UPDATE OF k) AS v WHERE k.id = v.id";

const TOUCH: &str =
    "UPDATE device_keys SET last_used_at = $2 WHERE id = $1 AND coalesce(last_used_at, -1) < $2";

/// Adds `key`; `false` where its device does not exist.
pub(super) async fn add(conn: &mut PgConnection, key: DeviceKey) -> sqlx::Result<bool> {
    let done = sqlx::query(ADD)
        .bind(&key.id.as_bytes()[..])
        .bind(*key.device.as_uuid())
        .bind(&key.digest.as_bytes()[..])
        .bind(key.created_at.as_micros())
        .bind(key.expires_at.map(Timestamp::as_micros))
        .bind(key.revoked_at.map(Timestamp::as_micros))
        .bind(key.last_used_at.map(Timestamp::as_micros))
        .bind(key.sealed.as_ref().map(Sealed::as_bytes))
        .execute(conn)
        .await;
    match done {
        Err(error) if is_dangling(&error) => Ok(false),
        done => done.map(|_| true),
    }
}

/// Those that there are, in any order.
pub(super) async fn find(conn: &mut PgConnection, ids: Vec<Vec<u8>>) -> sqlx::Result<Vec<DeviceKey>> {
    let rows = sqlx::query(BY_ID).bind(ids).fetch_all(conn).await?;
    rows.iter().map(key).collect()
}

/// Newest first.
pub(super) async fn of_device(conn: &mut PgConnection, device: DeviceId) -> sqlx::Result<Vec<DeviceKey>> {
    let rows = sqlx::query(OF_DEVICE).bind(*device.as_uuid()).fetch_all(conn).await?;
    rows.iter().map(key).collect()
}

/// Valid ones, in the order of their ids.
pub(super) async fn valid(
    conn: &mut PgConnection,
    after: Option<KeyId>,
    most: usize,
    now: Timestamp,
) -> sqlx::Result<Vec<(DeviceKey, Protocol)>> {
    let rows = sqlx::query(VALID)
        .bind(after.as_ref().map_or(&[][..], |after| &after.as_bytes()[..]))
        .bind(now.as_micros())
        .bind(limit(most))
        .fetch_all(conn)
        .await?;
    let with_protocol = |row: &PgRow| {
        let mut columns = Columns::of(row);
        Ok((read(&mut columns)?, columns.word(|word| word.parse().ok())?))
    };
    rows.iter().map(with_protocol).collect()
}

/// Ends a key at `at`, or leaves it where it ended before.
pub(super) async fn revoke(
    conn: &mut PgConnection,
    device: DeviceId,
    id: KeyId,
    at: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query(REVOKE)
        .bind(&id.as_bytes()[..])
        .bind(*device.as_uuid())
        .bind(at.as_micros())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Replaces what is sealed of keys.
pub(super) async fn reseal(
    conn: &mut PgConnection,
    ids: Vec<Vec<u8>>,
    sealed: Vec<Vec<u8>>,
) -> sqlx::Result<()> {
    sqlx::query(RESEAL).bind(ids).bind(sealed).execute(conn).await.map(drop)
}

/// Notes that a device came in with a key.
pub(super) async fn touch(conn: &mut PgConnection, id: KeyId, at: Timestamp) -> sqlx::Result<()> {
    sqlx::query(TOUCH).bind(&id.as_bytes()[..]).bind(at.as_micros()).execute(conn).await.map(drop)
}

fn key(row: &PgRow) -> sqlx::Result<DeviceKey> {
    read(&mut Columns::of(row))
}

fn read(columns: &mut Columns<'_>) -> sqlx::Result<DeviceKey> {
    Ok(DeviceKey {
        id: KeyId::from_bytes(columns.bytes()?),
        device: columns.id()?,
        digest: KeyDigest::from_bytes(columns.bytes()?),
        created_at: columns.time()?,
        expires_at: columns.time_or_null()?,
        revoked_at: columns.time_or_null()?,
        last_used_at: columns.time_or_null()?,
        sealed: columns.take::<Option<Vec<u8>>>()?.map(Sealed::from_bytes),
    })
}
