//! Devices: make them, look at them, change them, remove them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use smsgw_core::device::Protocol;
use smsgw_core::gateway::{DeviceStatus, NewDevice};
use smsgw_core::id::DeviceId;
use smsgw_core::rate::RateLimit;
use smsgw_core::store::DevicePatch;
use smsgw_core::time::Timestamp;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Id;
use crate::acts;
use crate::auth::{Caller, DevicesAdmin, DevicesRead};
use crate::fields::{Fields, FromFields, invalid, line, missing};
use crate::json::JsonBody;
use crate::page::{List, Parameters};
use crate::problem::Problem;
use crate::router::Api;
use crate::views::DeviceView;

/// The name of the list in its cursors.
const LIST: &str = "devices";
/// The longest name and description, in characters.
const MAX_NAME: usize = 100;
const MAX_DESCRIPTION: usize = 1_000;

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// List devices, newest first
#[utoipa::path(
    get, path = "/devices", tag = "devices", operation_id = "list_devices",
    security(("token" = ["devices:read"])),
    params(
        ("limit" = Option<u16>, Query, description = "At most so many; 100 where nothing is said", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses((status = 200, description = "One page", body = List<DeviceView>)),
)]
async fn list(
    State(api): State<Api>,
    caller: Caller<DevicesRead>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let given = parameters.only(&["limit", "cursor"])?;
    let after = given.cursor(LIST, caller.account)?;
    let page = api.handle.devices(caller.account, after, given.limit()?).await?;
    Ok(Json(List::page(LIST, caller.account, &page, DeviceView::of)).into_response())
}

/// Make a device
#[utoipa::path(
    post, path = "/devices", tag = "devices", operation_id = "create_device",
    security(("token" = ["devices:admin"])),
    request_body = CreateDeviceRequest,
    responses(
        (status = 201, description = "It is made; it needs an API key to come in", body = DeviceView, headers(("Location" = String, description = "Where to look at it"))),
    ),
)]
async fn create(
    State(api): State<Api>,
    caller: Caller<DevicesAdmin>,
    JsonBody(request): JsonBody<CreateDeviceRequest>,
) -> Result<Response, Problem> {
    let device = acts::devices::create(api, *caller, request.into_device()).await?;
    let location = format!("/devices/{}", device.id);
    let status = DeviceStatus { device, presence: Default::default() };
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(DeviceView::of(&status))).into_response())
}

/// Look at a device
#[utoipa::path(
    get, path = "/devices/{id}", tag = "devices", operation_id = "get_device",
    security(("token" = ["devices:read"])),
    params(("id" = String, Path, description = "The device", format = "uuid")),
    responses((status = 200, description = "The device as it is now", body = DeviceView)),
)]
async fn get(
    State(api): State<Api>,
    caller: Caller<DevicesRead>,
    Id(id): Id<DeviceId>,
) -> Result<Response, Problem> {
    let status = api.handle.device(caller.account, id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(DeviceView::of(&status)).into_response())
}

/// Change a device
///
/// What is not given stays; null removes a description or a rate limit. A paused device is given nothing new: it keeps what it has in
/// hand, reports, and hears cancellations, and messages for any device go to the others. To drain one, pause it and wait until its
/// `in_hand` is 0. Other gateways on the same database learn of a pause when the device comes in anew, or within a second for each 64
/// devices that they have.
#[utoipa::path(
    patch, path = "/devices/{id}", tag = "devices", operation_id = "update_device",
    security(("token" = ["devices:admin"])),
    params(("id" = String, Path, description = "The device", format = "uuid")),
    request_body = UpdateDeviceRequest,
    responses((status = 200, description = "The device as it is now", body = DeviceView)),
)]
async fn update(
    State(api): State<Api>,
    caller: Caller<DevicesAdmin>,
    Id(id): Id<DeviceId>,
    JsonBody(request): JsonBody<UpdateDeviceRequest>,
) -> Result<Response, Problem> {
    let status = acts::devices::update(api, *caller, id, request.into_patch()).await?;
    Ok(Json(DeviceView::of(&status)).into_response())
}

