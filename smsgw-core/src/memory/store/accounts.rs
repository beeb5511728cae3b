use std::cmp::Reverse;
use std::collections::HashMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::account::{Account, Token};
use crate::error::Result;
use crate::id::AccountId;
use crate::key::KeyId;
use crate::store::{AccountPatch, AccountStore, Cursor, Page};
use crate::time::Timestamp;

/// The accounts and their tokens.
#[derive(Default)]
pub(super) struct Accounts {
    rows: HashMap<AccountId, Account>,
    by_name: HashMap<String, AccountId>,
    tokens: HashMap<KeyId, Token>,
}

#[async_trait]
impl AccountStore for MemoryStore {
    async fn ensure_account(&self, account: &Account) -> Result<Account> {
        let mut accounts = self.lock(&self.shared.accounts, "ensure_account")?;
        let id = *accounts.by_name.entry(account.name.clone()).or_insert(account.id);
        Ok(accounts.rows.entry(id).or_insert_with(|| account.clone()).clone())
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        let accounts = self.lock(&self.shared.accounts, "account")?;
        Ok(accounts.rows.get(&id).cloned())
    }

    async fn accounts(&self, after: Option<Cursor>, limit: usize) -> Result<Page<Account>> {
        let accounts = self.lock(&self.shared.accounts, "accounts")?;
        let follows = |account: &&Account| after.is_none_or(|after| place(account) < after);
        let mut rows: Vec<Account> = accounts.rows.values().filter(follows).cloned().collect();
        rows.sort_unstable_by_key(|account| Reverse(place(account)));
        Ok(Page::from_rows(rows, limit, place))
    }

    async fn update_account(&self, id: AccountId, patch: AccountPatch) -> Result<Option<Account>> {
        let mut accounts = self.lock(&self.shared.accounts, "update_account")?;
        let Some(account) = accounts.rows.get_mut(&id) else { return Ok(None) };
        patch.apply(account);
        Ok(Some(account.clone()))
    }

    async fn create_token(&self, token: &Token) -> Result<()> {
        let mut accounts = self.lock(&self.shared.accounts, "create_token")?;
        accounts.tokens.entry(token.id).or_insert_with(|| token.clone());
        Ok(())
    }

    async fn find_token(&self, id: KeyId) -> Result<Option<(Token, Account)>> {
        let accounts = self.lock(&self.shared.accounts, "find_token")?;
        let Some(token) = accounts.tokens.get(&id) else { return Ok(None) };
        Ok(accounts.rows.get(&token.account).map(|account| (token.clone(), account.clone())))
    }

    async fn tokens(&self, account: AccountId) -> Result<Vec<Token>> {
        let accounts = self.lock(&self.shared.accounts, "tokens")?;
        let mut tokens: Vec<Token> =
            accounts.tokens.values().filter(|token| token.account == account).cloned().collect();
        tokens.sort_unstable_by_key(|token| Reverse((token.created_at, token.id)));
        Ok(tokens)
    }

    async fn revoke_token(&self, account: AccountId, id: KeyId, at: Timestamp) -> Result<bool> {
        let mut accounts = self.lock(&self.shared.accounts, "revoke_token")?;
        let Some(token) = accounts.tokens.get_mut(&id).filter(|token| token.account == account) else {
            return Ok(false);
        };
        token.revoked_at = Some(token.revoked_at.map_or(at, |earlier| earlier.min(at)));
        Ok(true)
    }

    async fn touch_token(&self, id: KeyId, at: Timestamp) -> Result<()> {
        let mut accounts = self.lock(&self.shared.accounts, "touch_token")?;
        if let Some(token) = accounts.tokens.get_mut(&id) {
            token.last_used_at = token.last_used_at.max(Some(at));
        }
        Ok(())
    }
}

fn place(account: &Account) -> Cursor {
    Cursor { at: account.created_at, id: *account.id.as_uuid() }
}
