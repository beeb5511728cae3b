//! Which device a client is that logs in: what every broker that asks wants to know.

use std::fmt;
use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};
use smsgw_core::audit::{Act, AuditAction};
use smsgw_core::auth::{Authenticator, Failures, Refusal};
use smsgw_core::device::{Device, DeviceKey, Protocol};
use smsgw_core::error::Error;
use smsgw_core::id::DeviceId;
use smsgw_core::key::{Credential, KeyId};
use smsgw_core::time::Timestamp;
use smsgw_core::transport::TopicKey;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::account::SharedAccount;
use crate::rules::Account;
use crate::witness::Witness;

/// The longest client id that a device may choose, in bytes.
const MAX_CLIENT_ID: usize = 128;
/// Questions to the store at a time, so that a storm of connections leaves it room for messages.
const AT_ONCE: usize = 32;

/// What a client presents.
pub(crate) struct Login<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
    pub(crate) origin: Option<IpAddr>,
}

impl Login<'_> {
    /// The public part of the key that is presented, where it is one.
    pub(crate) fn key(&self) -> Option<KeyId> {
        [self.password, self.username]
            .into_iter()
            .find_map(|text| Credential::parse(text).ok())
            .map(|key| key.id())
    }
}

/// Why a client may not come in. For logs: the client hears less.
#[derive(Debug)]
pub(crate) enum Denial {
    NoPassword,
    WrongPassword,
    /// The user name is none that devices have.
    Stranger,
    Key(Refusal),
    OtherDevice,
    OtherProtocol,
    ClientId,
    ClientIdTaken,
    Remote,
    GatewayOnly,
    Will,
    /// There were too many failures before this.
    Paused,
    Store(Error),
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NoPassword => "no user name or no password",
            Self::WrongPassword | Self::Stranger => "unknown user name or wrong password",
            Self::Key(refusal) => return write!(f, "API key: {refusal}"),
            Self::OtherDevice => "the API key of another device",
            Self::OtherProtocol => "the API key of a device of the other protocol",
            Self::ClientId => "the client id is not one for this user name",
            Self::ClientIdTaken => "the client id belongs to the session of somebody else",
            Self::Remote => "the gateway's account, from another machine",
            Self::GatewayOnly => "an address that is the gateway's own",
            Self::Will => "a last will that it may not leave",
            Self::Paused => "too many failures",
            Self::Store(error) => return write!(f, "the store cannot be asked: {error}"),
        };
        f.write_str(text)
    }
}

/// Whom a client acts for, and the API key that it proved it with, where it did, with the end of that key.
pub(crate) struct Admitted {
    pub(crate) account: Account,
    pub(crate) api_key: Option<SecretString>,
    pub(crate) expires_at: Option<Timestamp>,
}

impl Admitted {
    pub(crate) fn without_key(account: Account) -> Self {
        Self { account, api_key: None, expires_at: None }
    }

    fn with_key(account: Account, api_key: &str, key: &DeviceKey) -> Self {
        Self { account, api_key: Some(api_key.into()), expires_at: key.ends_at() }
    }
}

/// Checks who comes in.
pub(crate) struct Door {
    authenticator: Authenticator,
    shared_account: Option<SharedAccount>,
    failures: Failures,
    witness: Witness,
    questions: Semaphore,
}

impl Door {
    pub(crate) fn new(
        authenticator: Authenticator,
        shared_account: Option<SharedAccount>,
        witness: Witness,
    ) -> Self {
        let (failures, questions) = (Failures::new(), Semaphore::new(AT_ONCE));
        Self { authenticator, shared_account, failures, witness, questions }
    }

    pub(crate) fn with_shared_account(self, shared_account: SharedAccount) -> Self {
        Self { shared_account: Some(shared_account), ..self }
    }

    pub(crate) fn with_witness(self, witness: Witness) -> Self {
        Self { witness, ..self }
    }

    pub(crate) fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Whether anything of it is checked now.
    pub(crate) fn ready(&self, login: &Login<'_>) -> Result<(), Denial> {
        match self.failures.pause(login.origin, login.key(), self.now()) {
            // Comparing costs nothing, and a stranger behind the same address must not shut out the devices that share it.
            Some(_) if self.shared(login) != Some(true) => Err(Denial::Paused),
            _ => Ok(()),
        }
    }

    /// Whether its password is that of the shared account; none where it has another user name.
    fn shared(&self, login: &Login<'_>) -> Option<bool> {
        let shared = self.shared_account.as_ref()?;
        let password_matches = same(login.password, shared.password.expose_secret());
        same(login.username, &shared.username).then_some(password_matches)
    }