/// Remove a device and its API keys
///
/// Its messages stay.
#[utoipa::path(
    delete, path = "/devices/{id}", tag = "devices", operation_id = "delete_device",
    security(("token" = ["devices:admin"])),
    params(("id" = String, Path, description = "The device", format = "uuid")),
    responses((status = 204, description = "It is gone")),
)]
async fn delete(
    State(api): State<Api>,
    caller: Caller<DevicesAdmin>,
    Id(id): Id<DeviceId>,
) -> Result<StatusCode, Problem> {
    acts::devices::delete(api, *caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A device to make.
#[derive(ToSchema)]
pub(crate) struct CreateDeviceRequest {
    /// What you call it; no control characters.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*$",
        example = "office phone"
    )]
    name: String,
    /// More words of yours; no control characters.
    #[schema(max_length = 1000, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    description: Option<String>,
    /// What it speaks: `native`, or `original` for clients of the original system.
    #[schema(value_type = Option<String>, pattern = "^(native|original)$", example = "native")]
    protocol: Protocol,
    /// How fast it may be given messages, a second, minute or hour; the gateway's default where there is none.
    #[schema(value_type = Option<String>, pattern = "^(1000000|[1-9][0-9]{0,5})/[smh]$", example = "10/m")]
    rate_limit: Option<RateLimit>,
}

impl FromFields for CreateDeviceRequest {
    const FIELDS: &'static [&'static str] = &["name", "description", "protocol", "rate_limit"];

    fn from_fields(fields: &mut Fields<'_>, _: Timestamp) -> Result<Self, Problem> {
        Ok(Self {
            name: line(fields, "name", 1, MAX_NAME)?.ok_or_else(|| missing("name"))?,
            description: line(fields, "description", 0, MAX_DESCRIPTION)?,
            protocol: fields.parse("protocol")?.unwrap_or_default(),
            rate_limit: fields.parse("rate_limit")?,
        })
    }
}

impl CreateDeviceRequest {
    /// The device that is asked for.
    pub(crate) fn into_device(self) -> NewDevice {
        let Self { name, description, protocol, rate_limit } = self;
        NewDevice { name, description, protocol, rate_limit }
    }
}

/// What to change of a device.
#[derive(ToSchema)]
pub(crate) struct UpdateDeviceRequest {
    /// What you call it; no control characters.
    #[schema(
        min_length = 1,
        max_length = 100,
        nullable = false,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*$",
        example = "office phone"
    )]
    name: Option<String>,
    /// More words of yours; no control characters.
    #[schema(value_type = Option<String>, max_length = 1000, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    description: Option<Option<String>>,
    /// How fast it may be given messages.
    #[schema(value_type = Option<String>, pattern = "^(1000000|[1-9][0-9]{0,5})/[smh]$", example = "10/m")]
    rate_limit: Option<Option<RateLimit>>,
    /// Whether it is given nothing new.
    #[schema(nullable = false, example = true)]
    paused: Option<bool>,
}

impl FromFields for UpdateDeviceRequest {
    const FIELDS: &'static [&'static str] = &["name", "description", "rate_limit", "paused"];

    fn from_fields(fields: &mut Fields<'_>, _: Timestamp) -> Result<Self, Problem> {
        let named = fields.has("name");
        let name = line(fields, "name", 1, MAX_NAME)?;
        if named && name.is_none() {
            return Err(invalid("name", "a device cannot be without a name"));
        }
        let pauses = fields.has("paused");
        let paused = fields.truth("paused")?;
        if pauses && paused.is_none() {
            return Err(invalid("paused", "expected true or false"));
        }
        Ok(Self {
            name,
            paused,
            description: fields
                .removable("description", |fields| line(fields, "description", 0, MAX_DESCRIPTION))?,
            rate_limit: fields.removable("rate_limit", |fields| fields.parse("rate_limit"))?,
        })
    }
}

impl UpdateDeviceRequest {
    /// The change that is asked for.
    pub(crate) fn into_patch(self) -> DevicePatch {
        let Self { name, description, rate_limit, paused } = self;
        DevicePatch { name, description, rate_limit, paused }
    }
}
