//! Checks credentials that somebody presented: tokens of API users, API keys of devices.

use std::fmt;
use std::sync::Arc;

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
}

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
        let record = self.store.find_token(credential.id()).await?;
        let checked =
            self.check(&credential, record.as_ref().map(|r| (&r.digest, r.expires_at, r.revoked_at)));
        Ok(checked.and_then(|()| {
            let record = record.ok_or(Refusal::Unknown)?;
            Ok(Principal { account: record.account, token: record.id })
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
