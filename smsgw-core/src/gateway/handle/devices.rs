use super::Handle;
use crate::device::{Device, Protocol};
use crate::error::Result;
use crate::gateway::{DeviceChange, Event, Presence};
use crate::id::{AccountId, DeviceId};
use crate::rate::RateLimit;
use crate::store::{Cursor, DevicePatch, Page};

/// What a new device is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    /// What its owner calls it.
    pub name: String,
    /// More words of its owner.
    pub description: Option<String>,
    /// What it speaks.
    pub protocol: Protocol,
    /// How fast it may be given messages; the gateway's default where there is none.
    pub rate_limit: Option<RateLimit>,
}

impl NewDevice {
    /// A native device without a limit of its own; set the other fields as wanted.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), description: None, protocol: Protocol::default(), rate_limit: None }
    }
}

/// A device and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStatus {
    /// What is stored of it.
    pub device: Device,
    /// What this gateway sees of it.
    pub presence: Presence,
}

impl Handle {
    /// Adds a device to an account.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn create_device(&self, account: AccountId, new: NewDevice) -> Result<Device> {
        let now = self.0.clock.now();
        let device = Device {
            id: self.0.ids.next(now),
            account,
            name: new.name,
            description: new.description,
            protocol: new.protocol,
            rate_limit: new.rate_limit,
            paused: false,
            sims: Vec::new(),
            created_at: now,
            last_seen_at: None,
        };
        self.0.store.create_device(&device).await?;
        Ok(device)
    }

    /// One device of an account.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn device(&self, account: AccountId, id: DeviceId) -> Result<Option<DeviceStatus>> {
        let found = self.0.store.find_devices(&[id]).await?.pop().flatten();
        Ok(found.filter(|device| device.account == account).map(|device| self.status(device)))
    }

    /// The devices of an account, newest first.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn devices(
        &self,
        account: AccountId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceStatus>> {
        let page = self.0.store.devices(account, after, limit).await?;
        let items = page.items.into_iter().map(|device| self.status(device)).collect();
        Ok(Page { items, next: page.next })
    }

    /// Changes a device of an account; `None` where there is no such device.
    ///
    /// One that is paused is given nothing new by this gateway from now on. Other gateways on the same store learn of it when the
    /// device comes in anew, and by looking at 64 of their devices in turn every second.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn update_device(
        &self,
        account: AccountId,
        id: DeviceId,
        patch: DevicePatch,
    ) -> Result<Option<DeviceStatus>> {
        let (new_rate, new_pause) = (patch.rate_limit.is_some(), patch.paused.is_some());
        let device = self.0.store.update_device(account, id, patch).await?;
        if let Some(device) = &device {
            let at = self.0.clock.now();
            if new_rate {
                self.0.fleet.set_rate_limit(id, device.rate_limit, at);
            }
            if new_pause && !self.0.fleet.set_paused(id, device.paused, at) {
                let change = DeviceChange { id, account, online: false, paused: device.paused, at };
                self.0.events.push([Event::Device(change)]);
            }
        }
        Ok(device.map(|device| self.status(device)))
    }

    /// Removes a device of an account with its keys, and ends its session; `false` where there is no such device.
    ///
    /// # Errors
    /// Any error of the store, the provisioner or the transport. After one of the latter two it is removed, and its
    /// session ends when the broker can be told.
    pub async fn delete_device(&self, account: AccountId, id: DeviceId) -> Result<bool> {
        let deleted = self.0.store.delete_device(account, id).await?;
        if deleted {
            self.0.fleet.remove(id);
            self.0.broker_accounts.remove(id).await?;
            self.0.transport.disconnect(&[id]).await?;
        }
        Ok(deleted)
    }

    pub(super) fn status(&self, device: Device) -> DeviceStatus {
        DeviceStatus { presence: self.0.fleet.presence(device.id), device }
    }
}
