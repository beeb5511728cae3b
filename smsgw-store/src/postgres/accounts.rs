use async_trait::async_trait;
use smsgw_core::account::{Account, Token};
use smsgw_core::error::Result;
use smsgw_core::key::{KeyDigest, KeyId};
use smsgw_core::store::AccountStore;
use smsgw_core::time::Timestamp;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use super::rows::Columns;

const ADD_ACCOUNT: &str =
    "INSERT INTO accounts (id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";

const ACCOUNT: &str = "SELECT id, name, created_at FROM accounts WHERE name = $1";

/// What [`find_token`] reads.
macro_rules! token_columns {
    () => {
        "id, account, name, digest, created_at, expires_at, revoked_at"
    };
}

const ADD_TOKEN: &str = concat!(
    "INSERT INTO tokens (",
    token_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING"
);

const TOKEN: &str = concat!("SELECT ", token_columns!(), " FROM tokens WHERE id = $1");

#[async_trait]
impl AccountStore for PostgresStore {
    async fn ensure_account(&self, account: &Account) -> Result<Account> {
        let account = account.clone();
        self.run("ensure_account", move |conn| Box::pin(ensure(conn, account.clone()))).await
    }

    async fn create_token(&self, token: &Token) -> Result<()> {
        let token = token.clone();
        self.run("create_token", move |conn| Box::pin(add_token(conn, token.clone()))).await
    }

    async fn find_token(&self, id: KeyId) -> Result<Option<Token>> {
        self.run("find_token", move |conn| Box::pin(find_token(conn, id))).await
    }
}

/// Looks first: there is one but for the first time, and what is there is not to be written.
async fn ensure(conn: &mut PgConnection, account: Account) -> sqlx::Result<Account> {
    if let Some(found) = find(conn, &account.name).await? {
        return Ok(found);
    }
    sqlx::query(ADD_ACCOUNT)
        .bind(*account.id.as_uuid())
        .bind(&account.name)
        .bind(account.created_at.as_micros())
        .execute(&mut *conn)
        .await?;
    find(conn, &account.name).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn find(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Account>> {
    let row = sqlx::query(ACCOUNT).bind(name).fetch_optional(conn).await?;
    row.as_ref()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok(Account::new(columns.id()?, columns.take()?, columns.time()?))
        })
        .transpose()
}

async fn add_token(conn: &mut PgConnection, token: Token) -> sqlx::Result<()> {
    sqlx::query(ADD_TOKEN)
        .bind(&token.id.as_bytes()[..])
        .bind(*token.account.as_uuid())
        .bind(token.name)
        .bind(&token.digest.as_bytes()[..])
        .bind(token.created_at.as_micros())
        .bind(token.expires_at.map(Timestamp::as_micros))
        .bind(token.revoked_at.map(Timestamp::as_micros))
        .execute(conn)
        .await
        .map(drop)
}

async fn find_token(conn: &mut PgConnection, id: KeyId) -> sqlx::Result<Option<Token>> {
    let row = sqlx::query(TOKEN).bind(&id.as_bytes()[..]).fetch_optional(conn).await?;
    row.as_ref()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok(Token {
                id: KeyId::from_bytes(columns.bytes()?),
                account: columns.id()?,
                name: columns.take()?,
                digest: KeyDigest::from_bytes(columns.bytes()?),
                created_at: columns.time()?,
                expires_at: columns.time_or_null()?,
                revoked_at: columns.time_or_null()?,
            })
        })
        .transpose()
}
