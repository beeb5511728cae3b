use std::time::Duration;

use super::{DeviceStatus, Handle};
use crate::device::DeviceKey;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{AccountId, DeviceId};
use crate::key::{Credential, CredentialKind, KeyId};
use crate::time::Timestamp;

/// The longest time that a key or token and the one in its place overlap.
pub const MAX_GRACE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Handle {
    /// Makes an API key for a device of an account, shown here and never again. `None` where there is no such device.
    ///
    /// # Cancel safety
    /// Dropped, there may be a key that nobody knows.
    ///
    /// # Errors
    /// Any error of the store or the provisioner, and the key then opens nothing; `Internal` where the operating system has no random numbers.
    pub async fn create_key(
        &self,
        account: AccountId,
        device: DeviceId,
        expires_at: Option<Timestamp>,
    ) -> Result<Option<(Credential, DeviceKey)>> {
        let Some(DeviceStatus { device, .. }) = self.device(account, device).await? else { return Ok(None) };
        let credential = generate(CredentialKind::Device)?;
        let key = DeviceKey {
            id: credential.id(),
            device: device.id,
            digest: credential.digest(),
            created_at: self.0.clock.now(),
            expires_at,
            revoked_at: None,
            last_used_at: None,
            sealed: self.0.broker_accounts.seal(device.protocol, &credential)?,
        };
        if !self.0.store.create_key(&key).await? {
            return Ok(None);
        }
        if let Err(error) = self.0.broker_accounts.grant(&device, &key, &credential).await {
            // Nobody was shown it.
            self.0.store.revoke_key(device.id, key.id, self.0.clock.now()).await?;
            return Err(error);
        }
        Ok(Some((credential, key)))
    }

    /// The API keys of a device of an account, newest first. `None` where there is no such device.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn keys(&self, account: AccountId, device: DeviceId) -> Result<Option<Vec<DeviceKey>>> {
        if self.device(account, device).await?.is_none() {
            return Ok(None);
        }
        self.0.store.keys(device).await.map(Some)
    }

    /// Ends an API key of a device of an account, and the device's session; `false` where there is no such key. A
    /// device that has another valid key comes back with that, unless its broker has one password a device: then a new key
    /// must be made.
    ///
    /// # Errors
    /// Any error of the store, the provisioner or the transport. After one of the latter two the key is revoked, and the
    /// session ends when the broker can be told. Calling again is safe.
    pub async fn revoke_key(&self, account: AccountId, device: DeviceId, key: KeyId) -> Result<bool> {
        if self.device(account, device).await?.is_none() {
            return Ok(false);
        }
        let revoked = self.0.store.revoke_key(device, key, self.0.clock.now()).await?;
        if revoked {
            self.0.fleet.forget_key(device, key);
            self.0.broker_accounts.disable(key).await?;
            self.0.transport.disconnect(&[device]).await?;
        }
        Ok(revoked)
    }

    /// Makes another key for a device of an account, in the place of this one, which ends after `grace`, 30 days at most.
    /// `None` where there is no such key or it has ended. A broker that has one password a device knows the new one from now
    /// on, and no other.
    ///
    /// # Errors
    /// As [`create_key`](Self::create_key); the old key is then as it was.
    pub async fn rotate_key(
        &self,
        account: AccountId,
        device: DeviceId,
        key: KeyId,
        grace: Duration,
    ) -> Result<Option<(Credential, DeviceKey)>> {
        let now = self.0.clock.now();
        let found = self.0.store.find_keys(&[key]).await?.pop().flatten();
        let Some(old) = found.filter(|old| old.device == device && old.is_valid(now)) else {
            return Ok(None);
        };
        // Of a device of another account none is made.
        let Some(made) = self.create_key(account, device, old.expires_at).await? else { return Ok(None) };
        if grace.is_zero() {
            self.revoke_key(account, device, key).await?;
        } else {
            let end = now + grace.min(MAX_GRACE);
            self.0.store.revoke_key(device, key, end).await?;
            self.0.broker_accounts.expect_end(end, key);
            self.0.ending.add(end, device, key);
        }
        Ok(Some(made))
    }
}

pub(super) fn generate(kind: CredentialKind) -> Result<Credential> {
    Credential::generate(kind).map_err(|source| {
        Error::new(ErrorKind::Internal, "gateway", "generate a key")
            .with_detail("the operating system gave no random numbers")
            .with_source(source)
    })
}
