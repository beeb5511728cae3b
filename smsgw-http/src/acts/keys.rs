//! Makes, replaces and ends the API keys of devices.

use std::time::Duration;

use smsgw_core::audit::{Act, AuditAction};
use smsgw_core::device::DeviceKey;
use smsgw_core::id::DeviceId;
use smsgw_core::key::{Credential, KeyId};
use smsgw_core::time::Timestamp;

use super::whole;
use crate::auth::Who;
use crate::problem::Problem;
use crate::router::Api;

pub(crate) async fn create(
    api: Api,
    who: Who,
    device: DeviceId,
    expires_at: Option<Timestamp>,
) -> Result<(Credential, DeviceKey), Problem> {
    whole(async move {
        let made = api.handle.create_key(who.account, device, expires_at).await;
        api.noted(made, |made| Act {
            device: Some(device),
            target: made.map(|(_, key)| key.id.to_string()),
            ..who.did(AuditAction::CreateKey)
        })
        .await
    })
    .await
}

/// The old key still counts for `grace`.
pub(crate) async fn rotate(
    api: Api,
    who: Who,
    device: DeviceId,
    key: KeyId,
    grace: Duration,
) -> Result<(Credential, DeviceKey), Problem> {
    whole(async move {
        let made = api.handle.rotate_key(who.account, device, key, grace).await;
        api.noted(made, |_| Act {
            device: Some(device),
            target: Some(key.to_string()),
            ..who.did(AuditAction::RotateKey)
        })
        .await
    })
    .await
}

pub(crate) async fn revoke(api: Api, who: Who, device: DeviceId, key: KeyId) -> Result<(), Problem> {
    whole(async move {
        let revoked = api.handle.revoke_key(who.account, device, key).await;
        api.noted(revoked.map(|revoked| revoked.then_some(())), |_| Act {
            device: Some(device),
            target: Some(key.to_string()),
            ..who.did(AuditAction::RevokeKey)
        })
        .await
    })
    .await
}
