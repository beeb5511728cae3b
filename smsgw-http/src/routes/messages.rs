//! Messages: submit them, look at them, take them back, erase them, send them again.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use smsgw_core::gateway::{Cancellation, Submitted};
use smsgw_core::id::{AccountId, MessageId};
use smsgw_core::message::{Message, NewMessage};
use smsgw_core::state::State as Status;
use smsgw_core::store::MessageQuery;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Id;
use crate::acts;
use crate::auth::{Caller, MessagesRead, MessagesWrite};
use crate::json::JsonBody;
use crate::page::{List, Parameters};
use crate::problem::{Code, Problem};
use crate::router::Api;
use crate::running::Run;
use crate::views::{EventView, MessageView};

mod bulk;
mod request;
mod retry;

#[cfg(feature = "dashboard")]
pub(crate) use retry::again;

use request::OriginalSendRequest;
pub(crate) use request::SendRequest;

/// The name of the list in its cursors.
const LIST: &str = "messages";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// When to ask again for a request that is under way.
const RUNNING: Duration = Duration::from_secs(1);
/// The longest idempotency key, in characters.
const MAX_KEY: usize = 255;

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list, send))
        .routes(routes!(send_original))
        .routes(routes!(get, erase))
        .routes(routes!(events))
        .routes(routes!(cancel))
        .routes(routes!(bulk::send))
        .routes(routes!(retry::retry))
}

/// Send a message
///
/// The message is stored when the answer comes. Also takes `phone` for `to` and `message_body` for `body`. Repeating
/// the request under the same `Idempotency-Key` or `id` sends nothing more and answers with the message as it is now; while
/// the first request with the key is under way on this gateway, it is refused.
#[utoipa::path(
    post, path = "/messages", tag = "messages", operation_id = "send",
    security(("token" = ["messages:write"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "At most 255 ASCII characters", max_length = 255, pattern = "^[ -~]+$")),
    request_body = SendRequest,
    responses(
        (status = 202, description = "It is stored and on its way", body = MessageView, headers(("Location" = String, description = "Where to look at it"))),
    ),
)]
async fn send(
    State(api): State<Api>,
    sender: Sender,
    JsonBody(request): JsonBody<SendRequest>,
) -> Result<Response, Problem> {
    submit(&api, sender, request).await
}

/// Send a message, as the original system spelled it
///
/// The same as `POST /messages`, whose fields it takes too.
#[utoipa::path(
    post, path = "/messages/create", tag = "messages", operation_id = "send_original",
    security(("token" = ["messages:write"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "At most 255 ASCII characters", max_length = 255, pattern = "^[ -~]+$")),
    request_body = OriginalSendRequest,
    responses(
        (status = 202, description = "It is stored and on its way", body = MessageView, headers(("Location" = String, description = "Where to look at it"))),
    ),
)]
async fn send_original(
    State(api): State<Api>,
    sender: Sender,
    JsonBody(request): JsonBody<SendRequest>,
) -> Result<Response, Problem> {
    submit(&api, sender, request).await
}

async fn submit(api: &Api, sender: Sender, request: SendRequest) -> Result<Response, Problem> {
    let Sender { account, key, run } = sender;
    let message = accept(api, request.into_message(account, key)).await?;
    drop(run);
    accepted(&message)
}

/// The message as it is now, once it is stored.
pub(crate) async fn accept(api: &Api, message: NewMessage) -> Result<Message, Problem> {
    let keyed = message.idempotency_key.is_some();
    let submitted = api.handle.submit(vec![message]).await?.pop();
    outcome(submitted, keyed)
}

/// The message that came of submitting one; `keyed` where an idempotency key went with it.
fn outcome(submitted: Option<Submitted>, keyed: bool) -> Result<Message, Problem> {
    match submitted {
        Some(Submitted::Accepted(message) | Submitted::Duplicate(message)) => Ok(message),
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

fn accepted(message: &Message) -> Result<Response, Problem> {
    let location = format!("/messages/{}", message.id);
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(MessageView::of(message))).into_response())
}

/// List messages, newest first
#[utoipa::path(
    get, path = "/messages", tag = "messages", operation_id = "list_messages",
    security(("token" = ["messages:read"])),
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
async fn list(
    State(api): State<Api>,
    caller: Caller<MessagesRead>,
    parameters: Parameters,
) -> Result<Response, Problem> {
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
    security(("token" = ["messages:read"])),
    params(("id" = String, Path, description = "The message", format = "uuid")),
    responses((status = 200, description = "The message as it is now", body = MessageView)),
)]
async fn get(
    State(api): State<Api>,
    caller: Caller<MessagesRead>,
    Id(id): Id<MessageId>,
) -> Result<Response, Problem> {
    let message = api.handle.message(caller.account, id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(MessageView::of(&message)).into_response())
}

/// Look at what became of a message, oldest first
#[utoipa::path(
    get, path = "/messages/{id}/events", tag = "messages", operation_id = "get_message_events",
    security(("token" = ["messages:read"])),
    params(("id" = String, Path, description = "The message", format = "uuid")),
    responses((status = 200, description = "Its whole history", body = List<EventView>)),
)]
async fn events(
    State(api): State<Api>,
    caller: Caller<MessagesRead>,
    Id(id): Id<MessageId>,
) -> Result<Response, Problem> {
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
    security(("token" = ["messages:write"])),
    params(("id" = String, Path, description = "The message", format = "uuid")),
    responses(
        (status = 200, description = "It is canceled: no device sends it", body = MessageView),
        (status = 202, description = "Its device is asked not to send it", body = MessageView),
    ),
)]
async fn cancel(
    State(api): State<Api>,
    caller: Caller<MessagesWrite>,
    Id(id): Id<MessageId>,
) -> Result<Response, Problem> {
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

/// Erase what a message says
///
/// Its text goes, and a pseudonym takes the place of its recipient; what became of it stays. One that is still on its way
/// cannot be erased: cancel it first. Erasing again is harmless.
#[utoipa::path(
    delete, path = "/messages/{id}", tag = "messages", operation_id = "erase_message",
    security(("token" = ["messages:write"])),
    params(("id" = String, Path, description = "The message", format = "uuid")),
    responses((status = 204, description = "It says nothing any more")),
)]
async fn erase(
    State(api): State<Api>,
    caller: Caller<MessagesWrite>,
    Id(id): Id<MessageId>,
) -> Result<StatusCode, Problem> {
    acts::messages::erase(api, *caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whoever sends a message, and the header `Idempotency-Key`, taken as it is written. While the request is under way no
/// other has the key.
struct Sender {
    account: AccountId,
    key: Option<String>,
    run: Option<Run>,
}

impl FromRequestParts<Api> for Sender {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let account = Caller::<MessagesWrite>::from_request_parts(parts, api).await?.account;
        let Some(key) = idempotency_key(&parts.headers)? else {
            return Ok(Self { account, key: None, run: None });
        };
        let Some(run) = api.running.begin(account, &key) else {
            let detail = "wait for the answer of the first request, or send this one again";
            return Err(Problem::new(Code::IdempotencyInFlight, detail).after(RUNNING));
        };
        Ok(Self { account, key: Some(key), run: Some(run) })
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let good = (1..=MAX_KEY).contains(&value.len())
        && value.as_bytes().iter().all(|b| matches!(b, b' '..=b'~'))
        && values.next().is_none();
    match value.to_str() {
        Ok(key) if good => Ok(Some(key.to_owned())),
        _ => Err(Problem::new(
            Code::InvalidHeader,
            "send the header Idempotency-Key once, with 1 to 255 printable ASCII characters",
        )),
    }
}
