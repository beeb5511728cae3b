use async_trait::async_trait;

use crate::account::{Account, Role, Token};
use crate::error::Result;
use crate::forward::forward_to_inner;
use crate::id::AccountId;
use crate::key::KeyId;
use crate::store::{Cursor, Page};
use crate::time::Timestamp;

/// Accounts and their tokens.
///
/// The rules of [`MessageStore`](crate::store::MessageStore) about errors and dropped futures hold here too.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use smsgw_core::account::Account;
/// use smsgw_core::id::IdSource;
/// use smsgw_core::memory::MemoryStore;
/// use smsgw_core::store::AccountStore;
/// use smsgw_core::time::{Clock, SystemClock};
///
/// let (store, ids, now) = (MemoryStore::new(), IdSource::new(), SystemClock.now());
/// let first = store.ensure_account(&Account::new(ids.next(now), "me", now)).await?;
/// // The name is taken: what exists is returned, whatever id was asked for.
/// let again = store.ensure_account(&Account::new(ids.next(now), "me", now)).await?;
/// assert_eq!(again.id, first.id);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Adds an account, unless one of that name exists; returns the one that exists then, as it is.
    ///
    /// # Errors
    /// Any backend error.
    async fn ensure_account(&self, account: &Account) -> Result<Account>;

    /// One account by its id.
    ///
    /// # Errors
    /// Any backend error.
    async fn account(&self, id: AccountId) -> Result<Option<Account>>;

    /// All accounts, newest first: those after `after`, at most `limit`.
    ///
    /// # Errors
    /// Any backend error.
    async fn accounts(&self, after: Option<Cursor>, limit: usize) -> Result<Page<Account>>;

    /// Changes an account and returns it; `None` where there is no such account. One that is closed stays closed, since
    /// the earliest time.
    ///
    /// # Errors
    /// Any backend error.
    async fn update_account(&self, id: AccountId, patch: AccountPatch) -> Result<Option<Account>>;

    /// Adds a token of an existing account. Adding the same token again is harmless.
    ///
    /// # Errors
    /// Any backend error.
    async fn create_token(&self, token: &Token) -> Result<()>;

    /// One token by its public part, with the account it acts for.
    ///
    /// # Errors
    /// Any backend error.
    async fn find_token(&self, id: KeyId) -> Result<Option<(Token, Account)>>;

    /// The tokens of an account, newest first.
    ///
    /// # Errors
    /// Any backend error.
    async fn tokens(&self, account: AccountId) -> Result<Vec<Token>>;

    /// Ends a token of an account at `at`, or earlier where it has ended before; `false` where there is no such token.
    ///
    /// # Errors
    /// Any backend error.
    async fn revoke_token(&self, account: AccountId, id: KeyId, at: Timestamp) -> Result<bool>;

    /// Notes that a token was used. An earlier time than the stored one changes nothing.
    ///
    /// # Errors
    /// Any backend error.
    async fn touch_token(&self, id: KeyId, at: Timestamp) -> Result<()>;
}

forward_to_inner! {
    AccountStore: {
        async fn ensure_account(account: &Account) -> Result<Account>;
        async fn account(id: AccountId) -> Result<Option<Account>>;
        async fn accounts(after: Option<Cursor>, limit: usize) -> Result<Page<Account>>;
        async fn update_account(id: AccountId, patch: AccountPatch) -> Result<Option<Account>>;
        async fn create_token(token: &Token) -> Result<()>;
        async fn find_token(id: KeyId) -> Result<Option<(Token, Account)>>;
        async fn tokens(account: AccountId) -> Result<Vec<Token>>;
        async fn revoke_token(account: AccountId, id: KeyId, at: Timestamp) -> Result<bool>;
        async fn touch_token(id: KeyId, at: Timestamp) -> Result<()>;
    }
}

/// What to change of an account; what is `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountPatch {
    /// What it may be allowed.
    pub role: Option<Role>,
    /// Since when it is closed.
    pub closed_at: Option<Timestamp>,
}

impl AccountPatch {
    /// Writes the changes into `account`.
    pub fn apply(self, account: &mut Account) {
        account.role = self.role.unwrap_or(account.role);
        account.closed_at = [account.closed_at, self.closed_at].into_iter().flatten().min();
    }
}
