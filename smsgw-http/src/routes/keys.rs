//! The API keys of a device: make them, list them, replace them, end them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use smsgw_core::id::DeviceId;
use smsgw_core::key::KeyId;
use smsgw_core::time::Timestamp;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::grace::RotateRequest;
use super::{Id, Ids};
use crate::acts;
use crate::auth::{Caller, DevicesAdmin, DevicesRead};
use crate::fields::{Fields, FromFields};
use crate::json::JsonBody;
use crate::page::List;
use crate::problem::Problem;
use crate::router::Api;
use crate::views::{KeyView, NewKeyView};

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(revoke)).routes(routes!(rotate))
}

/// List the API keys of a device, newest first
#[utoipa::path(
    get, path = "/devices/{id}/api-keys", tag = "devices", operation_id = "list_api_keys",
    security(("token" = ["devices:read"])),
    params(("id" = String, Path, description = "The device", format = "uuid")),
    responses((status = 200, description = "All of them, without the keys themselves", body = List<KeyView>)),
)]
async fn list(
    State(api): State<Api>,
    caller: Caller<DevicesRead>,
    Id(device): Id<DeviceId>,
) -> Result<Response, Problem> {
    let keys = api.handle.keys(caller.account, device).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(List::whole(keys.iter().map(KeyView::of).collect())).into_response())
}

/// Make an API key for a device
///
/// The key is shown here and never again. Needs no body where the key is not to expire.
#[utoipa::path(
    post, path = "/devices/{id}/api-keys", tag = "devices", operation_id = "create_api_key",
    security(("token" = ["devices:admin"])),
    params(("id" = String, Path, description = "The device", format = "uuid")),
    request_body = Option<CreateKeyRequest>,
    responses((status = 201, description = "The key", body = NewKeyView)),
)]
async fn create(
    State(api): State<Api>,
    caller: Caller<DevicesAdmin>,
    Id(device): Id<DeviceId>,
    JsonBody(request): JsonBody<CreateKeyRequest>,
) -> Result<Response, Problem> {
    let (credential, key) = acts::keys::create(api, *caller, device, request.expires_at).await?;
    Ok((StatusCode::CREATED, Json(NewKeyView::of(&credential, &key))).into_response())
}

/// Replace an API key of a device by another
///
/// The new key is shown here and never again; the old one still counts for `grace` seconds. A broker that knows one password
/// a device, as Mosquitto does, knows the new key from now on and no other, whatever the grace: the device must be given it
/// before it next connects.
#[utoipa::path(
    post, path = "/devices/{id}/api-keys/{key_id}/rotate", tag = "devices", operation_id = "rotate_api_key",
    security(("token" = ["devices:admin"])),
    params(
        ("id" = String, Path, description = "The device", format = "uuid"),
        ("key_id" = String, Path, description = "The id of the key"),
    ),
    request_body = Option<RotateRequest>,
    responses((status = 201, description = "The new key", body = NewKeyView)),
)]
async fn rotate(
    State(api): State<Api>,
    caller: Caller<DevicesAdmin>,
    Ids(device, key): Ids<DeviceId, KeyId>,
    JsonBody(RotateRequest { grace }): JsonBody<RotateRequest>,
) -> Result<Response, Problem> {
    let (credential, key) = acts::keys::rotate(api, *caller, device, key, grace).await?;
    Ok((StatusCode::CREATED, Json(NewKeyView::of(&credential, &key))).into_response())
}

/// Revoke an API key of a device
#[utoipa::path(
    delete, path = "/devices/{id}/api-keys/{key_id}", tag = "devices", operation_id = "revoke_api_key",
    security(("token" = ["devices:admin"])),
    params(
        ("id" = String, Path, description = "The device", format = "uuid"),
        ("key_id" = String, Path, description = "The id of the key"),
    ),
    responses((status = 204, description = "It opens nothing any more")),
)]
async fn revoke(
    State(api): State<Api>,
    caller: Caller<DevicesAdmin>,
    Ids(device, key): Ids<DeviceId, KeyId>,
) -> Result<StatusCode, Problem> {
    acts::keys::revoke(api, *caller, device, key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An API key to make.
#[derive(ToSchema)]
pub(crate) struct CreateKeyRequest {
    /// From when on it is refused; never where there is none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Timestamp>,
}

impl FromFields for CreateKeyRequest {
    const FIELDS: &'static [&'static str] = &["expires_at"];
    const MAY_BE_ABSENT: bool = true;

    fn from_fields(fields: &mut Fields<'_>, now: Timestamp) -> Result<Self, Problem> {
        Ok(Self { expires_at: fields.time("expires_at", now..=Timestamp::MAX)? })
    }
}
