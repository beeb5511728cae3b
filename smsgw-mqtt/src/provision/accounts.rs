//! What a device's account may do: the rules of the embedded broker, as far as Mosquitto can say them.

use secrecy::{ExposeSecret, SecretString};
use smsgw_core::device::Protocol;
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::id::DeviceId;
use smsgw_core::key::KeyId;
use smsgw_core::provision::Grant;

use super::dynsec::BACKEND;
use crate::dialect::original;
use crate::wire;

/// What the names of our roles begin with. The version is that of the rules: other rules, other roles.
pub(super) const ROLES: &str = "smsgw/v1/";

/// An account to be made.
pub(super) struct Account {
    pub(super) device: DeviceId,
    pub(super) protocol: Protocol,
    pub(super) key: KeyId,
    pub(super) secret: SecretString,
    /// Its one role, which no other account has.
    pub(super) role: String,
}

impl Account {
    pub(super) fn new(grant: &Grant, operation: &'static str) -> Result<Self> {
        let invalid = |why: String| Error::new(ErrorKind::Invalid, BACKEND, operation).with_detail(why);
        let id = grant.key;
        let secret = grant
            .secret
            .clone()
            .ok_or_else(|| invalid(format!("key {id} is not known whole; issue a new one")))?;
        let text = secret.expose_secret();
        if text.is_empty() || text.contains(|c: char| c.is_control() || ['/', '+', '#'].contains(&c)) {
            return Err(invalid(format!("key {id} cannot stand in a topic; issue a new one")));
        }
        let role = role(grant.protocol, grant.device, id);
        Ok(Self { device: grant.device, protocol: grant.protocol, key: id, secret, role })
    }

    pub(super) fn username(&self) -> String {
        match self.protocol {
            Protocol::Native => self.device.to_string(),
            Protocol::Original => self.secret.expose_secret().to_owned(),
        }
    }

    /// The only client id that it may use; none where clients choose their own.
    pub(super) fn client_id(&self) -> Option<String> {
        (self.protocol == Protocol::Native).then(|| self.device.to_string())
    }

    /// Where it may publish.
    pub(super) fn says(&self) -> [String; 2] {
        let (id, key) = (self.device.to_string(), self.secret.expose_secret());
        match self.protocol {
            Protocol::Native => [wire::up_topic(&id), wire::presence_topic(&id)],
            Protocol::Original => [original::auth_topic(key), original::inbound_topic(key)],
        }
    }

    /// What it may subscribe to.
    pub(super) fn hears(&self) -> Vec<String> {
        let key = self.secret.expose_secret();
        match self.protocol {
            Protocol::Native => vec![wire::down_topic(&self.device.to_string())],
            Protocol::Original => vec![original::sms_topic(key), original::answer_topic(key)],
        }
    }
}

/// The role of the account that a key opens: one for a native device, one for each key of others.
pub(super) fn role(protocol: Protocol, device: DeviceId, key: KeyId) -> String {
    match protocol {
        Protocol::Native => format!("{ROLES}{device}"),
        Protocol::Original => format!("{ROLES}key/{key}"),
    }
}
