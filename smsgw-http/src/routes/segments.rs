//! Segments: how many SMS a text takes, before it is sent.

use axum::Json;
use serde::Serialize;
use smsgw_core::segment::segment;
use smsgw_core::time::Timestamp;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{AnyToken, Caller};
use crate::fields::{Fields, FromFields, missing};
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::router::Api;

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(count))
}

/// Count the SMS that a text takes
///
/// Nothing is stored and nothing is sent. A text that is too long to be sent is counted too.
#[utoipa::path(
    post, path = "/segments", tag = "messages", operation_id = "count_segments",
    request_body = SegmentsRequest,
    responses((status = 200, description = "What it takes", body = SegmentsView)),
)]
async fn count(_: Caller<AnyToken>, JsonBody(request): JsonBody<SegmentsRequest>) -> Json<SegmentsView> {
    let counted = segment(&request.body);
    Json(SegmentsView {
        encoding: counted.encoding.as_str(),
        segments: counted.segments,
        units: counted.units,
        characters_left: counted.units_left,
        forces_ucs2: counted.forces_ucs2,
    })
}

/// A text to count.
#[derive(ToSchema)]
pub(crate) struct SegmentsRequest {
    /// The text.
    #[schema(example = "Su código es 1234")]
    body: String,
}

impl FromFields for SegmentsRequest {
    const FIELDS: &'static [&'static str] = &["body"];

    fn from_fields(fields: &mut Fields<'_>, _: Timestamp) -> Result<Self, Problem> {
        Ok(Self { body: fields.text("body")?.ok_or_else(|| missing("body"))?.into_owned() })
    }
}

/// What a text takes.
#[derive(Serialize, ToSchema)]
#[schema(as = Segments)]
pub(crate) struct SegmentsView {
    /// How it is encoded on the air: `gsm7` or `ucs2`.
    #[schema(value_type = String, example = "ucs2")]
    encoding: &'static str,
    /// How many SMS it takes.
    #[schema(example = 1)]
    segments: u16,
    /// How many units it has: septets in GSM-7, UTF-16 code units in UCS-2.
    #[schema(example = 17)]
    units: u32,
    /// How many plain characters more fit into the last SMS.
    #[schema(example = 53)]
    characters_left: u16,
    /// The first character that GSM-7 does not have.
    #[schema(value_type = Option<String>, example = "ó")]
    forces_ucs2: Option<char>,
}
