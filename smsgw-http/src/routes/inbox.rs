//! The inbox: SMS that devices have received.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use smsgw_core::store::InboxQuery;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Caller, InboxRead};
use crate::page::{List, Parameters};
use crate::problem::Problem;
use crate::router::Api;
use crate::views::ReceivedView;

/// The name of the list in its cursors.
const LIST: &str = "inbox";

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(list))
}

/// List received SMS, newest first
#[utoipa::path(
    get, path = "/inbox", tag = "inbox", operation_id = "list_inbox",
    security(("token" = ["inbox:read"])),
    params(
        ("device_id" = Option<String>, Query, description = "Only of this device", format = "uuid"),
        ("limit" = Option<u16>, Query, description = "At most so many; 100 where nothing is said", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses((status = 200, description = "One page", body = List<ReceivedView>)),
)]
async fn list(
    State(api): State<Api>,
    caller: Caller<InboxRead>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let given = parameters.only(&["device_id", "limit", "cursor"])?;
    let query = InboxQuery {
        account: caller.account,
        device: given.parse("device_id")?,
        after: given.cursor(LIST, caller.account)?,
        limit: given.limit()?,
    };
    let page = api.handle.inbox(&query).await?;
    Ok(Json(List::page(LIST, caller.account, &page, ReceivedView::of)).into_response())
}
