//! Accounts and the tokens that act for them.

use crate::id::AccountId;
use crate::key::{KeyDigest, KeyId};
use crate::time::Timestamp;

/// Who owns devices, messages and tokens. Nobody sees what belongs to another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name, unique in a gateway.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
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
    /// The hash that a presented token is compared with.
    pub digest: KeyDigest,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused.
    pub revoked_at: Option<Timestamp>,
}
