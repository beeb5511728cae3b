use std::net::IpAddr;

use serde::Serialize;
use smsgw_core::audit::{AuditAction, AuditEvent};
use smsgw_core::id::{AccountId, AuditId, DeviceId};
use smsgw_core::key::KeyId;
use smsgw_core::time::Timestamp;
use utoipa::ToSchema;

/// One line of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(crate) struct AuditView<'a> {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    id: AuditId,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What was done or tried.
    #[schema(value_type = String, example = "authenticate")]
    action: AuditAction,
    /// `done` or `refused`.
    #[schema(value_type = String, example = "refused")]
    outcome: &'static str,
    /// Why it was refused.
    #[schema(value_type = Option<String>, example = "expired")]
    reason: Option<&'a str>,
    /// The account that did it.
    #[schema(value_type = Option<String>, format = "uuid")]
    user_id: Option<AccountId>,
    /// The id of the token or API key that was presented.
    #[schema(value_type = Option<String>, example = "mfrggzdfmztwq2lk")]
    key_id: Option<KeyId>,
    /// The device that did it or that it was done to.
    #[schema(value_type = Option<String>, format = "uuid")]
    device_id: Option<DeviceId>,
    /// What it was about: an id, a route, a topic.
    #[schema(value_type = Option<String>, example = "GET /messages/{id}")]
    target: Option<&'a str>,
    /// The address it came from.
    #[schema(value_type = Option<String>, example = "192.0.2.1")]
    address: Option<IpAddr>,
    /// How often.
    #[schema(example = 1)]
    count: u32,
}

impl<'a> AuditView<'a> {
    pub(crate) fn of(event: &'a AuditEvent) -> Self {
        let act = &event.act;
        Self {
            id: event.id,
            at: event.at,
            action: act.action,
            outcome: if act.refused.is_some() { "refused" } else { "done" },
            reason: act.refused.as_deref(),
            user_id: act.account,
            key_id: act.credential,
            device_id: act.device,
            target: act.target.as_deref(),
            address: act.origin,
            count: act.count,
        }
    }
}
