use async_trait::async_trait;
use serde::Deserialize;
use smsgw_core::account::{Account, Role, Token};
use smsgw_core::error::Result;
use smsgw_core::id::AccountId;
use smsgw_core::key::KeyId;
use smsgw_core::store::{AccountPatch, AccountStore, Cursor, Page};
use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::rows::Micros;
use super::sql::{Args, fetch_first};
use super::{SqliteStore, tokens};

/// An [`AccountRow`].
macro_rules! account_json {
    () => {
        "json_array(hex(a.id), a.name, a.role, a.created_at, a.closed_at)"
    };
}
pub(super) use account_json;

const ADD: &str = "INSERT INTO accounts (id, name, role, created_at, closed_at) VALUES (?, ?, ?, ?, ?) \
     ON CONFLICT (name) DO NOTHING";

const BY_NAME: &str = concat!("SELECT ", account_json!(), " FROM accounts AS a WHERE name = ?");

const ONE: &str = concat!("SELECT ", account_json!(), " FROM accounts AS a WHERE id = ?");

pub(super) const PAGE: &str = concat!(
    "SELECT ",
    account_json!(),
    " FROM accounts AS a WHERE (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?"
);

const UPDATE: &str = "UPDATE accounts SET role = ?2, closed_at = ?3 WHERE id = ?1";

#[async_trait]
impl AccountStore for SqliteStore {
    async fn ensure_account(&self, account: &Account) -> Result<Account> {
        let account = account.clone();
        self.write("ensure_account", 1, move |transaction| Box::pin(ensure(&mut transaction.conn, account)))
            .await
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        let args = Args::of(|args| args.add_id(id.as_uuid()));
        let rows: Vec<AccountRow> = self.read("account", ONE, args).await?;
        Ok(rows.into_iter().next().map(Account::from))
    }

    async fn accounts(&self, after: Option<Cursor>, limit: usize) -> Result<Page<Account>> {
        let args = |limit| {
            Args::of(|args| {
                args.add_place_before(after)?;
                args.add_limit(limit)
            })
        };
        let rows: Vec<AccountRow> = self.read_page("accounts", PAGE, limit, args).await?;
        let rows = rows.into_iter().map(Account::from).collect();
        Ok(Page::from_rows(rows, limit, |row| Cursor { at: row.created_at, id: *row.id.as_uuid() }))
    }

    async fn update_account(&self, id: AccountId, patch: AccountPatch) -> Result<Option<Account>> {
        self.write("update_account", 1, move |transaction| Box::pin(update(&mut transaction.conn, id, patch)))
            .await
    }

    async fn create_token(&self, token: &Token) -> Result<()> {
        let token = token.clone();
        self.write("create_token", 1, move |transaction| Box::pin(tokens::add(&mut transaction.conn, token)))
            .await
    }

    async fn find_token(&self, id: KeyId) -> Result<Option<(Token, Account)>> {
        let args = Args::of(|args| args.add(&id.as_bytes()[..]));
        let rows: Vec<(tokens::TokenRow, AccountRow)> = self.read("find_token", tokens::ONE, args).await?;
        Ok(rows.into_iter().next().map(|(token, account)| (token.into(), account.into())))
    }

    async fn tokens(&self, account: AccountId) -> Result<Vec<Token>> {
        let args = Args::of(|args| args.add_id(account.as_uuid()));
        let rows: Vec<tokens::TokenRow> = self.read("tokens", tokens::OF_ACCOUNT, args).await?;
        Ok(rows.into_iter().map(Token::from).collect())
    }

    async fn revoke_token(&self, account: AccountId, id: KeyId, at: Timestamp) -> Result<bool> {
        self.write("revoke_token", 1, move |transaction| {
            Box::pin(tokens::revoke(&mut transaction.conn, account, id, at))
        })
        .await
    }

    async fn touch_token(&self, id: KeyId, at: Timestamp) -> Result<()> {
        self.write("touch_token", 1, move |transaction| {
            Box::pin(tokens::touch(&mut transaction.conn, id, at))
        })
        .await
    }
}

async fn ensure(conn: &mut SqliteConnection, account: Account) -> sqlx::Result<Account> {
    let args = Args::of(|args| {
        args.add_id(account.id.as_uuid())?;
        args.add(account.name.as_str())?;
        args.add(account.role.as_str())?;
        args.add_time(account.created_at)?;
        args.add_time_or_null(account.closed_at)
    })?;
    sqlx::query_with(ADD, args.into_inner()).execute(&mut *conn).await?;
    let args = Args::of(|args| args.add(account.name.as_str()))?;
    let row: Option<AccountRow> = fetch_first(conn, BY_NAME, args).await?;
    row.map(Account::from).ok_or(sqlx::Error::RowNotFound)
}

async fn update(
    conn: &mut SqliteConnection,
    id: AccountId,
    patch: AccountPatch,
) -> sqlx::Result<Option<Account>> {
    let args = Args::of(|args| args.add_id(id.as_uuid()))?;
    let row: Option<AccountRow> = fetch_first(conn, ONE, args).await?;
    let Some(mut account) = row.map(Account::from) else { return Ok(None) };
    patch.apply(&mut account);
    let args = Args::of(|args| {
        args.add_id(id.as_uuid())?;
        args.add(account.role.as_str())?;
        args.add_time_or_null(account.closed_at)
    })?;
    sqlx::query_with(UPDATE, args.into_inner()).execute(conn).await?;
    Ok(Some(account))
}

#[derive(Deserialize)]
struct AccountRow {
    id: AccountId,
    name: String,
    role: Role,
    created_at: Micros,
    closed_at: Option<Micros>,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            role: row.role,
            created_at: row.created_at.0,
            closed_at: row.closed_at.map(|at| at.0),
        }
    }
}
