use async_trait::async_trait;

use crate::device::{Device, DeviceKey, Protocol, Sim};
use crate::error::Result;
use crate::forward::forward_to_inner;
use crate::id::{AccountId, DeviceId};
use crate::key::KeyId;
use crate::rate::RateLimit;
use crate::seal::Sealed;
use crate::time::Timestamp;

/// Devices and their API keys.
///
/// The rules of [`MessageStore`](crate::store::MessageStore) about batches, errors and dropped futures hold here too.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use smsgw_core::gateway::{Gateway, NewDevice};
/// use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
/// use smsgw_core::store::DeviceStore;
///
/// let store = MemoryStore::new();
/// let gateway = Gateway::builder(store.clone(), MemoryQueue::new(), MemoryTransport::new()).build();
/// let handle = gateway.start().await?.handle();
/// let account = handle.ensure_account("me").await?.id;
/// let device = handle.create_device(account, NewDevice::new("phone")).await?;
/// let (key, _) = handle.create_key(account, device.id, None).await?.expect("it is there");
/// // The store has a hash of it, and never the key.
/// let stored = store.keys(device.id).await?;
/// assert!(stored[0].digest.matches(&key) && !format!("{stored:?}").contains(key.expose()));
/// # Ok(()) }
/// ```
#[async_trait]
pub trait DeviceStore: Send + Sync + 'static {
    /// Adds a device. Adding the same device again is harmless.
    ///
    /// # Errors
    /// Any backend error.
    async fn create_device(&self, device: &Device) -> Result<()>;

    /// Changes a device of an account and returns it; `None` where there is no such device.
    ///
    /// # Errors
    /// Any backend error.
    async fn update_device(
        &self,
        account: AccountId,
        id: DeviceId,
        patch: DevicePatch,
    ) -> Result<Option<Device>>;

    /// Removes a device of an account with its keys. Its messages stay. `false` where there is no such device.
    ///
    /// # Errors
    /// Any backend error.
    async fn delete_device(&self, account: AccountId, id: DeviceId) -> Result<bool>;

    /// Devices by id, of whatever account: for the engine, never for a caller.
    ///
    /// # Errors
    /// Any backend error.
    async fn find_devices(&self, ids: &[DeviceId]) -> Result<Vec<Option<Device>>>;

    /// The devices of an account, newest first: those after `after`, at most `limit`.
    ///
    /// # Errors
    /// Any backend error.
    async fn devices(
        &self,
        account: AccountId,
        after: Option<crate::store::Cursor>,
        limit: usize,
    ) -> Result<crate::store::Page<Device>>;

    /// Notes when devices were last heard of, and with it the SIM cards they said they have, where they did.
    /// Devices that do not exist are passed over; an earlier time than the stored one changes nothing.
    ///
    /// # Errors
    /// Any backend error.
    async fn touch_devices(&self, seen: &[(DeviceId, Timestamp, Option<Vec<Sim>>)]) -> Result<()>;

    /// Adds a key of an existing device; `false` where there is no such device.
    ///
    /// # Errors
    /// Any backend error.
    async fn create_key(&self, key: &DeviceKey) -> Result<bool>;

    /// Keys by id, of whatever account: for the check of presented keys, and of those that are in use.
    ///
    /// # Errors
    /// Any backend error.
    async fn find_keys(&self, ids: &[KeyId]) -> Result<Vec<Option<DeviceKey>>>;

    /// The keys of a device, newest first.
    ///
    /// # Errors
    /// Any backend error.
    async fn keys(&self, device: DeviceId) -> Result<Vec<DeviceKey>>;

    /// Keys of all devices that are neither revoked nor expired at `now`, with what their devices speak: those after
    /// `after` in the order of ids, at most `limit`. Fewer are the last.
    ///
    /// # Errors
    /// Any backend error.
    async fn valid_keys(
        &self,
        after: Option<KeyId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(DeviceKey, Protocol)>>;

    /// Ends a key of a device at `at`, or earlier where it has ended before; `false` where there is no such key.
    ///
    /// # Errors
    /// Any backend error.
    async fn revoke_key(&self, device: DeviceId, id: KeyId, at: Timestamp) -> Result<bool>;

    /// Replaces what is sealed of keys, as under another secret. Keys that do not exist are passed over.
    ///
    /// # Errors
    /// Any backend error.
    async fn reseal_keys(&self, keys: &[(KeyId, Sealed)]) -> Result<()>;

    /// Notes that a device came in with a key.
    ///
    /// # Errors
    /// Any backend error.
    async fn touch_key(&self, id: KeyId, at: Timestamp) -> Result<()>;
}

forward_to_inner! {
    DeviceStore: {
        async fn create_device(device: &Device) -> Result<()>;
        async fn update_device(account: AccountId, id: DeviceId, patch: DevicePatch) -> Result<Option<Device>>;
        async fn delete_device(account: AccountId, id: DeviceId) -> Result<bool>;
        async fn find_devices(ids: &[DeviceId]) -> Result<Vec<Option<Device>>>;
        async fn devices(account: AccountId, after: Option<crate::store::Cursor>, limit: usize) -> Result<crate::store::Page<Device>>;
        async fn touch_devices(seen: &[(DeviceId, Timestamp, Option<Vec<Sim>>)]) -> Result<()>;
        async fn create_key(key: &DeviceKey) -> Result<bool>;
        async fn find_keys(ids: &[KeyId]) -> Result<Vec<Option<DeviceKey>>>;
        async fn keys(device: DeviceId) -> Result<Vec<DeviceKey>>;
        async fn valid_keys(after: Option<KeyId>, limit: usize, now: Timestamp) -> Result<Vec<(DeviceKey, Protocol)>>;
        async fn revoke_key(device: DeviceId, id: KeyId, at: Timestamp) -> Result<bool>;
        async fn reseal_keys(keys: &[(KeyId, Sealed)]) -> Result<()>;
        async fn touch_key(id: KeyId, at: Timestamp) -> Result<()>;
    }
}

/// What to change of a device; what is `None` stays. The inner `None` removes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DevicePatch {
    /// Its name.
    pub name: Option<String>,
    /// The words of its owner.
    pub description: Option<Option<String>>,
    /// How fast it may be given messages.
    pub rate_limit: Option<Option<RateLimit>>,
    /// Whether it is given nothing new.
    pub paused: Option<bool>,
}

impl DevicePatch {
    /// Writes the changes into `device`.
    pub fn apply(self, device: &mut Device) {
        if let Some(name) = self.name {
            device.name = name;
        }
        if let Some(description) = self.description {
            device.description = description;
        }
        if let Some(rate_limit) = self.rate_limit {
            device.rate_limit = rate_limit;
        }
        if let Some(paused) = self.paused {
            device.paused = paused;
        }
    }
}
