//! What the whole gateway counts, for Prometheus.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Caller, MetricsRead};
use crate::metrics;
use crate::router::Api;
use crate::routes::health::PATIENCE;

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(read))
}

/// What the gateway has done and how long it took, for Prometheus
///
/// The text format 0.0.4. The numbers are of all accounts together, and of this gateway alone.
#[utoipa::path(
    get, path = "/metrics", tag = "metrics", operation_id = "metrics",
    security(("token" = ["metrics:read"])),
    responses((
        status = 200, description = "All metrics", body = String, content_type = "text/plain",
        example = "# HELP smsgw_devices_online Devices that are there.\n# TYPE smsgw_devices_online gauge\nsmsgw_devices_online 3\n",
    )),
)]
async fn read(State(api): State<Api>, _: Caller<MetricsRead>) -> impl IntoResponse {
    let health = api.handle.health(PATIENCE).await;
    ([(CONTENT_TYPE, metrics::TEXT)], metrics::write(&api.handle.statistics(), &health))
}
