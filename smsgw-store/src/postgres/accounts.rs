use async_trait::async_trait;
use smsgw_core::account::{Account, Role, Token};
use smsgw_core::error::Result;
use smsgw_core::id::AccountId;
use smsgw_core::key::KeyId;
use smsgw_core::store::{AccountPatch, AccountStore, Cursor, Page};
use smsgw_core::time::Timestamp;
use sqlx::postgres::PgConnection;

use super::rows::{Columns, end_of, limit};
use super::{PostgresStore, tokens};

/// What [`read_account`] reads.
macro_rules! account_columns {
    () => {
        "a.id, a.name, a.role, a.created_at, a.closed_at"
    };
}
pub(super) use account_columns;

const ADD: &str = "INSERT INTO accounts (id, name, role, created_at, closed_at) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (name) DO NOTHING";

const BY_NAME: &str = concat!("SELECT ", account_columns!(), " FROM accounts AS a WHERE a.name = $1");

pub(super) const ONE: &str = concat!("SELECT ", account_columns!(), " FROM accounts AS a WHERE a.id = $1");

/// A page: $1 and $2 the place it ends before, $3 limit.
pub(super) const PAGE: &str = concat!(
    "SELECT ",
    account_columns!(),
    " FROM accounts AS a WHERE (a.created_at, a.id) < ($1, $2) ORDER BY a.created_at DESC, a.id DESC LIMIT $3"
);

/// Closed is closed, since the earliest time.
const CHANGE: &str = concat!(
    "UPDATE accounts AS a SET role = coalesce($2, a.role), closed_at = least(a.closed_at, $3) WHERE a.id = $1 \
     RETURNING ",
    account_columns!()
);

#[async_trait]
impl AccountStore for PostgresStore {
    async fn ensure_account(&self, account: &Account) -> Result<Account> {
        let account = account.clone();
        self.run("ensure_account", move |conn| Box::pin(ensure(conn, account.clone()))).await
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        self.run("account", move |conn| {
            Box::pin(async move {
                let row = sqlx::query(ONE).bind(*id.as_uuid()).fetch_optional(conn).await?;
                row.as_ref().map(|row| read_account(&mut Columns::of(row))).transpose()
            })
        })
        .await
    }

    async fn accounts(&self, after: Option<Cursor>, most: usize) -> Result<Page<Account>> {
        let (before, before_id) = end_of(after);
        let rows = self
            .run("accounts", move |conn| {
                Box::pin(async move {
                    let page = sqlx::query(PAGE).bind(before).bind(before_id);
                    let rows = page.bind(limit(most.saturating_add(1))).fetch_all(conn).await?;
                    rows.iter().map(|row| read_account(&mut Columns::of(row))).collect::<sqlx::Result<_>>()
                })
            })
            .await?;
        Ok(Page::from_rows(rows, most, |row: &Account| Cursor { at: row.created_at, id: *row.id.as_uuid() }))
    }

    async fn update_account(&self, id: AccountId, patch: AccountPatch) -> Result<Option<Account>> {
        self.run("update_account", move |conn| {
            Box::pin(async move {
                let row = sqlx::query(CHANGE)
                    .bind(*id.as_uuid())
                    .bind(patch.role.map(Role::as_str))
                    .bind(patch.closed_at.map(Timestamp::as_micros))
                    .fetch_optional(conn)
                    .await?;
                row.as_ref().map(|row| read_account(&mut Columns::of(row))).transpose()
            })
        })
        .await
    }

    async fn create_token(&self, token: &Token) -> Result<()> {
        let token = token.clone();
        self.run("create_token", move |conn| Box::pin(tokens::add(conn, token.clone()))).await
    }

    async fn find_token(&self, id: KeyId) -> Result<Option<(Token, Account)>> {
        self.run("find_token", move |conn| Box::pin(tokens::find(conn, id))).await
    }

    async fn tokens(&self, account: AccountId) -> Result<Vec<Token>> {
        self.run("tokens", move |conn| Box::pin(tokens::of_account(conn, account))).await
    }

    async fn revoke_token(&self, account: AccountId, id: KeyId, at: Timestamp) -> Result<bool> {
        self.run("revoke_token", move |conn| Box::pin(tokens::revoke(conn, account, id, at))).await
    }

    async fn touch_token(&self, id: KeyId, at: Timestamp) -> Result<()> {
        self.run("touch_token", move |conn| Box::pin(tokens::touch(conn, id, at))).await
    }
}

/// Looks first: there is one but for the first time, and what is there is not to be written.
async fn ensure(conn: &mut PgConnection, account: Account) -> sqlx::Result<Account> {
    if let Some(found) = find(conn, &account.name).await? {
        return Ok(found);
    }
    sqlx::query(ADD)
        .bind(*account.id.as_uuid())
        .bind(&account.name)
        .bind(account.role.as_str())
        .bind(account.created_at.as_micros())
        .bind(account.closed_at.map(Timestamp::as_micros))
        .execute(&mut *conn)
        .await?;
    find(conn, &account.name).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn find(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Account>> {
    let row = sqlx::query(BY_NAME).bind(name).fetch_optional(conn).await?;
    row.as_ref().map(|row| read_account(&mut Columns::of(row))).transpose()
}

/// Reads the columns of an account.
pub(super) fn read_account(columns: &mut Columns<'_>) -> sqlx::Result<Account> {
    Ok(Account {
        id: columns.id()?,
        name: columns.take()?,
        role: columns.word(Role::parse)?,
        created_at: columns.time()?,
        closed_at: columns.time_or_null()?,
    })
}
