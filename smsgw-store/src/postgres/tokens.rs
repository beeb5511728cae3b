//! The tokens of accounts.

use smsgw_core::account::{Account, Scopes, Token};
use smsgw_core::id::AccountId;
use smsgw_core::key::{KeyDigest, KeyId};
use smsgw_core::time::Timestamp;
use sqlx::postgres::PgConnection;

use super::accounts::{account_columns, read_account};
use super::rows::Columns;

/// What [`read_token`] reads.
macro_rules! token_columns {
    () => {
        "t.id, t.account, t.name, t.scopes, t.digest, t.created_at, t.expires_at, t.revoked_at, t.last_used_at"
    };
}

/// A token and its account.
pub(super) const ONE: &str = concat!(
    "SELECT ",
    token_columns!(),
    ", ",
    account_columns!(),
    " FROM tokens AS t JOIN accounts AS a ON a.id = t.account WHERE t.id = $1"
);

pub(super) const OF_ACCOUNT: &str = concat!(
    "SELECT ",
    token_columns!(),
    " FROM tokens AS t WHERE t.account = $1 ORDER BY t.created_at DESC, t.id DESC"
);

const ADD: &str = "INSERT INTO tokens (id, account, name, scopes, digest, created_at, expires_at, revoked_at, \
     last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";

const REVOKE: &str = "UPDATE tokens SET revoked_at = least(revoked_at, $3) WHERE id = $1 AND account = $2";

const TOUCH: &str = "UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND $2 > coalesce(last_used_at, -1)";

pub(super) async fn add(conn: &mut PgConnection, token: Token) -> sqlx::Result<()> {
    sqlx::query(ADD)
        .bind(&token.id.as_bytes()[..])
        .bind(*token.account.as_uuid())
        .bind(token.name)
        .bind(token.scopes.to_string())
        .bind(&token.digest.as_bytes()[..])
        .bind(token.created_at.as_micros())
        .bind(token.expires_at.map(Timestamp::as_micros))
        .bind(token.revoked_at.map(Timestamp::as_micros))
        .bind(token.last_used_at.map(Timestamp::as_micros))
        .execute(conn)
        .await
        .map(drop)
}

/// A token with its account.
pub(super) async fn find(conn: &mut PgConnection, id: KeyId) -> sqlx::Result<Option<(Token, Account)>> {
    let row = sqlx::query(ONE).bind(&id.as_bytes()[..]).fetch_optional(conn).await?;
    row.as_ref()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok((read_token(&mut columns)?, read_account(&mut columns)?))
        })
        .transpose()
}

/// Newest first.
pub(super) async fn of_account(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Token>> {
    let rows = sqlx::query(OF_ACCOUNT).bind(*account.as_uuid()).fetch_all(conn).await?;
    rows.iter().map(|row| read_token(&mut Columns::of(row))).collect()
}

/// Ends a token at `at`, or leaves it where it ended before.
pub(super) async fn revoke(
    conn: &mut PgConnection,
    account: AccountId,
    id: KeyId,
    at: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query(REVOKE)
        .bind(&id.as_bytes()[..])
        .bind(*account.as_uuid())
        .bind(at.as_micros())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Notes that somebody came in with a token.
pub(super) async fn touch(conn: &mut PgConnection, id: KeyId, at: Timestamp) -> sqlx::Result<()> {
    sqlx::query(TOUCH).bind(&id.as_bytes()[..]).bind(at.as_micros()).execute(conn).await.map(drop)
}

fn read_token(columns: &mut Columns<'_>) -> sqlx::Result<Token> {
    Ok(Token {
        id: KeyId::from_bytes(columns.bytes()?),
        account: columns.id()?,
        name: columns.take()?,
        scopes: columns.word(|text| text.parse::<Scopes>().ok())?,
        digest: KeyDigest::from_bytes(columns.bytes()?),
        created_at: columns.time()?,
        expires_at: columns.time_or_null()?,
        revoked_at: columns.time_or_null()?,
        last_used_at: columns.time_or_null()?,
    })
}
