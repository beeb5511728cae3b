//! Who comes in, and as what.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use smsgw_core::auth::{Authenticator, Refusal};
use smsgw_core::device::{Device, DeviceKey, Protocol};
use smsgw_core::error::Error;
use smsgw_core::id::DeviceId;
use smsgw_core::time::Timestamp;
use smsgw_core::transport::TopicKey;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::rules::Account;
use crate::account::SharedAccount;

/// The user name of the gateway's account.
pub(super) const GATEWAY_USER: &str = "gateway";
/// The client id that the gateway must use, and nobody else may.
pub(super) const GATEWAY_CLIENT_ID: &str = "smsgw-gateway";
/// The longest client id that a device may choose, in bytes.
const MAX_CLIENT_ID: usize = 128;
/// Questions to the store at a time, so that a storm of connections leaves it room for messages.
const AT_ONCE: usize = 32;

/// What a client presents.
pub(super) struct Login<'a> {
    pub(super) client_id: &'a str,
    pub(super) username: Option<&'a str>,
    pub(super) password: Option<&'a [u8]>,
    /// Whether it connects from this machine.
    pub(super) is_local: bool,
    /// Whether it connects where only the gateway may.
    pub(super) gateway_only: bool,
}

/// Why a client may not come in. For logs: the client hears less.
#[derive(Debug)]
pub(super) enum Denial {
    NoPassword,
    WrongPassword,
    Key(Refusal),
    OtherDevice,
    OtherProtocol,
    ClientId,
    ClientIdTaken,
    Remote,
    GatewayOnly,
    Will,
    Store(Error),
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NoPassword => "no user name or no password",
            Self::WrongPassword => "unknown user name or wrong password",
            Self::Key(refusal) => return write!(f, "API key: {refusal}"),
            Self::OtherDevice => "the API key of another device",
            Self::OtherProtocol => "the API key of a device of the other protocol",
            Self::ClientId => "the client id is not one for this user name",
            Self::ClientIdTaken => "the client id belongs to the session of somebody else",
            Self::Remote => "the gateway's account, from another machine",
            Self::GatewayOnly => "an address that is the gateway's own",
            Self::Will => "a last will that it may not leave",
            Self::Store(error) => return write!(f, "the store cannot be asked: {error}"),
        };
        f.write_str(text)
    }
}

/// Whom a client acts for, and the API key that it proved it with, where it did, with the end of that key.
pub(super) struct Admitted {
    pub(super) account: Account,
    pub(super) api_key: Option<SecretString>,
    pub(super) expires_at: Option<Timestamp>,
}

impl Admitted {
    fn without_key(account: Account) -> Self {
        Self { account, api_key: None, expires_at: None }
    }

    fn with_key(account: Account, api_key: &str, key: &DeviceKey) -> Self {
        Self { account, api_key: Some(api_key.into()), expires_at: key.expires_at }
    }
}

/// Checks who comes in.
pub(super) struct Door {
    authenticator: Authenticator,
    gateway_password: SecretString,
    shared_account: Option<SharedAccount>,
    questions: Semaphore,
}

impl Door {
    pub(super) fn new(
        authenticator: Authenticator,
        gateway_password: SecretString,
        shared_account: Option<SharedAccount>,
    ) -> Self {
        Self { authenticator, gateway_password, shared_account, questions: Semaphore::new(AT_ONCE) }
    }

    pub(super) async fn admit(&self, login: &Login<'_>) -> Result<Admitted, Denial> {
        let (Some(username), Some(password)) = (login.username, login.password) else {
            return Err(Denial::NoPassword);
        };
        let password = std::str::from_utf8(password).map_err(|_| Denial::WrongPassword)?;
        if username == GATEWAY_USER {
            return self.admit_gateway(login, password);
        }
        if login.gateway_only {
            return Err(Denial::GatewayOnly);
        }
        if login.client_id == GATEWAY_CLIENT_ID {
            return Err(Denial::ClientId);
        }
        if self.shared_account.as_ref().is_some_and(|shared| {
            let password_matches = same(password, shared.password.expose_secret());
            same(username, &shared.username) && password_matches
        }) {
            return chosen_id(login).map(|()| Admitted::without_key(Account::Shared));
        }
        if same(username, password) {
            let (device, key) = self.device(password).await?;
            if device.protocol != Protocol::Original {
                return Err(Denial::OtherProtocol);
            }
            chosen_id(login)?;
            let account = Account::Original { device: device.id, key: TopicKey::new(password) };
            return Ok(Admitted::with_key(account, password, &key));
        }
        let id: DeviceId = username.parse().map_err(|_| Denial::WrongPassword)?;
        if login.client_id != username {
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

    fn admit_gateway(&self, login: &Login<'_>, password: &str) -> Result<Admitted, Denial> {
        if !same(password, self.gateway_password.expose_secret()) {
            return Err(Denial::WrongPassword);
        }
        if !login.is_local {
            return Err(Denial::Remote);
        }
        if login.client_id != GATEWAY_CLIENT_ID {
            return Err(Denial::ClientId);
        }
        Ok(Admitted::without_key(Account::Gateway))
    }

    /// Whether `api_key` still opens the door for `device`. Not where the store cannot be asked.
    pub(super) async fn still_admits(&self, device: DeviceId, api_key: &SecretString) -> bool {
        self.device(api_key.expose_secret()).await.is_ok_and(|(found, _)| found.id == device)
    }

    /// The time by which keys expire.
    pub(super) fn now(&self) -> Timestamp {
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

/// Checks the client id of those who may choose one.
fn chosen_id(login: &Login<'_>) -> Result<(), Denial> {
    if login.client_id.len() <= MAX_CLIENT_ID { Ok(()) } else { Err(Denial::ClientId) }
}

fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}
