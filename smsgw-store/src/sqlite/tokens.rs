//! The tokens of accounts.

use serde::Deserialize;
use smsgw_core::account::{Scopes, Token};
use smsgw_core::id::AccountId;
use smsgw_core::key::{KeyDigest, KeyId};
use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::accounts::account_json;
use super::rows::{Hex, Micros};
use super::sql::Args;

/// A [`TokenRow`].
macro_rules! token_json {
    () => {
        "json_array(hex(t.id), hex(t.account), t.name, t.scopes, hex(t.digest), t.created_at, t.expires_at, \
         t.revoked_at, t.last_used_at)"
    };
}

/// A token and its account.
pub(super) const ONE: &str = concat!(
    "SELECT json_array(",
    token_json!(),
    ", ",
    account_json!(),
    ") FROM tokens AS t JOIN accounts AS a ON a.id = t.account WHERE t.id = ?"
);

pub(super) const OF_ACCOUNT: &str = concat!(
    "SELECT ",
    token_json!(),
    " FROM tokens AS t WHERE account = ? ORDER BY created_at DESC, id DESC"
);

const ADD: &str = "INSERT INTO tokens (id, account, name, scopes, digest, created_at, expires_at, revoked_at, \
     last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";

const REVOKE: &str =
    "UPDATE tokens SET revoked_at = min(ifnull(revoked_at, ?3), ?3) WHERE id = ?1 AND account = ?2";

const TOUCH: &str = "UPDATE tokens SET last_used_at = max(ifnull(last_used_at, 0), ?2) WHERE id = ?1";

pub(super) async fn add(conn: &mut SqliteConnection, token: Token) -> sqlx::Result<()> {
    let args = Args::of(|args| {
        args.add(&token.id.as_bytes()[..])?;
        args.add_id(token.account.as_uuid())?;
        args.add(token.name.as_str())?;
        args.add(token.scopes.to_string())?;
        args.add(&token.digest.as_bytes()[..])?;
        args.add_time(token.created_at)?;
        args.add_time_or_null(token.expires_at)?;
        args.add_time_or_null(token.revoked_at)?;
        args.add_time_or_null(token.last_used_at)
    })?;
    sqlx::query_with(ADD, args.into_inner()).execute(conn).await.map(drop)
}

/// Ends a token at `at`, or leaves it where it ended before.
pub(super) async fn revoke(
    conn: &mut SqliteConnection,
    account: AccountId,
    id: KeyId,
    at: Timestamp,
) -> sqlx::Result<bool> {
    let args = Args::of(|args| {
        args.add(&id.as_bytes()[..])?;
        args.add_id(account.as_uuid())?;
        args.add_time(at)
    })?;
    let done = sqlx::query_with(REVOKE, args.into_inner()).execute(conn).await?;
    Ok(done.rows_affected() > 0)
}

/// Notes that somebody came in with a token.
pub(super) async fn touch(conn: &mut SqliteConnection, id: KeyId, at: Timestamp) -> sqlx::Result<()> {
    let args = Args::of(|args| {
        args.add(&id.as_bytes()[..])?;
        args.add_time(at)
    })?;
    sqlx::query_with(TOUCH, args.into_inner()).execute(conn).await.map(drop)
}

#[derive(Deserialize)]
pub(super) struct TokenRow {
    id: Hex<10>,
    account: AccountId,
    name: String,
    scopes: Scopes,
    digest: Hex<32>,
    created_at: Micros,
    expires_at: Option<Micros>,
    revoked_at: Option<Micros>,
    last_used_at: Option<Micros>,
}

impl From<TokenRow> for Token {
    fn from(row: TokenRow) -> Self {
        Self {
            id: KeyId::from_bytes(row.id.0),
            account: row.account,
            name: row.name,
            scopes: row.scopes,
            digest: KeyDigest::from_bytes(row.digest.0),
            created_at: row.created_at.0,
            expires_at: row.expires_at.map(|at| at.0),
            revoked_at: row.revoked_at.map(|at| at.0),
            last_used_at: row.last_used_at.map(|at| at.0),
        }
    }
}
