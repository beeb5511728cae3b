//! All routes, and what every answer has in common.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use smsgw_core::audit::AuditLog;
use smsgw_core::auth::Failures;
use smsgw_core::gateway::Handle;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;
use utoipa_axum::router::OpenApiRouter;

use crate::auth::Tokens;
use crate::config::ApiConfig;
use crate::problem::{dress, panicked};
use crate::rates::{self, Rates};
use crate::running::Running;
use crate::{headers, routes, schema};

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    /// The gateway.
    pub(crate) handle: Handle,
    /// What else it was told.
    pub(crate) config: Arc<ApiConfig>,
    /// Checks who is calling.
    pub(crate) tokens: Arc<Tokens>,
    /// Where to note what was refused and what was done.
    pub(crate) audit: AuditLog,
    /// Counts requests, where accounts are held to a rate.
    pub(crate) rates: Option<Arc<Rates>>,
    /// The idempotency keys at work.
    pub(crate) running: Arc<Running>,
    /// Slows down devices with wrong keys on brokers that ask.
    pub(crate) devices: Arc<Failures>,
    /// One permit: whoever takes an admin away takes turns, so that the last one stays.
    pub(crate) admins: Arc<Semaphore>,
}

impl Api {
    fn new(handle: Handle, config: ApiConfig) -> Self {
        let audit = handle.audit_log();
        Self {
            tokens: Arc::new(Tokens::new(handle.authenticator(), audit.clone())),
            audit,
            rates: config.account_rate.map(|limit| Arc::new(Rates::new(limit))),
            running: Arc::default(),
            devices: Arc::default(),
            admins: Arc::new(Semaphore::new(1)),
            config: Arc::new(config),
            handle,
        }
    }
}

/// The whole API of a gateway: messages, devices, keys, inbox, segments, accounts, tokens, the audit log, health, and its own
/// documentation.
///
/// Every answer has an `x-request-id`, the caller's where it sent one. Every refusal is RFC 9457 problem details. What
/// depends on the connection (a header that never ends, a missing `Host`) is for [`serve`](crate::serve), which also says
/// where a request comes from, as [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo).
pub fn router(handle: Handle) -> Router {
    router_with(handle, ApiConfig::default())
}

/// As [`router`], with more than a gateway.
pub fn router_with(handle: Handle, config: ApiConfig) -> Router {
    let (routes, document) = documented().split_for_parts();
    routes
        .merge(routes::docs::router(&schema::to_json(document)))
        .with_state(Api::new(handle, config))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(rates::show))
        .layer(from_fn(edge))
}

/// The OpenAPI 3.1 document of the API, as JSON.
pub fn openapi() -> String {
    schema::to_json(documented().into_openapi())
}

fn documented() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(schema::document())
        .merge(routes::messages::router())
        .merge(routes::devices::router())
        .merge(routes::keys::router())
        .merge(routes::inbox::router())
        .merge(routes::segments::router())
        .merge(routes::users::router())
        .merge(routes::tokens::router())
        .merge(routes::audit::router())
        .merge(routes::mqtt::router())
        .merge(routes::health::router())
}

/// Around every request: its id, its line in the log, and what every answer has in common.
async fn edge(request: Request, next: Next) -> Response {
    let id = headers::request_id(request.headers());
    let method = request.method().clone();
    // The pattern, not the path: what a caller writes into a path or a query does not belong into a log.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    let span = tracing::debug_span!("request", id = id.to_str().unwrap_or_default(), %method, route);
    let begun = Instant::now();
    let mut response = dress(next.run(request).instrument(span.clone()).await);
    span.in_scope(
        || tracing::debug!(status = response.status().as_u16(), elapsed = ?begun.elapsed(), "answered"),
    );
    headers::finish(response.headers_mut(), id);
    response
}
