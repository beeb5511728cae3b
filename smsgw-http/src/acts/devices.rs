//! Makes, changes and removes devices.

use smsgw_core::audit::{Act, AuditAction};
use smsgw_core::device::Device;
use smsgw_core::gateway::{DeviceStatus, NewDevice};
use smsgw_core::id::DeviceId;
use smsgw_core::store::DevicePatch;

use super::whole;
use crate::auth::Who;
use crate::problem::Problem;
use crate::router::Api;

pub(crate) async fn create(api: Api, who: Who, new: NewDevice) -> Result<Device, Problem> {
    whole(async move {
        let made = api.handle.create_device(who.account, new).await.map(Some);
        api.noted(made, |made| Act {
            device: made.map(|device| device.id),
            ..who.did(AuditAction::CreateDevice)
        })
        .await
    })
    .await
}

pub(crate) async fn update(
    api: Api,
    who: Who,
    id: DeviceId,
    patch: DevicePatch,
) -> Result<DeviceStatus, Problem> {
    whole(async move {
        let changed = api.handle.update_device(who.account, id, patch).await;
        api.noted(changed, |_| Act { device: Some(id), ..who.did(AuditAction::UpdateDevice) }).await
    })
    .await
}

pub(crate) async fn delete(api: Api, who: Who, id: DeviceId) -> Result<(), Problem> {
    whole(async move {
        let deleted = api.handle.delete_device(who.account, id).await.map(|deleted| deleted.then_some(()));
        api.noted(deleted, |_| Act { device: Some(id), ..who.did(AuditAction::DeleteDevice) }).await
    })
    .await
}
