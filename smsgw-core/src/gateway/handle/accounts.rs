use std::time::Duration;

use super::Handle;
use super::keys::{MAX_GRACE, generate};
use crate::account::{Account, Role, Scopes, Token};
use crate::error::{Error, ErrorKind, Result};
use crate::id::AccountId;
use crate::key::{Credential, CredentialKind, KeyId};
use crate::store::{AccountPatch, Cursor, Page};
use crate::time::Timestamp;

/// Devices of an account that is closed, a page.
const PAGE: usize = 256;

/// What a new token is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What its owner calls it.
    pub name: String,
    /// What it opens. What the account may not be allowed it does not open all the same.
    pub scopes: Scopes,
    /// From when on it is refused; never where there is none.
    pub expires_at: Option<Timestamp>,
}

impl NewToken {
    /// A token for everything that is of its account alone, for ever; set the other fields as wanted.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), scopes: Scopes::USER, expires_at: None }
    }
}

impl Handle {
    /// The account of that name, made as an ordinary one where there is none.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn ensure_account(&self, name: &str) -> Result<Account> {
        let now = self.0.clock.now();
        self.0.store.ensure_account(&Account::new(self.0.ids.next(now), name, now)).await
    }

    /// Makes an account; `None` where one of that name exists.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn create_account(&self, name: &str, role: Role) -> Result<Option<Account>> {
        let now = self.0.clock.now();
        let account = Account { role, ..Account::new(self.0.ids.next(now), name, now) };
        let stored = self.0.store.ensure_account(&account).await?;
        Ok((stored.id == account.id).then_some(stored))
    }

    /// One account.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        self.0.store.account(id).await
    }

    /// All accounts, newest first.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn accounts(&self, after: Option<Cursor>, limit: usize) -> Result<Page<Account>> {
        self.0.store.accounts(after, limit).await
    }

    /// Changes what an account may be allowed; `None` where there is no such account.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn set_role(&self, id: AccountId, role: Role) -> Result<Option<Account>> {
        self.0.store.update_account(id, AccountPatch { role: Some(role), closed_at: None }).await
    }

    /// Closes an account for good: its tokens open nothing from now on, and the keys of its devices are revoked. What it
    /// has stays. `None` where there is no such account.
    ///
    /// # Errors
    /// Any error of the store, the provisioner or the transport; calling again finishes it.
    pub async fn close_account(&self, id: AccountId) -> Result<Option<Account>> {
        let patch = AccountPatch { role: None, closed_at: Some(self.0.clock.now()) };
        let Some(account) = self.0.store.update_account(id, patch).await? else { return Ok(None) };
        let (mut after, mut outcome) = (None, Ok(()));
        loop {
            let page = self.0.store.devices(id, after, PAGE).await?;
            for device in &page.items {
                for key in self.0.store.keys(device.id).await? {
                    if key.is_valid(self.0.clock.now()) {
                        // A broker that cannot be told now is told later: the others are not to wait for it.
                        let revoked = self.revoke_key(id, device.id, key.id).await.map(drop);
                        outcome = outcome.and(revoked);
                    }
                }
            }
            after = page.next;
            if after.is_none() {
                return outcome.map(|()| Some(account));
            }
        }
    }

    /// Makes a token for an account, shown here and never again.
    ///
    /// # Errors
    /// Any error of the store; `Internal` where the operating system has no random numbers.
    pub async fn create_token(&self, account: AccountId, new: NewToken) -> Result<(Credential, Token)> {
        let credential = generate(CredentialKind::Token)?;
        let token = self.adopt_token(account, new, &credential).await?;
        Ok((credential, token))
    }

    /// Makes a token for an account of a credential that the operator has made elsewhere, as for containers. Doing it again
    /// is harmless.
    ///
    /// # Errors
    /// `Invalid` where it is the credential of a device; any error of the store.
    pub async fn adopt_token(
        &self,
        account: AccountId,
        new: NewToken,
        credential: &Credential,
    ) -> Result<Token> {
        if credential.kind() != CredentialKind::Token {
            return Err(Error::new(ErrorKind::Invalid, "gateway", "adopt a token")
                .with_detail("expected a token, which begins with sgw_tok_"));
        }
        let token = Token {
            id: credential.id(),
            account,
            name: new.name,
            scopes: new.scopes,
            digest: credential.digest(),
            created_at: self.0.clock.now(),
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        self.0.store.create_token(&token).await?;
        Ok(token)
    }

    /// The tokens of an account, newest first.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn tokens(&self, account: AccountId) -> Result<Vec<Token>> {
        self.0.store.tokens(account).await
    }

    /// One token by its public part, of whatever account, with the account it acts for.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn token(&self, id: KeyId) -> Result<Option<(Token, Account)>> {
        self.0.store.find_token(id).await
    }

    /// Ends a token of an account; `false` where there is no such token.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn revoke_token(&self, account: AccountId, id: KeyId) -> Result<bool> {
        self.0.store.revoke_token(account, id, self.0.clock.now()).await
    }

    /// Makes another token like this one, which ends after `grace`, 30 days at most. `None` where there is no such token,
    /// or it has ended or was replaced before.
    ///
    /// # Errors
    /// Any error of the store; `Internal` where the operating system has no random numbers.
    pub async fn rotate_token(
        &self,
        account: AccountId,
        id: KeyId,
        grace: Duration,
    ) -> Result<Option<(Credential, Token)>> {
        let now = self.0.clock.now();
        let found = self.0.store.find_token(id).await?.map(|(token, _)| token);
        // One that was replaced is not replaced again: whoever has it only has it for a while.
        let lives =
            |token: &Token| token.revoked_at.is_none() && token.expires_at.is_none_or(|end| now < end);
        let Some(old) = found.filter(|old| old.account == account && lives(old)) else { return Ok(None) };
        let new = NewToken { name: old.name, scopes: old.scopes, expires_at: old.expires_at };
        let made = self.create_token(account, new).await?;
        self.0.store.revoke_token(account, id, now + grace.min(MAX_GRACE)).await?;
        Ok(Some(made))
    }
}
