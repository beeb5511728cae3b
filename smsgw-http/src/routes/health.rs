//! Health, for whoever restarts or routes around a gateway: needs no token.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use smsgw_core::gateway::BackendHealth;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::router::Api;

/// How long each backend has to say whether it is ready.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(live)).routes(routes!(ready))
}

/// Whether the process answers
#[utoipa::path(
    get, path = "/health/live", tag = "health", operation_id = "live", security(()),
    responses((status = 200, description = "It does", body = LiveView)),
)]
async fn live() -> Json<LiveView> {
    Json(LiveView { status: "live" })
}

/// Whether the gateway and each of its backends can serve
#[utoipa::path(
    get, path = "/health/ready", tag = "health", operation_id = "ready", security(()),
    responses(
        (status = 200, description = "All can", body = ReadyView),
        (status = 503, description = "At least one cannot", body = ReadyView),
    ),
)]
async fn ready(State(api): State<Api>) -> Response {
    let health = api.handle.health(PATIENCE).await;
    let ready = [&health.store, &health.queue, &health.transport].iter().all(|backend| backend.ready.is_ok());
    let view = ReadyView {
        status: word(ready),
        store: BackendView::of(health.store),
        queue: BackendView::of(health.queue),
        transport: BackendView::of(health.transport),
    };
    match ready {
        true => Json(view).into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], Json(view)).into_response(),
    }
}

fn word(ready: bool) -> &'static str {
    if ready { "ready" } else { "unavailable" }
}

/// The process answers.
#[derive(Serialize, ToSchema)]
#[schema(as = Live)]
struct LiveView {
    /// Always `live`.
    #[schema(value_type = String, example = "live")]
    status: &'static str,
}

/// Whether the gateway can serve.
#[derive(Serialize, ToSchema)]
#[schema(as = Ready)]
struct ReadyView {
    /// `ready` or `unavailable`.
    #[schema(value_type = String, example = "ready")]
    status: &'static str,
    /// Where messages are kept.
    store: BackendView,
    /// Where work waits.
    queue: BackendView,
    /// The way to the devices.
    transport: BackendView,
}

/// Whether a backend can serve.
#[derive(Serialize, ToSchema)]
#[schema(as = Backend)]
struct BackendView {
    /// Which backend it is.
    #[schema(example = "sqlite")]
    name: String,
    /// `ready` or `unavailable`.
    #[schema(value_type = String, example = "ready")]
    status: &'static str,
    /// What is wrong, where something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl BackendView {
    fn of(BackendHealth { name, ready, .. }: BackendHealth) -> Self {
        Self { name, status: word(ready.is_ok()), error: ready.err().map(|error| error.to_string()) }
    }
}
