//! Messages: submit them, look at them.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use smsgw_core::gateway::{Cancellation, Submitted};
use smsgw_core::id::MessageId;
use smsgw_core::state::State as Status;
use smsgw_core::store::MessageQuery;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Id;
use crate::auth::Caller;
use crate::json::JsonBody;
use crate::page::{List, Parameters};
use crate::problem::{Code, Problem};
use crate::router::Api;
use crate::views::{EventView, MessageView};

mod request;

use request::OriginalSendRequest;
pub(crate) use request::SendRequest;

/// The name of the list in its cursors.
const LIST: &str = "messages";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest idempotency key, in characters.
const MAX_KEY: usize = 255;

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list, send))
        .routes(routes!(send_original))
        .routes(routes!(get))
        .routes(routes!(events))
        .routes(routes!(cancel))
}

/// Send a message
///
/// The message is stored when the answer comes. Also takes `phone` for `to` and `message_body` for `body`. Repeating
/// the request under the same `Idempotency-Key` or `id` sends nothing more and answers with the message as it is now.
#[utoipa::path(
    post, path = "/messages", tag = "messages", operation_id = "send",
    params(("Idempotency-Key" = Option<String>, Header, description = "At most 255 ASCII characters", max_length = 255, pattern = "^[ -~]+$")),
    request_body = SendRequest,
    responses(
        (status = 202, description = "It is stored and on its way", body = MessageView, headers(("Location" = String, description = "Where to look at it"))),
    ),
)]
async fn send(
    State(api): State<Api>,
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(request): JsonBody<SendRequest>,
) -> Result<Response, Problem> {
    submit(&api, &caller, key, request).await
}

/// Send a message, as the original system spelled it
///
/// The same as `POST /messages`, whose fields it takes too.
#[utoipa::path(
    post, path = "/messages/create", tag = "messages", operation_id = "send_original",
    params(("Idempotency-Key" = Option<String>, Header, description = "At most 255 ASCII characters", max_length = 255, pattern = "^[ -~]+$")),
    request_body = OriginalSendRequest,
    responses(
        (status = 202, description = "It is stored and on its way", body = MessageView, headers(("Location" = String, description = "Where to look at it"))),
    ),
)]
async fn send_original(
    State(api): State<Api>,
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(request): JsonBody<SendRequest>,
) -> Result<Response, Problem> {
    submit(&api, &caller, key, request).await
}

async fn submit(
    api: &Api,
    caller: &Caller,
    IdempotencyKey(key): IdempotencyKey,
    request: SendRequest,
) -> Result<Response, Problem> {
    let keyed = key.is_some();
    let message = request.into_message(caller.account, key);
    match api.handle.submit(vec![message]).await?.pop() {
        Some(Submitted::Accepted(message) | Submitted::Duplicate(message)) => {
            let location = format!("/messages/{}", message.id);
            Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(MessageView::of(&message)))
                .into_response())
        }
        Some(Submitted::Mismatch) if keyed => Err(Problem::new(
            Code::IdempotencyMismatch,
            "give another request another Idempotency-Key and id",
        )),
        Some(Submitted::Mismatch) => {
            Err(Problem::new(Code::IdConflict, "give another message another id").at("/id"))
        }
        Some(Submitted::UnknownDevice) => Err(Problem::not_found().at("/device_id")),
        None => Err(Problem::new(Code::Internal, "the gateway gave no answer")),
    }
}

/// List messages, newest first
#[utoipa::path(
    get, path = "/messages", tag = "messages", operation_id = "list_messages",
    params(
        ("state" = Option<String>, Query, description = "Only in this state", example = "delivered"),
        ("to" = Option<String>, Query, description = "Only to this number", example = "+5351234567"),
        ("device_id" = Option<String>, Query, description = "Only of this device", format = "uuid"),
        ("from" = Option<String>, Query, description = "Only accepted at or after this time", format = DateTime),
        ("until" = Option<String>, Query, description = "Only accepted before this time", format = DateTime),
        ("limit" = Option<u16>, Query, description = "At most so many; 100 where nothing is said", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses((status = 200, description = "One page", body = List<MessageView>)),
)]
async fn list(State(api): State<Api>, caller: Caller, parameters: Parameters) -> Result<Response, Problem> {
    let given = parameters.only(&["state", "to", "device_id", "from", "until", "limit", "cursor"])?;
    let query = MessageQuery {
        state: given.read("state", "the name of a state, as delivered", Status::parse)?,
        to: given.parse("to")?,
        device: given.parse("device_id")?,
        from: given.time("from")?,
        until: given.time("until")?,
        after: given.cursor(LIST, caller.account)?,
        ..MessageQuery::new(caller.account, given.limit()?)
    };
    let page = api.handle.messages(&query).await?;
    Ok(Json(List::page(LIST, caller.account, &page, MessageView::of)).into_response())
}

/// Look at a message
#[utoipa::path(
    get, path = "/messages/{id}", tag = "messages", operation_id = "get_message",
    params(("id" = String, Path, description = "The message", format = "uuid")),
    responses((status = 200, description = "The message as it is now", body = MessageView)),
)]
async fn get(State(api): State<Api>, caller: Caller, Id(id): Id<MessageId>) -> Result<Response, Problem> {
    let message = api.handle.message(caller.account, id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(MessageView::of(&message)).into_response())
}

/// Look at what became of a message, oldest first
#[utoipa::path(
    get, path = "/messages/{id}/events", tag = "messages", operation_id = "get_message_events",
    params(("id" = String, Path, description = "The message", format = "uuid")),
    responses((status = 200, description = "Its whole history", body = List<EventView>)),
)]
async fn events(State(api): State<Api>, caller: Caller, Id(id): Id<MessageId>) -> Result<Response, Problem> {
    let events = api.handle.message_events(caller.account, id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(List::whole(events.iter().map(EventView::of).collect())).into_response())
}

/// Take a message back
///
/// What no device has is canceled at once. Where a device may have it, the device is asked not to send it, and the message
/// becomes `canceled` when the device says that it did not; until then its `reason` is `cancel_requested`. Asking again
/// is harmless.
#[utoipa::path(
    post, path = "/messages/{id}/cancel", tag = "messages", operation_id = "cancel_message",
    params(("id" = String, Path, description = "The message", format = "uuid")),
    responses(
        (status = 200, description = "It is canceled: no device sends it", body = MessageView),
        (status = 202, description = "Its device is asked not to send it", body = MessageView),
    ),
)]
async fn cancel(State(api): State<Api>, caller: Caller, Id(id): Id<MessageId>) -> Result<Response, Problem> {
    match api.handle.cancel(caller.account, id).await?.ok_or_else(Problem::not_found)? {
        Cancellation::Canceled(message) => Ok(Json(MessageView::of(&message)).into_response()),
        Cancellation::Requested(message) => {
            Ok((StatusCode::ACCEPTED, Json(MessageView::of(&message))).into_response())
        }
        Cancellation::TooLate(_) => {
            Err(Problem::new(Code::TooLate, "look at the message for what became of it"))
        }
    }
}

/// The header `Idempotency-Key`, taken as it is written.
struct IdempotencyKey(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let good = (1..=MAX_KEY).contains(&value.len())
            && value.as_bytes().iter().all(|b| matches!(b, b' '..=b'~'))
            && values.next().is_none();
        match value.to_str() {
            Ok(key) if good => Ok(Self(Some(key.to_owned()))),
            _ => Err(Problem::new(
                Code::InvalidHeader,
                "send the header Idempotency-Key once, with 1 to 255 printable ASCII characters",
            )),
        }
    }
}
