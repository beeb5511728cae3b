//! Who comes in at the embedded broker: devices, and the gateway by an account of its own.

use secrecy::{ExposeSecret, SecretString};

use super::connection::Origin;
use crate::login::{Admitted, Denial, Door, Login, same};
use crate::rules::Account;

/// The user name of the gateway's account.
pub(super) const GATEWAY_USER: &str = "gateway";
/// The client id that the gateway must use, and nobody else may.
pub(super) const GATEWAY_CLIENT_ID: &str = "smsgw-gateway";

/// Checks who comes in.
pub(super) struct Gate {
    pub(super) door: Door,
    gateway_password: SecretString,
}

impl Gate {
    pub(super) fn new(door: Door, gateway_password: SecretString) -> Self {
        Self { door, gateway_password }
    }

    pub(super) async fn admit(&self, login: &Login<'_>, from: Origin) -> Result<Admitted, Denial> {
        self.door.ready(login)?;
        if login.username.is_empty() || login.password.is_empty() {
            return Err(Denial::NoPassword);
        }
        if login.username == GATEWAY_USER {
            return self.admit_gateway(login, from);
        }
        if from.gateway_only {
            return Err(Denial::GatewayOnly);
        }
        if login.client_id == GATEWAY_CLIENT_ID {
            return Err(Denial::ClientId);
        }
        self.door.admit(login).await
    }

    fn admit_gateway(&self, login: &Login<'_>, from: Origin) -> Result<Admitted, Denial> {
        if !same(login.password, self.gateway_password.expose_secret()) {
            return Err(Denial::WrongPassword);
        }
        if !from.is_local {
            return Err(Denial::Remote);
        }
        if login.client_id != GATEWAY_CLIENT_ID {
            return Err(Denial::ClientId);
        }
        Ok(Admitted::without_key(Account::Gateway))
    }
}
