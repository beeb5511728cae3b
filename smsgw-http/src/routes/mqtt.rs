//! For brokers that ask over HTTP who may come in and what they may do there, in the words of EMQX 5.
//!
//! Such a broker takes any status but 200 for no opinion, so whoever must stay out is told so with 200.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use smsgw_core::audit::{Act, AuditAction};
use smsgw_core::guard::{BrokerClient, BrokerGuard, TopicAccess, Verdict};
use smsgw_core::key::Credential;
use smsgw_core::time::Timestamp;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Broker, Caller};
use crate::fields::{Fields, FromFields, invalid, missing};
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::router::Api;

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(auth)).routes(routes!(acl))
}

/// Ask whether a client may come in on a broker
///
/// As EMQX 5 asks an HTTP authenticator. Unknown fields are ignored. There is no such route where the gateway has no broker
/// that asks.
#[utoipa::path(
    post, path = "/mqtt/auth", tag = "brokers", operation_id = "broker_connect",
    security(("token" = ["broker"])),
    request_body = BrokerConnect,
    responses((status = 200, description = "Whether it may", body = VerdictView)),
)]
async fn auth(
    State(api): State<Api>,
    _: Caller<Broker>,
    JsonBody(asked): JsonBody<BrokerConnect>,
) -> Result<Json<VerdictView>, Problem> {
    let guard = guard(&api)?;
    let (origin, now) = (asked.peerhost, api.handle.now());
    let key = Credential::parse(&asked.password).map(|credential| credential.id()).ok();
    if api.devices.pause(origin, key, now).is_some() {
        return Ok(VerdictView::of(Verdict::Deny));
    }
    let client = BrokerClient {
        client_id: asked.clientid,
        username: asked.username,
        password: asked.password.into(),
        origin,
    };
    let verdict = guard.connect(&client).await?;
    // Clients of which nothing is known would all be one.
    let known = origin.is_some() || key.is_some();
    if verdict == Verdict::Deny && known && api.devices.count(origin, key, now) {
        let refused = Act::refused(AuditAction::Connect, "too many failures");
        api.audit.note(Act { credential: key, origin, ..refused });
    }
    Ok(VerdictView::of(verdict))
}

/// Ask whether a client may use a topic
///
/// As EMQX 5 asks an HTTP authorizer. Unknown fields are ignored. There is no such route where the gateway has no broker that
/// asks.
#[utoipa::path(
    post, path = "/mqtt/acl", tag = "brokers", operation_id = "broker_access",
    security(("token" = ["broker"])),
    request_body = BrokerAccess,
    responses((status = 200, description = "Whether it may", body = VerdictView)),
)]
async fn acl(
    State(api): State<Api>,
    _: Caller<Broker>,
    JsonBody(asked): JsonBody<BrokerAccess>,
) -> Result<Json<VerdictView>, Problem> {
    let access = TopicAccess {
        client_id: asked.clientid,
        username: asked.username,
        publishes: asked.action,
        topic: asked.topic,
        origin: asked.peerhost,
    };
    Ok(VerdictView::of(guard(&api)?.access(&access)))
}

fn guard(api: &Api) -> Result<&Arc<dyn BrokerGuard>, Problem> {
    api.config.guard.as_ref().ok_or_else(|| Problem::of_status(StatusCode::NOT_FOUND))
}

/// A client that connects to a broker.
#[derive(ToSchema)]
pub(crate) struct BrokerConnect {
    /// Its user name.
    #[schema(example = "0199a3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d", required = false)]
    username: String,
    /// Its password.
    #[schema(example = "sgw_dev_mfrggzdfmztwq2lk_…", required = false)]
    password: String,
    /// Its client id.
    #[schema(example = "0199a3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d", required = false)]
    clientid: String,
    /// The address it comes from.
    #[schema(value_type = Option<String>, example = "192.0.2.1")]
    peerhost: Option<IpAddr>,
}

impl FromFields for BrokerConnect {
    const FIELDS: &'static [&'static str] = &["username", "password", "clientid", "peerhost"];
    const MAY_HAVE_MORE: bool = true;

    fn from_fields(fields: &mut Fields<'_>, _: Timestamp) -> Result<Self, Problem> {
        Ok(Self {
            username: text(fields, "username")?,
            password: text(fields, "password")?,
            clientid: text(fields, "clientid")?,
            peerhost: peer(fields)?,
        })
    }
}

/// What a client does with a topic.
#[derive(ToSchema)]
pub(crate) struct BrokerAccess {
    /// Its user name.
    #[schema(example = "0199a3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d", required = false)]
    username: String,
    /// Its client id.
    #[schema(example = "0199a3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d", required = false)]
    clientid: String,
    /// The topic that it publishes to, or the filter that it subscribes to.
    #[schema(example = "smsgw/v1/0199a3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d/down")]
    topic: String,
    /// `publish` or `subscribe`.
    #[schema(value_type = String, pattern = "^(publish|subscribe)$", example = "subscribe")]
    action: bool,
    /// The address it comes from.
    #[schema(value_type = Option<String>, example = "192.0.2.1")]
    peerhost: Option<IpAddr>,
}

impl FromFields for BrokerAccess {
    const FIELDS: &'static [&'static str] = &["username", "clientid", "topic", "action", "peerhost"];
    const MAY_HAVE_MORE: bool = true;

    fn from_fields(fields: &mut Fields<'_>, _: Timestamp) -> Result<Self, Problem> {
        Ok(Self {
            username: text(fields, "username")?,
            clientid: text(fields, "clientid")?,
            topic: fields.text("topic")?.ok_or_else(|| missing("topic"))?.into_owned(),
            action: match fields.text("action")?.as_deref() {
                Some("publish") => true,
                Some("subscribe") => false,
                Some(_) => return Err(invalid("action", "expected publish or subscribe")),
                None => return Err(missing("action")),
            },
            peerhost: peer(fields)?,
        })
    }
}

/// A text that a broker leaves out, or sends as null, where the client said nothing.
fn text(fields: &mut Fields<'_>, name: &'static str) -> Result<String, Problem> {
    Ok(fields.text(name)?.unwrap_or_default().into_owned())
}

/// The address of a client, where it is one: a broker behind a proxy may say anything here.
fn peer(fields: &mut Fields<'_>) -> Result<Option<IpAddr>, Problem> {
    Ok(fields.text("peerhost")?.and_then(|text| text.parse().ok()))
}

/// What a broker is told.
#[derive(Serialize, ToSchema)]
#[schema(as = Verdict)]
pub(crate) struct VerdictView {
    /// `allow`, `deny`, or `ignore` where it is no device of ours and others may know it.
    #[schema(value_type = String, example = "allow")]
    result: &'static str,
    /// Always false: nobody goes past the rules.
    is_superuser: bool,
    /// When it must come in again, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1_800_000_000)]
    expire_at: Option<i64>,
}

impl VerdictView {
    fn of(verdict: Verdict) -> Json<Self> {
        let (result, end) = match verdict {
            Verdict::Allow(end) => ("allow", end),
            Verdict::Deny => ("deny", None),
            Verdict::Unknown => ("ignore", None),
        };
        let expire_at = end.map(|end| end.as_micros().div_euclid(1_000_000));
        Json(Self { result, is_superuser: false, expire_at })
    }
}
