//! All routes, and what every answer has in common.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use smsgw_core::audit::AuditLog;
use smsgw_core::auth::Failures;
use smsgw_core::gateway::Handle;
use tokio::sync::Semaphore;
use tracing::Instrument;
use utoipa_axum::router::OpenApiRouter;

use crate::auth::Tokens;
use crate::config::ApiConfig;
use crate::problem::{dress, panicked};
use crate::rates::{Rates, Slot};
use crate::running::Running;
use crate::{headers, routes, schema};

/// What the handlers share. Cheap to clone, which is done several times a request.
#[derive(Clone)]
pub(crate) struct Api(Arc<Shared>);

impl Deref for Api {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

pub(crate) struct Shared {
    /// The gateway.
    pub(crate) handle: Handle,
    /// What else it was told.
    pub(crate) config: ApiConfig,
    /// Checks who is calling.
    pub(crate) tokens: Tokens,
    /// Where to note what was refused and what was done.
    pub(crate) audit: AuditLog,
    /// Counts requests, where accounts are held to a rate.
    pub(crate) rates: Option<Rates>,
    /// The idempotency keys at work.
    pub(crate) running: Arc<Running>,
    /// Slows down devices with wrong keys on brokers that ask.
    pub(crate) devices: Failures,
    /// One permit: whoever takes an admin away takes turns, so that the last one stays.
    pub(crate) admins: Semaphore,
}

impl Api {
    fn new(handle: Handle, config: ApiConfig) -> Self {
        let audit = handle.audit_log();
        Self(Arc::new(Shared {
            tokens: Tokens::new(handle.authenticator(), audit.clone()),
            audit,
            rates: config.account_rate.map(Rates::new),
            running: Arc::default(),
            devices: Failures::default(),
            admins: Semaphore::new(1),
            config,
            handle,
        }))
    }
}

/// The whole API of a gateway: messages, devices, keys, inbox, events, segments, accounts, tokens, the audit log, health, metrics, and its own
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
    let routes = routes.merge(routes::docs::router(&schema::to_json(document)));
    #[cfg(feature = "dashboard")]
    let routes = routes.merge(crate::dashboard::router());
    routes.with_state(Api::new(handle, config)).layer(from_fn(edge))
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
        .merge(routes::events::router())
        .merge(routes::segments::router())
        .merge(routes::users::router())
        .merge(routes::tokens::router())
        .merge(routes::audit::router())
        .merge(routes::mqtt::router())
        .merge(routes::health::router())
        .merge(routes::metrics::router())
}

/// Around every request: its id, its line in the log, and what every answer has in common. One layer, since each costs
/// every request a copy of all that is in it.
async fn edge(mut request: Request, next: Next) -> Response {
    let id = headers::request_id(request.headers());
    let method = request.method().clone();
    // The pattern, not the path: what a caller writes into a path or a query does not belong into a log.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    let span = tracing::debug_span!("request", id = id.to_str().unwrap_or_default(), %method, route);
    let begun = Instant::now();
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    let mut response = dress(caught(next.run(request)).instrument(span.clone()).await);
    span.in_scope(
        || tracing::debug!(status = response.status().as_u16(), elapsed = ?begun.elapsed(), "answered"),
    );
    slot.show(response.headers_mut());
    headers::finish(response.headers_mut(), id);
    response
}

/// The answer, also where its handler panics.
async fn caught(answer: impl Future<Output = Response>) -> Response {
    let mut answer = pin!(answer);
    // After a panic it is polled no more.
    std::future::poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(panicked()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse;

    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_as_a_problem() {
        let answer = caught(async { panic!("as planned") }).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let answer = caught(async { StatusCode::ACCEPTED.into_response() }).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }
}
