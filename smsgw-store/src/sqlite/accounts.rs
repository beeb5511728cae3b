use async_trait::async_trait;
use serde::Deserialize;
use smsgw_core::account::{Account, Token};
use smsgw_core::error::Result;
use smsgw_core::id::AccountId;
use smsgw_core::key::{KeyDigest, KeyId};
use smsgw_core::store::AccountStore;
use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use super::rows::{Hex, Micros};
use super::sql::{Args, fetch_first};

const ADD_ACCOUNT: &str =
    "INSERT INTO accounts (id, name, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING";

const ACCOUNT: &str = "SELECT json_array(hex(id), name, created_at) FROM accounts WHERE name = ?";

const ADD_TOKEN: &str = "INSERT INTO tokens (id, account, name, digest, created_at, expires_at, revoked_at) \
     VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";

const TOKEN: &str = "SELECT json_array(hex(id), hex(account), name, hex(digest), created_at, expires_at, revoked_at) \
     FROM tokens WHERE id = ?";

#[async_trait]
impl AccountStore for SqliteStore {
    async fn ensure_account(&self, account: &Account) -> Result<Account> {
        let account = account.clone();
        self.write("ensure_account", 1, move |transaction| Box::pin(ensure(&mut transaction.conn, account)))
            .await
    }

    async fn create_token(&self, token: &Token) -> Result<()> {
        let token = token.clone();
        self.write("create_token", 1, move |transaction| Box::pin(add_token(&mut transaction.conn, token)))
            .await
    }

    async fn find_token(&self, id: KeyId) -> Result<Option<Token>> {
        let args = Args::of(|args| args.add(&id.as_bytes()[..]));
        let rows: Vec<TokenRow> = self.read("find_token", TOKEN, args).await?;
        Ok(rows.into_iter().next().map(Token::from))
    }
}

async fn ensure(conn: &mut SqliteConnection, account: Account) -> sqlx::Result<Account> {
    let args = Args::of(|args| {
        args.add_id(account.id.as_uuid())?;
        args.add(account.name.as_str())?;
        args.add_time(account.created_at)
    })?;
    sqlx::query_with(ADD_ACCOUNT, args.into_inner()).execute(&mut *conn).await?;
    let args = Args::of(|args| args.add(account.name.as_str()))?;
    let row: Option<(AccountId, String, Micros)> = fetch_first(conn, ACCOUNT, args).await?;
    let (id, name, created_at) = row.ok_or(sqlx::Error::RowNotFound)?;
    Ok(Account { id, name, created_at: created_at.0 })
}

async fn add_token(conn: &mut SqliteConnection, token: Token) -> sqlx::Result<()> {
    let args = Args::of(|args| {
        args.add(&token.id.as_bytes()[..])?;
        args.add_id(token.account.as_uuid())?;
        args.add(token.name.as_str())?;
        args.add(&token.digest.as_bytes()[..])?;
        args.add_time(token.created_at)?;
        args.add_time_or_null(token.expires_at)?;
        args.add_time_or_null(token.revoked_at)
    })?;
    sqlx::query_with(ADD_TOKEN, args.into_inner()).execute(conn).await.map(drop)
}

#[derive(Deserialize)]
struct TokenRow {
    id: Hex<10>,
    account: AccountId,
    name: String,
    digest: Hex<32>,
    created_at: Micros,
    expires_at: Option<Micros>,
    revoked_at: Option<Micros>,
}

impl From<TokenRow> for Token {
    fn from(row: TokenRow) -> Self {
        Self {
            id: KeyId::from_bytes(row.id.0),
            account: row.account,
            name: row.name,
            digest: KeyDigest::from_bytes(row.digest.0),
            created_at: row.created_at.0,
            expires_at: row.expires_at.map(|at| at.0),
            revoked_at: row.revoked_at.map(|at| at.0),
        }
    }
}
