//! The trait [`Provisioner`]: accounts of devices on a broker that checks keys itself.
//!
//! A broker outside this process cannot ask the store who may come in. It is told: each device with a valid API key has
//! an account there that opens its own topics and nothing else.

use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::device::Protocol;
use crate::error::Result;
use crate::forward::forward_to_inner;
use crate::id::DeviceId;
use crate::key::KeyId;

/// Keeps the accounts of devices on a broker. Accounts that others have made are never touched.
///
/// # Contract
/// Every call may be repeated: what is done already is no error.
///
/// # Cancel safety
/// Dropped, a call may have done a part of its work. It can be repeated, and [`resync`](Self::resync) finishes it.
///
/// ```
/// use std::fmt;
/// use async_trait::async_trait;
/// use smsgw_core::error::Result;
/// use smsgw_core::id::DeviceId;
/// use smsgw_core::key::KeyId;
/// use smsgw_core::provision::{Grant, Provisioner, Resynced, ValidKeys};
///
/// /// For a broker that somebody else administers: says what would have to be done there.
/// #[derive(Debug)]
/// struct ByHand;
///
/// impl fmt::Display for ByHand {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("accounts by hand")
///     }
/// }
///
/// #[async_trait]
/// impl Provisioner for ByHand {
///     async fn check(&self) -> Result<()> {
///         Ok(())
///     }
///     async fn grant(&self, grants: &[Grant]) -> Result<()> {
///         grants.iter().for_each(|grant| println!("let {} in", grant.device));
///         Ok(())
///     }
///     async fn disable(&self, keys: &[KeyId]) -> Result<usize> {
///         keys.iter().for_each(|key| println!("shut out the key {key}"));
///         Ok(0)
///     }
///     async fn remove(&self, devices: &[DeviceId]) -> Result<usize> {
///         devices.iter().for_each(|device| println!("remove {device}"));
///         Ok(0)
///     }
///     async fn resync(&self, valid: &dyn ValidKeys) -> Result<Resynced> {
///         self.grant(&valid.valid_keys().await?).await?;
///         Ok(Resynced::default())
///     }
/// }
/// ```
#[async_trait]
pub trait Provisioner: fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// Whether the broker can be administered, and keeps its accounts apart.
    ///
    /// # Errors
    /// `Invalid` where accounts may do what nobody has allowed them; any backend error. The detail says what to do.
    async fn check(&self) -> Result<()>;

    /// Lets devices in with these keys. Where a broker has one password a device, of several keys of one device the last
    /// counts, and what used another one is shut out.
    ///
    /// # Errors
    /// `Invalid` where a grant has no secret, and nothing was done then; any backend error.
    async fn grant(&self, grants: &[Grant]) -> Result<()>;

    /// Shuts out whoever uses these keys, which were revoked or have expired, and ends their sessions. Answers how many
    /// accounts that were: one that a newer key opens is not concerned.
    ///
    /// # Errors
    /// Any backend error.
    async fn disable(&self, keys: &[KeyId]) -> Result<usize>;

    /// Removes all accounts of these devices, which ends their sessions. Answers how many that were.
    ///
    /// # Errors
    /// Any backend error.
    async fn remove(&self, devices: &[DeviceId]) -> Result<usize>;

    /// Makes the accounts those of the keys that are valid.
    ///
    /// # Contract
    /// Reads what accounts there are before it asks `valid`, and does not remove, but only shut out, an account that may
    /// get another key: another gateway may grant one meanwhile, and keys are stored before they are granted. So
    /// whatever interleaves, the next resync can mend.
    ///
    /// # Errors
    /// Any error of `valid` and of the backend.
    async fn resync(&self, valid: &dyn ValidKeys) -> Result<Resynced>;
}

/// Where a [`Provisioner`] learns which keys are valid.
#[async_trait]
pub trait ValidKeys: Send + Sync {
    /// All of them as of now, older ones first.
    ///
    /// # Errors
    /// Any error of the store.
    async fn valid_keys(&self) -> Result<Vec<Grant>>;
}

/// A key that lets a device in.
#[derive(Clone)]
pub struct Grant {
    /// Whom.
    pub device: DeviceId,
    /// What it speaks, which decides on its topics.
    pub protocol: Protocol,
    /// The public part of the key.
    pub key: KeyId,
    /// The whole key. Known when it is issued, and for devices of the original protocol also later; without it no
    /// account can be made, but one that is there can be kept.
    pub secret: Option<SecretString>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("device", &self.device)
            .field("protocol", &self.protocol)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What [`Provisioner::resync`] had to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resynced {
    /// Accounts that were made, or given another key.
    pub granted: usize,
    /// Accounts that had been shut out and are not any more.
    pub enabled: usize,
    /// Accounts whose key is not valid any more.
    pub disabled: usize,
    /// Accounts that can never have a valid key again.
    pub removed: usize,
    /// Devices that cannot come in, though they have a valid key: it is not known whole. They need a new one.
    pub keyless: Vec<DeviceId>,
}

forward_to_inner! {
    Provisioner: {
        async fn check() -> Result<()>;
        async fn grant(grants: &[Grant]) -> Result<()>;
        async fn disable(keys: &[KeyId]) -> Result<usize>;
        async fn remove(devices: &[DeviceId]) -> Result<usize>;
        async fn resync(valid: &dyn ValidKeys) -> Result<Resynced>;
    }
}