    /// Which device, or devices, it is.
    pub(crate) async fn admit(&self, login: &Login<'_>) -> Result<Admitted, Denial> {
        let Login { client_id, username, password, .. } = *login;
        match self.shared(login) {
            Some(true) => return chosen_id(client_id).map(|()| Admitted::without_key(Account::Shared)),
            Some(false) => return Err(Denial::WrongPassword),
            None => {}
        }
        if same(username, password) && !is_stranger(username) {
            let (device, key) = self.device(password).await?;
            if device.protocol != Protocol::Original {
                return Err(Denial::OtherProtocol);
            }
            chosen_id(client_id)?;
            let account = Account::Original { device: Some(device.id), key: TopicKey::new(password) };
            return Ok(Admitted::with_key(account, password, &key));
        }
        let Ok(id) = username.parse::<DeviceId>() else {
            return Err(if is_stranger(username) { Denial::Stranger } else { Denial::WrongPassword });
        };
        if client_id != username {
            return Err(Denial::ClientId);
        }
        let (device, key) = self.device(password).await?;
        match device {
            Device { id: owner, .. } if owner != id => Err(Denial::OtherDevice),
            Device { protocol: Protocol::Native, .. } => {
                Ok(Admitted::with_key(Account::Native(id), password, &key))
            }
            _ => Err(Denial::OtherProtocol),
        }
    }

    /// Counts and notes that a client was not let in; `about` is what else it wanted. While nothing is checked, nothing is
    /// noted.
    pub(crate) fn refused(&self, login: &Login<'_>, denial: &Denial, about: Option<String>) {
        let (origin, key, now) = (login.origin, login.key(), self.now());
        if matches!(denial, Denial::Paused) || self.failures.pause(origin, key, now).is_some() {
            return;
        }
        // Clients of which nothing is known would all be one.
        let known = origin.is_some() || key.is_some();
        let why = if known && self.failures.count(origin, key, now) {
            format!("{denial}; too many failures: nothing more is checked for a minute")
        } else {
            denial.to_string()
        };
        self.witness.note(Act {
            credential: key,
            device: login.username.parse().ok(),
            target: about.or_else(|| Some(shown(login.client_id))),
            origin,
            ..Act::refused(AuditAction::Connect, why)
        });
    }

    /// Whether `api_key` still opens the door for `device`. Not where the store cannot be asked.
    pub(crate) async fn still_admits(&self, device: DeviceId, api_key: &SecretString) -> bool {
        self.device(api_key.expose_secret()).await.is_ok_and(|(found, _)| found.id == device)
    }

    /// Whether `username` is that of the shared account.
    pub(crate) fn is_shared(&self, username: &str) -> bool {
        self.shared_account.as_ref().is_some_and(|shared| shared.username == username)
    }

    /// The time by which keys expire.
    pub(crate) fn now(&self) -> Timestamp {
        self.authenticator.now()
    }

    async fn device(&self, api_key: &str) -> Result<(Device, DeviceKey), Denial> {
        // Never closed, so never an error.
        let _turn = self.questions.acquire().await.ok();
        match self.authenticator.device(api_key).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(refusal)) => Err(Denial::Key(refusal)),
            Err(error) => Err(Denial::Store(error)),
        }
    }
}

/// Whether no device has this user name: it is neither an id nor anything like a key.
pub(crate) fn is_stranger(username: &str) -> bool {
    username.parse::<DeviceId>().is_err() && !username.starts_with(KEY_PREFIX)
}

/// What every key begins with.
const KEY_PREFIX: &str = "sgw_";

/// Checks the client id of those who may choose one.
fn chosen_id(client_id: &str) -> Result<(), Denial> {
    if client_id.len() <= MAX_CLIENT_ID { Ok(()) } else { Err(Denial::ClientId) }
}

pub(crate) fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// A client id as it may be noted: cut, and not at all where it may hold a key.
fn shown(client_id: &str) -> String {
    const LONGEST: usize = 64;
    if client_id.contains(KEY_PREFIX) {
        return "…".into();
    }
    client_id.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_shows_of_a_client_id_what_it_may() {
        assert_eq!(shown("phone-1"), "phone-1");
        assert_eq!(shown("a sgw_dev_x_y"), "…");
        assert_eq!(shown(&"x".repeat(500)).len(), 64);
    }

    #[test]
    fn strangers_have_user_names_of_another_kind() {
        for (username, is_other) in [
            ("gateway", true),
            ("", true),
            ("admin", true),
            ("sgw_dev_x", false),
            ("01990000-0000-7000-8000-000000000001", false),
        ] {
            assert_eq!(is_stranger(username), is_other, "{username}");
        }
    }
}
