use async_trait::async_trait;

use crate::account::{Account, Token};
use crate::error::Result;
use crate::forward::forward_to_inner;
use crate::key::KeyId;

/// Accounts and their tokens.
///
/// The rules of [`MessageStore`](crate::store::MessageStore) about errors and dropped futures hold here too.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Adds an account, unless one of that name exists; returns the one that exists then.
    ///
    /// # Errors
    /// Any backend error.
    async fn ensure_account(&self, account: &Account) -> Result<Account>;

    /// Adds a token of an existing account. Adding the same token again is harmless.
    ///
    /// # Errors
    /// Any backend error.
    async fn create_token(&self, token: &Token) -> Result<()>;

    /// One token by its public part.
    ///
    /// # Errors
    /// Any backend error.
    async fn find_token(&self, id: KeyId) -> Result<Option<Token>>;
}

forward_to_inner! {
    AccountStore: {
        async fn ensure_account(account: &Account) -> Result<Account>;
        async fn create_token(token: &Token) -> Result<()>;
        async fn find_token(id: KeyId) -> Result<Option<Token>>;
    }
}
