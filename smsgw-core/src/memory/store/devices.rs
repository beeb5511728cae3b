use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;

use super::MemoryStore;
use crate::device::{Device, DeviceKey, Protocol, Sim};
use crate::error::Result;
use crate::id::{AccountId, DeviceId};
use crate::key::KeyId;
use crate::seal::Sealed;
use crate::store::{Cursor, DevicePatch, DeviceStore, Page};
use crate::time::Timestamp;

/// The devices and their keys.
#[derive(Default)]
pub(super) struct Devices {
    rows: HashMap<DeviceId, Device>,
    /// The place of each device in the list of its account.
    lists: HashMap<AccountId, BTreeSet<Cursor>>,
    keys: HashMap<KeyId, DeviceKey>,
}

#[async_trait]
impl DeviceStore for MemoryStore {
    async fn create_device(&self, device: &Device) -> Result<()> {
        let mut devices = self.lock(&self.shared.devices, "create_device")?;
        if devices.rows.contains_key(&device.id) {
            return Ok(());
        }
        devices.lists.entry(device.account).or_default().insert(place(device));
        devices.rows.insert(device.id, device.clone());
        Ok(())
    }

    async fn update_device(
        &self,
        account: AccountId,
        id: DeviceId,
        patch: DevicePatch,
    ) -> Result<Option<Device>> {
        let mut devices = self.lock(&self.shared.devices, "update_device")?;
        let row = devices.rows.get_mut(&id).filter(|device| device.account == account);
        Ok(row.map(|device| {
            patch.apply(device);
            device.clone()
        }))
    }

    async fn delete_device(&self, account: AccountId, id: DeviceId) -> Result<bool> {
        let mut devices = self.lock(&self.shared.devices, "delete_device")?;
        let Devices { rows, lists, keys } = &mut *devices;
        let Some(device) = rows.get(&id).filter(|device| device.account == account) else { return Ok(false) };
        if let Some(list) = lists.get_mut(&account) {
            list.remove(&place(device));
        }
        rows.remove(&id);
        keys.retain(|_, key| key.device != id);
        Ok(true)
    }

    async fn find_devices(&self, ids: &[DeviceId]) -> Result<Vec<Option<Device>>> {
        let devices = self.lock(&self.shared.devices, "find_devices")?;
        Ok(ids.iter().map(|id| devices.rows.get(id).cloned()).collect())
    }

    async fn devices(&self, account: AccountId, after: Option<Cursor>, limit: usize) -> Result<Page<Device>> {
        let devices = self.lock(&self.shared.devices, "devices")?;
        let list = devices.lists.get(&account);
        let newest_first = list.into_iter().flat_map(|list| match after {
            Some(after) => list.range(..after).rev(),
            None => list.range(..).rev(),
        });
        let rows = newest_first
            .filter_map(|place| devices.rows.get(&DeviceId::from(place.id)))
            .take(limit.saturating_add(1))
            .cloned()
            .collect();
        Ok(Page::from_rows(rows, limit, place))
    }

    async fn touch_devices(&self, seen: &[(DeviceId, Timestamp, Option<Vec<Sim>>)]) -> Result<()> {
        let mut devices = self.lock(&self.shared.devices, "touch_devices")?;
        for (id, at, sims) in seen {
            let row = devices.rows.get_mut(id);
            let Some(device) = row.filter(|device| device.last_seen_at.is_none_or(|last| last <= *at)) else {
                continue;
            };
            device.last_seen_at = Some(*at);
            if let Some(sims) = sims {
                device.sims.clone_from(sims);
            }
        }
        Ok(())
    }

    async fn create_key(&self, key: &DeviceKey) -> Result<bool> {
        let mut devices = self.lock(&self.shared.devices, "create_key")?;
        if !devices.rows.contains_key(&key.device) {
            return Ok(false);
        }
        devices.keys.entry(key.id).or_insert_with(|| key.clone());
        Ok(true)
    }

    async fn find_keys(&self, ids: &[KeyId]) -> Result<Vec<Option<DeviceKey>>> {
        let devices = self.lock(&self.shared.devices, "find_keys")?;
        Ok(ids.iter().map(|id| devices.keys.get(id).cloned()).collect())
    }

    async fn keys(&self, device: DeviceId) -> Result<Vec<DeviceKey>> {
        let devices = self.lock(&self.shared.devices, "keys")?;
        let mut keys: Vec<_> = devices.keys.values().filter(|key| key.device == device).cloned().collect();
        keys.sort_unstable_by_key(|key| Reverse((key.created_at, key.id)));
        Ok(keys)
    }

    async fn valid_keys(
        &self,
        after: Option<KeyId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(DeviceKey, Protocol)>> {
        let devices = self.lock(&self.shared.devices, "valid_keys")?;
        let follows = |key: &&DeviceKey| after.is_none_or(|after| key.id > after) && key.is_valid(now);
        let mut keys: Vec<&DeviceKey> = devices.keys.values().filter(follows).collect();
        keys.sort_unstable_by_key(|key| key.id);
        let with_protocol = |key: &DeviceKey| Some((key.clone(), devices.rows.get(&key.device)?.protocol));
        Ok(keys.into_iter().take(limit).filter_map(with_protocol).collect())
    }

    async fn revoke_key(&self, device: DeviceId, id: KeyId, at: Timestamp) -> Result<bool> {
        let mut devices = self.lock(&self.shared.devices, "revoke_key")?;
        let Some(key) = devices.keys.get_mut(&id).filter(|key| key.device == device) else {
            return Ok(false);
        };
        key.revoked_at = Some(key.revoked_at.map_or(at, |earlier| earlier.min(at)));
        Ok(true)
    }

    async fn reseal_keys(&self, keys: &[(KeyId, Sealed)]) -> Result<()> {
        let mut devices = self.lock(&self.shared.devices, "reseal_keys")?;
        for (id, sealed) in keys {
            if let Some(key) = devices.keys.get_mut(id) {
                key.sealed = Some(sealed.clone());
            }
        }
        Ok(())
    }

    async fn touch_key(&self, id: KeyId, at: Timestamp) -> Result<()> {
        let mut devices = self.lock(&self.shared.devices, "touch_key")?;
        if let Some(key) = devices.keys.get_mut(&id) {
            key.last_used_at = key.last_used_at.max(Some(at));
        }
        Ok(())
    }
}

fn place(device: &Device) -> Cursor {
    Cursor { at: device.created_at, id: *device.id.as_uuid() }
}
