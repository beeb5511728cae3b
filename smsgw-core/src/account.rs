//! Accounts, and the tokens that act for them within their scopes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::AccountId;
use crate::key::{KeyDigest, KeyId};
use crate::time::Timestamp;

/// Who owns devices, messages and tokens: a user. Nobody sees what belongs to another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name, unique in a gateway.
    pub name: String,
    /// What it may be allowed.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when its tokens open nothing.
    pub closed_at: Option<Timestamp>,
}

impl Account {
    /// An ordinary account that is open.
    pub fn new(id: AccountId, name: impl Into<String>, created_at: Timestamp) -> Self {
        Self { id, name: name.into(), role: Role::User, created_at, closed_at: None }
    }
}

/// What an account may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Its own devices and messages.
    #[default]
    User,
    /// Also accounts, their tokens and the audit log.
    Admin,
}

impl Role {
    /// As it is written in JSON and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// Reads what [`Role::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::User, Self::Admin].into_iter().find(|role| role.as_str() == text)
    }

    /// The scopes that a token of such an account may have.
    pub const fn scopes(self) -> Scopes {
        match self {
            Self::User => Scopes::USER,
            Self::Admin => Scopes::ALL,
        }
    }
}

/// One thing that a token lets its bearer do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Look at messages and what became of them.
    MessagesRead,
    /// Send, cancel and erase messages.
    MessagesWrite,
    /// Look at devices and at what is public of their keys.
    DevicesRead,
    /// Make, change and remove devices and their keys.
    DevicesAdmin,
    /// Read received SMS.
    InboxRead,
    /// Manage accounts and tokens, and read the audit log.
    Admin,
    /// Ask who may come in on a broker, as the broker itself does. Apart from `admin`, because it stands in a file there.
    Broker,
    /// Read what the whole gateway counts. Apart from `admin`, because it stands in a file where the numbers are kept.
    MetricsRead,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::MessagesRead,
        Self::MessagesWrite,
        Self::DevicesRead,
        Self::DevicesAdmin,
        Self::InboxRead,
        Self::Admin,
        Self::Broker,
        Self::MetricsRead,
    ];

    /// As it is written in JSON and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessagesRead => "messages:read",
            Self::MessagesWrite => "messages:write",
            Self::DevicesRead => "devices:read",
            Self::DevicesAdmin => "devices:admin",
            Self::InboxRead => "inbox:read",
            Self::Admin => "admin",
            Self::Broker => "broker",
            Self::MetricsRead => "metrics:read",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected messages:read, messages:write, devices:read, devices:admin, inbox:read, admin, broker or metrics:read"
)]
pub struct ScopeError;

impl FromStr for Scope {
    type Err = ScopeError;
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(ScopeError)
    }
}

/// A set of scopes, written as RFC 6749 writes them: names with a space between.
///
/// ```
/// use smsgw_core::account::{Scope, Scopes};
///
/// let scopes: Scopes = "inbox:read messages:write".parse()?;
/// assert!(scopes.contains(Scope::InboxRead) && !scopes.contains(Scope::Admin));
/// assert_eq!(scopes.to_string(), "messages:write inbox:read");
/// # Ok::<(), smsgw_core::account::ScopeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Everything.
    pub const ALL: Self =
        Self(Self::USER.0 | Scope::Admin.bit() | Scope::Broker.bit() | Scope::MetricsRead.bit());
    /// Everything that is of one account alone: all but `admin`, `broker` and `metrics:read`.
    pub const USER: Self = Self(
        Scope::MessagesRead.bit()
            | Scope::MessagesWrite.bit()
            | Scope::DevicesRead.bit()
            | Scope::DevicesAdmin.bit()
            | Scope::InboxRead.bit(),
    );

    /// Whether `scope` is one of them.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether all of `others` are among them.
    pub const fn covers(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Those that are among `others`, too.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        text.split_ascii_whitespace().map(str::parse).collect()
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a store keeps of a token: never the token.
#[derive(Debug, Clone)]
pub struct Token {
    /// The public part of the token.
    pub id: KeyId,
    /// Whom it acts for.
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// What it opens.
    pub scopes: Scopes,
    /// The hash that a presented token is compared with.
    pub digest: KeyDigest,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused.
    pub revoked_at: Option<Timestamp>,
    /// When it was last presented, to a minute.
    pub last_used_at: Option<Timestamp>,
}

impl Token {
    /// From when on it opens nothing, where there is an end.
    pub fn ends_at(&self) -> Option<Timestamp> {
        [self.expires_at, self.revoked_at].into_iter().flatten().min()
    }
}
