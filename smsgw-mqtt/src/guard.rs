//! Devices and their keys for brokers that ask over HTTP, so that these keep each device to its own topics as the embedded
//! broker does.
//!
//! | who | user name | password | client id |
//! |---|---|---|---|
//! | a native device | its id | its API key | its id |
//! | an original device | its API key | its API key | up to 128 bytes, no device's id |
//! | the shared account | [`SharedAccount`] | | up to 128 bytes, no device's id |
//!
//! Each may use the topics that the [embedded broker](https://docs.rs/smsgw-mqtt/latest/smsgw_mqtt/broker/) gives it, and no
//! others. Whoever has another user name is [`Verdict::Unknown`]: the broker must have an account of its own for the
//! gateway, and refuse whom nobody knows.
//!
//! What such a broker cannot be told here: it does not say whether a word is to be retained, nor what a last will is
//! before it is published. Devices of the original protocol choose their client ids, and a broker that lets two users have
//! one session lets one of them read what waits for the other: have it end sessions with their connections, or take user
//! names for client ids.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use smsgw_core::audit::{Act, AuditAction, AuditLog};
use smsgw_core::auth::Authenticator;
use smsgw_core::error::Result;
use smsgw_core::guard::{BrokerClient, BrokerGuard, TopicAccess, Verdict};
use smsgw_core::id::DeviceId;
use smsgw_core::key::{Credential, CredentialKind, KeyId};
use smsgw_core::time::Timestamp;
use smsgw_core::transport::TopicKey;

pub use crate::account::SharedAccount;
use crate::login::{Denial, Door, Login, is_stranger};
use crate::rules::{self, Account, Publishing};
use crate::witness::{Refusals, Witness};

/// After this the refusals of a client are noted one by one again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// Clients whose refusals are counted.
const REMEMBERED: usize = 16_384;

type Who = (Option<DeviceId>, Option<KeyId>);

/// Answers the questions of a broker.
pub struct DeviceGuard {
    door: Door,
    /// Client ids that no device may have.
    reserved: Vec<String>,
    /// What was refused to whom, and until when that is remembered.
    refusals: Mutex<HashMap<Who, (Timestamp, Refusals)>>,
}

impl DeviceGuard {
    /// Lets in whom `authenticator` knows.
    pub fn new(authenticator: Authenticator) -> Self {
        let door = Door::new(authenticator, None, Witness::default());
        Self { door, reserved: Vec::new(), refusals: Mutex::default() }
    }

    /// Lets devices of the original protocol share this account, too.
    #[must_use]
    pub fn with_shared_account(self, account: SharedAccount) -> Self {
        Self { door: self.door.with_shared_account(account), ..self }
    }

    /// Notes in `audit` what was refused. Default: it is an event of `tracing` only, to the target `smsgw::audit`.
    #[must_use]
    pub fn with_audit(self, audit: AuditLog) -> Self {
        Self { door: self.door.with_witness(Witness::new(audit)), ..self }
    }

    /// Refuses these client ids to devices: those of the gateways, which would be cut off otherwise.
    #[must_use]
    pub fn with_reserved(mut self, client_ids: impl IntoIterator<Item = String>) -> Self {
        self.reserved.extend(client_ids);
        self
    }

    /// Whom a client acts for that has come in with this user name.
    fn account(&self, username: &str) -> Option<Account> {
        if self.door.is_shared(username) {
            return Some(Account::Shared);
        }
        if let Ok(device) = username.parse() {
            return Some(Account::Native(device));
        }
        let key = Credential::parse(username).ok()?;
        let is_device = key.kind() == CredentialKind::Device;
        is_device.then(|| Account::Original { device: None, key: TopicKey::new(username) })
    }

    fn refuse(&self, access: &TopicAccess, account: Option<&Account>) {
        let action = if access.publishes { AuditAction::Publish } else { AuditAction::Subscribe };
        let who =
            (account.and_then(Account::device), Credential::parse(&access.username).ok().map(|key| key.id()));
        let act = Act {
            device: who.0,
            credential: who.1,
            target: Some(rules::redacted(&access.topic)),
            origin: access.origin,
            ..Act::refused(action, "no topic of its own")
        };
        self.due(who, act).into_iter().for_each(|act| self.door.witness().note(act));
    }

    /// What is to be noted of this refusal and those before it.
    fn due(&self, who: Who, act: Act) -> Vec<Act> {
        let now = self.door.now();
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.len() >= REMEMBERED && !refusals.contains_key(&who) {
            refusals.retain(|_, (until, _)| now < *until);
            if refusals.len() >= REMEMBERED {
                return vec![act];
            }
        }
        let fresh = || (now + FORGOTTEN_AFTER, Refusals::default());
        let entry = refusals.entry(who).or_insert_with(fresh);
        if now < entry.0 {
            return entry.1.add(act).into_iter().collect();
        }
        let (_, mut before) = std::mem::replace(entry, fresh());
        before.rest().chain(entry.1.add(act)).collect()
    }
}

#[async_trait]
impl BrokerGuard for DeviceGuard {
    async fn connect(&self, client: &BrokerClient) -> Result<Verdict> {
        let login = Login {
            client_id: &client.client_id,
            username: &client.username,
            password: client.password.expose_secret(),
            origin: client.origin,
        };
        let denial = match self.admit(&login).await {
            Ok(expires_at) => return Ok(Verdict::Allow(expires_at)),
            Err(Denial::Stranger) => return Ok(Verdict::Unknown),
            Err(Denial::Store(error)) => return Err(error),
            Err(denial) => denial,
        };
        self.door.refused(&login, &denial, None);
        Ok(Verdict::Deny)
    }

    fn access(&self, access: &TopicAccess) -> Verdict {
        let account = self.account(&access.username);
        if account.is_none() && is_stranger(&access.username) {
            return Verdict::Unknown;
        }
        let allowed = account.as_ref().is_some_and(|account| {
            let is_itself = !matches!(account, Account::Native(_)) || access.client_id == access.username;
            is_itself
                && if access.publishes {
                    rules::publishing(account, &access.topic) != Publishing::Refused
                } else {
                    rules::may_subscribe(account, &access.topic)
                }
        });
        if allowed {
            return Verdict::Allow(None);
        }
        self.refuse(access, account.as_ref());
        Verdict::Deny
    }
}

impl DeviceGuard {
    async fn admit(&self, login: &Login<'_>) -> std::result::Result<Option<Timestamp>, Denial> {
        let is_ours = self.door.is_shared(login.username) || !is_stranger(login.username);
        if !is_ours {
            return Err(Denial::Stranger);
        }
        self.door.ready(login)?;
        if login.password.is_empty() {
            return Err(Denial::NoPassword);
        }
        if self.reserved.iter().any(|reserved| reserved == login.client_id) {
            return Err(Denial::ClientId);
        }
        let admitted = self.door.admit(login).await?;
        // The ids of devices are theirs, also where nobody has them now.
        if admitted.account.is_original() && login.client_id.parse::<DeviceId>().is_ok() {
            return Err(Denial::ClientId);
        }
        Ok(admitted.expires_at)
    }
}

impl fmt::Debug for DeviceGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceGuard").field("reserved", &self.reserved).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
