use std::collections::HashMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::account::{Account, Token};
use crate::error::Result;
use crate::key::KeyId;
use crate::store::AccountStore;

/// The accounts and their tokens.
#[derive(Default)]
pub(super) struct Accounts {
    by_name: HashMap<String, Account>,
    tokens: HashMap<KeyId, Token>,
}

#[async_trait]
impl AccountStore for MemoryStore {
    async fn ensure_account(&self, account: &Account) -> Result<Account> {
        let mut accounts = self.lock(&self.shared.accounts, "ensure_account")?;
        let stored = accounts.by_name.entry(account.name.clone()).or_insert_with(|| account.clone());
        Ok(stored.clone())
    }

    async fn create_token(&self, token: &Token) -> Result<()> {
        let mut accounts = self.lock(&self.shared.accounts, "create_token")?;
        accounts.tokens.entry(token.id).or_insert_with(|| token.clone());
        Ok(())
    }

    async fn find_token(&self, id: KeyId) -> Result<Option<Token>> {
        let accounts = self.lock(&self.shared.accounts, "find_token")?;
        Ok(accounts.tokens.get(&id).cloned())
    }
}
