//! What happens to the messages and devices of an account, as it does: server-sent events.

mod feed;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::feed::{Feed, Start};
use crate::auth::{Caller, EventsRead};
use crate::page::refuse_parameters;
use crate::problem::Problem;
use crate::router::Api;
use crate::serve::Leaving;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells a proxy in front to hand each event on at once.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(events))
}

/// Hear what happens
///
/// An endless answer of server-sent events. `message`: a message changed; the data is `{"id", "state", "reason"?, "device_id", "at"}`,
/// for tokens with `messages:read`. `device`: a device came, went, was paused or is paused no more; `{"id", "online", "paused", "at"}`, for tokens with `devices:read`.
/// `missed`: there may have been events that are kept no more; `{}`, read the lists again. Events have ids: after a break, send the last
/// one as `Last-Event-ID`, and what came meanwhile comes first, while the gateway still has it. A line that begins with `:` comes every
/// 15 seconds. The answer ends when the gateway stops or the token opens nothing any more.
#[utoipa::path(
    get, path = "/events", tag = "events", operation_id = "events",
    security(("token" = ["messages:read"]), ("token" = ["devices:read"])),
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that you have heard", example = "0199a3c45e6f7a8b9c0d1e2f3a4b5c6d.17")),
    responses((status = 200, description = "What happens from now on, or since the last event", body = String, content_type = "text/event-stream", example = json!("event: message\nid: 0199a3c45e6f7a8b9c0d1e2f3a4b5c6d.18\ndata: {\"id\":\"0199a3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d\",\"state\":\"sent\",\"device_id\":\"0199a3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6e\",\"at\":\"2026-01-02T03:04:05Z\"}\n\n"))),
)]
async fn events(
    State(api): State<Api>,
    caller: Caller<EventsRead>,
    leaving: Option<Extension<Leaving>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    refuse_parameters(&uri)?;
    let start = headers.get(LAST_EVENT_ID).map_or(Start::Now, |value| {
        let id = value.to_str().ok().and_then(|text| text.parse().ok());
        id.map_or(Start::Unknown, Start::After)
    });
    let leaving = leaving.map(|Extension(Leaving(leaving))| leaving).unwrap_or_default();
    let body = Body::new(Feed::new(api, *caller, start, leaving));
    let headers = [(CONTENT_TYPE, EVENT_STREAM), (ACCEL_BUFFERING, HeaderValue::from_static("no"))];
    Ok((headers, body).into_response())
}
