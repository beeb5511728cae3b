//! Checks credentials that somebody presented: tokens of API users, API keys of devices.

mod failures;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use failures::Failures;

use crate::account::{Role, Scope, Scopes};
use crate::device::{Device, DeviceKey};
use crate::error::Result;
use crate::id::AccountId;
use crate::key::{Credential, CredentialError, CredentialKind, KeyDigest, KeyId};
use crate::store::Store;
use crate::time::{Clock, Timestamp};

/// Why a credential opens nothing. For logs and metrics; whoever presented it hears only that it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no credential of this gateway.
    #[error("malformed")]
    Malformed,
    /// It was mistyped or cut.
    #[error("checksum does not match")]
    Checksum,
    /// There is no such credential, or it has another secret.
    #[error("unknown")]
    Unknown,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// It was revoked.
    #[error("revoked")]
    Revoked,
    /// The account that it acts for was closed.
    #[error("account closed")]
    Closed,
}

impl From<CredentialError> for Refusal {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Format => Self::Malformed,
            CredentialError::Checksum => Self::Checksum,
        }
    }
}

/// Who a token acts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// The account.
    pub account: AccountId,
    /// The token, by its public part.
    pub token: KeyId,
    /// What it opens: no more than its account may be allowed.
    pub scopes: Scopes,
    /// What the account may be allowed.
    pub role: Role,
    /// From when on the token is refused, as far as is known now.
    pub ends_at: Option<Timestamp>,
}

impl Principal {
    /// Whether it opens what needs `scope`.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }
}

/// How exactly it is kept when a token was last used: its record is written no more often.
const USE_NOTED: Duration = Duration::from_secs(60);

/// Checks credentials against a store. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// Checks against `store`, at the time of `clock`.
    pub fn new(store: impl Store, clock: impl Clock) -> Self {
        Self { store: Arc::new(store), clock: Arc::new(clock) }
    }

    pub(crate) fn from_parts(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Checks the token of an API user.
    ///
    /// # Errors
    /// Where the store cannot be asked: the token is then neither good nor bad.
    pub async fn token(&self, presented: &str) -> Result<Result<Principal, Refusal>> {
        let credential = match parse(presented, CredentialKind::Token) {
            Ok(credential) => credential,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let found = self.store.find_token(credential.id()).await?;
        let record = found.as_ref().map(|(token, _)| (&token.digest, token.expires_at, token.revoked_at));
        let (token, account) = match self.check(&credential, record).and(found.ok_or(Refusal::Unknown)) {
            Ok((_, account)) if account.closed_at.is_some() => return Ok(Err(Refusal::Closed)),
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let now = self.clock.now();
        if token.last_used_at.is_none_or(|last| last + USE_NOTED <= now)
            && let Err(error) = self.store.touch_token(token.id, now).await
        {
            // A store that can be read and not written is no reason to let nobody in.
            tracing::debug!(%error, "could not note that a token was used");
        }
        Ok(Ok(Principal {
            account: account.id,
            token: token.id,
            scopes: token.scopes.and(account.role.scopes()),
            role: account.role,
            ends_at: token.ends_at(),
        }))
    }

    /// Checks the API key of a device, and says which device it is and what is known of the key.
    ///
    /// # Errors
    /// Where the store cannot be asked: the key is then neither good nor bad.
    pub async fn device(&self, presented: &str) -> Result<Result<(Device, DeviceKey), Refusal>> {
        let credential = match parse(presented, CredentialKind::Device) {
            Ok(credential) => credential,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let record = self.store.find_keys(&[credential.id()]).await?.pop().flatten();
        let checked =
            self.check(&credential, record.as_ref().map(|r| (&r.digest, r.expires_at, r.revoked_at)));
        let record = match checked.and(record.ok_or(Refusal::Unknown)) {
            Ok(record) => record,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let device = self.store.find_devices(&[record.device]).await?.pop().flatten();
        let Some(device) = device else { return Ok(Err(Refusal::Unknown)) };
        if self.store.account(device.account).await?.is_some_and(|account| account.closed_at.is_some()) {
            return Ok(Err(Refusal::Closed));
        }
        self.store.touch_key(record.id, self.clock.now()).await?;
        Ok(Ok((device, record)))
    }

    /// The time by which it checks.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Compares also where there is no record, so that an unknown id takes as long as a wrong secret. The secret is
    /// checked before the dates: only who knows it learns that it has expired.
    fn check(
        &self,
        credential: &Credential,
        record: Option<(&KeyDigest, Option<Timestamp>, Option<Timestamp>)>,
    ) -> Result<(), Refusal> {
        let nobody = KeyDigest::from_bytes([0; 32]);
        let (digest, expires_at, revoked_at) = record.unwrap_or((&nobody, None, None));
        if !digest.matches(credential) {
            return Err(Refusal::Unknown);
        }
        let now = self.clock.now();
        if revoked_at.is_some_and(|end| now >= end) {
            return Err(Refusal::Revoked);
        }
        if expires_at.is_some_and(|end| now >= end) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }
}

fn parse(presented: &str, kind: CredentialKind) -> Result<Credential, Refusal> {
    let credential = Credential::parse(presented)?;
    if credential.kind() == kind { Ok(credential) } else { Err(Refusal::Unknown) }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("store", &self.store).finish_non_exhaustive()
    }
}
