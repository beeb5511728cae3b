//! Many messages in one request: each is accepted or refused by itself.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use smsgw_core::id::AccountId;
use smsgw_core::message::Message;
use smsgw_core::time::Timestamp;
use utoipa::ToSchema;

use super::{IDEMPOTENCY_KEY, SendRequest, outcome};
use crate::auth::{Caller, MessagesWrite};
use crate::fields::{Fields, FromFields, missing};
use crate::json::{JsonBody, Value};
use crate::problem::{Code, Problem, ProblemBody};
use crate::router::Api;
use crate::views::MessageView;

/// The longest body, in bytes: a thousand of the longest messages.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Send many messages
///
/// Up to 1,000, each as in `POST /messages`. The answer has an outcome for each, in order: one that is refused refuses nobody
/// else, so look at the `status` of each. Counts as one request for the account's rate. There is no `Idempotency-Key`: give each
/// message an `id`, and repeating the request sends nothing more.
#[utoipa::path(
    post, path = "/messages/bulk", tag = "messages", operation_id = "send_bulk",
    security(("token" = ["messages:write"])),
    request_body = BulkRequest,
    responses((status = 200, description = "What became of each; those with the status 202 are stored and on their way", body = BulkView)),
)]
pub(super) async fn send(
    State(api): State<Api>,
    Submitter(account): Submitter,
    JsonBody(BulkRequest { messages }): JsonBody<BulkRequest>,
) -> Result<Response, Problem> {
    let mut good = Vec::with_capacity(messages.len());
    let mut refused = Vec::with_capacity(messages.len());
    for message in messages {
        refused.push(message.map(|request| good.push(request.into_message(account, None))).err());
    }
    let mut submitted = api.handle.submit(good).await?.into_iter();
    let outcomes: Vec<Result<Message, Problem>> = refused
        .into_iter()
        .enumerate()
        .map(|(index, refused)| match refused {
            Some(problem) => Err(problem),
            None => outcome(submitted.next(), false).map_err(|problem| problem.within(&place(index))),
        })
        .collect();
    Ok(Json(BulkView { items: outcomes.iter().map(OutcomeView::of).collect() }).into_response())
}

/// Points to a message of the body.
fn place(index: usize) -> String {
    format!("/messages/{index}")
}

/// Whoever sends messages, without an idempotency key.
pub(super) struct Submitter(AccountId);

impl FromRequestParts<Api> for Submitter {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let account = Caller::<MessagesWrite>::from_request_parts(parts, api).await?.account;
        if parts.headers.contains_key(IDEMPOTENCY_KEY) {
            let detail = "leave the header Idempotency-Key out and give each message an `id`";
            return Err(Problem::new(Code::InvalidHeader, detail));
        }
        Ok(Self(account))
    }
}

/// Messages to send.
#[derive(ToSchema)]
pub(crate) struct BulkRequest {
    /// The messages.
    #[schema(value_type = Vec<SendRequest>, min_items = 1, max_items = 1000)]
    messages: Vec<Result<SendRequest, Problem>>,
}

impl FromFields for BulkRequest {
    const FIELDS: &'static [&'static str] = &["messages"];
    const MAX_BODY: usize = MAX_BODY;

    fn from_fields(fields: &mut Fields<'_>, now: Timestamp) -> Result<Self, Problem> {
        let items = fields.list("messages")?.ok_or_else(|| missing("messages"))?;
        let read = |(index, item)| {
            let message = match item {
                Value::Object(object) => Fields::new(object, SendRequest::FIELDS)
                    .and_then(|mut fields| SendRequest::from_fields(&mut fields, now)),
                _ => Err(Problem::field("", "expected an object")),
            };
            message.map_err(|problem| problem.within(&place(index)))
        };
        Ok(Self { messages: items.into_iter().enumerate().map(read).collect() })
    }
}

/// What became of many messages.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkOutcome)]
pub(crate) struct BulkView<'a> {
    /// One for each message of the request, in order.
    items: Vec<OutcomeView<'a>>,
}

/// What became of one of many messages: either `message` or `error` is there.
#[derive(Serialize, ToSchema)]
#[schema(as = Outcome, example = json!({
    "status": 422,
    "error": {
        "type": "/problems#invalid_field",
        "title": "A field is missing, unknown or not valid",
        "status": 422,
        "code": "invalid_field",
        "detail": "begin the phone number with `+` and the country code",
        "pointer": "/messages/0/to",
    },
}))]
struct OutcomeView<'a> {
    /// What `POST /messages` would have answered: 202, or 404, 409, 422 with an `error`.
    #[schema(example = 202)]
    status: u16,
    /// The message, where it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageView<'a>>,
    /// Why it was refused; its `pointer` is into the body of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ProblemBody<'a>>,
}

impl<'a> OutcomeView<'a> {
    fn of(outcome: &'a Result<Message, Problem>) -> Self {
        match outcome {
            Ok(message) => Self {
                status: StatusCode::ACCEPTED.as_u16(),
                message: Some(MessageView::of(message)),
                error: None,
            },
            Err(problem) => {
                Self { status: problem.status().as_u16(), message: None, error: Some(problem.body()) }
            }
        }
    }
}
