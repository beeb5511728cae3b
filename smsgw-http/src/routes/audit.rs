//! The audit log.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use smsgw_core::audit::AuditAction;
use smsgw_core::id::AccountId;
use smsgw_core::store::AuditQuery;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Admin, Caller};
use crate::page::{List, Parameters};
use crate::problem::Problem;
use crate::router::Api;
use crate::views::AuditView;

/// The name of the list in its cursors.
pub(crate) const LIST: &str = "audit";

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(list))
}

/// List what was refused and what was done, newest first
///
/// Of all accounts. What happened just now may not be in it yet.
#[utoipa::path(
    get, path = "/audit", tag = "users", operation_id = "list_audit",
    security(("token" = ["admin"])),
    params(
        ("action" = Option<String>, Query, description = "Only of this kind", example = "authenticate"),
        ("outcome" = Option<String>, Query, description = "Only what was `refused`, or only what was `done`", pattern = "^(refused|done)$", example = "refused"),
        ("user_id" = Option<String>, Query, description = "Only by this account", format = "uuid"),
        ("key_id" = Option<String>, Query, description = "Only with the token or API key of this id", example = "mfrggzdfmztwq2lk"),
        ("device_id" = Option<String>, Query, description = "Only of this device", format = "uuid"),
        ("from" = Option<String>, Query, description = "Only at or after this time", format = DateTime),
        ("until" = Option<String>, Query, description = "Only before this time", format = DateTime),
        ("limit" = Option<u16>, Query, description = "At most so many; 100 where nothing is said", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses((status = 200, description = "One page", body = List<AuditView>)),
)]
async fn list(
    State(api): State<Api>,
    caller: Caller<Admin>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let known = ["action", "outcome", "user_id", "key_id", "device_id", "from", "until", "limit", "cursor"];
    let given = parameters.only(&known)?;
    let page = api.handle.audit(&query(&given, caller.account, given.limit()?)?).await?;
    Ok(Json(List::page(LIST, caller.account, &page, AuditView::of)).into_response())
}

/// What `given` asks for, `limit` a page; `account` is who asks.
pub(crate) fn query(given: &Parameters, account: AccountId, limit: usize) -> Result<AuditQuery, Problem> {
    Ok(AuditQuery {
        action: given.read("action", "the name of an action, as authenticate", AuditAction::parse)?,
        refused: given.read("outcome", "refused or done", |text| match text {
            "refused" => Some(true),
            "done" => Some(false),
            _ => None,
        })?,
        account: given.parse("user_id")?,
        credential: given.read("key_id", "the id of a token or an API key", |text| text.parse().ok())?,
        device: given.parse("device_id")?,
        from: given.time("from")?,
        until: given.time("until")?,
        after: given.cursor(LIST, account)?,
        ..AuditQuery::new(limit)
    })
}
