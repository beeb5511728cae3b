//! The audit log: every refused access and every administrative act, with who, what and from where, never a secret.

mod log;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, AuditId, DeviceId};
use crate::key::KeyId;
use crate::time::Timestamp;

pub use log::AuditLog;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What somebody did or tried to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum AuditAction { $($(#[$doc])* #[serde(rename = $text)] $name,)* }

        impl AuditAction {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it is written in JSON, in stores and in logs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

actions! {
    /// Present a token over HTTP.
    Authenticate = "authenticate";
    /// Use a route that the token has no scope for.
    Authorize = "authorize";
    /// Connect to the broker, or present a key there.
    Connect = "connect";
    /// Subscribe to a topic.
    Subscribe = "subscribe";
    /// Publish to a topic.
    Publish = "publish";
    /// Report of a message that the device was not given.
    Report = "report";
    /// Make an account.
    CreateUser = "create_user";
    /// Change an account's role or name.
    UpdateUser = "update_user";
    /// Close an account.
    CloseUser = "close_user";
    /// Make a token.
    CreateToken = "create_token";
    /// Replace a token by another.
    RotateToken = "rotate_token";
    /// Revoke a token.
    RevokeToken = "revoke_token";
    /// Make a device.
    CreateDevice = "create_device";
    /// Change a device.
    UpdateDevice = "update_device";
    /// Remove a device.
    DeleteDevice = "delete_device";
    /// Make the API key of a device.
    CreateKey = "create_key";
    /// Replace the API key of a device by another.
    RotateKey = "rotate_key";
    /// Revoke the API key of a device.
    RevokeKey = "revoke_key";
    /// Erase a message.
    EraseMessage = "erase_message";
    /// More happened than the log could take; `count` says how much.
    Overflow = "overflow";
}

impl AuditAction {
    /// Reads what [`AuditAction::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text)
    }
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its id.
    pub id: AuditId,
    /// When it happened.
    pub at: Timestamp,
    /// What.
    pub act: Act,
}

/// What somebody did or was refused. Set the fields that are known.
///
/// ```
/// use smsgw_core::audit::{Act, AuditAction};
///
/// let act = Act { origin: Some([127, 0, 0, 1].into()), ..Act::refused(AuditAction::Connect, "wrong key") };
/// assert_eq!(act.refused.as_deref(), Some("wrong key"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// What.
    pub action: AuditAction,
    /// Why it was refused, in a few words; `None` where it was done.
    pub refused: Option<String>,
    /// The account that did it.
    pub account: Option<AccountId>,
    /// The public part of the token or key that was presented.
    pub credential: Option<KeyId>,
    /// The device that did it or that it was done to.
    pub device: Option<DeviceId>,
    /// What it was about: an id, a route, a topic. Never a secret: topics without the keys in them.
    pub target: Option<String>,
    /// The address it came from.
    pub origin: Option<IpAddr>,
    /// How often; more than 1 where the same was refused again and again.
    pub count: u32,
}

impl Act {
    /// Something that was done.
    pub fn done(action: AuditAction) -> Self {
        Self {
            action,
            refused: None,
            account: None,
            credential: None,
            device: None,
            target: None,
            origin: None,
            count: 1,
        }
    }

    /// Something that was refused, and why.
    pub fn refused(action: AuditAction, why: impl Into<String>) -> Self {
        Self { refused: Some(why.into()), ..Self::done(action) }
    }
}
