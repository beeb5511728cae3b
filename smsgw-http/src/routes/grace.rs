use std::time::Duration;

use smsgw_core::gateway::MAX_GRACE;
use smsgw_core::time::Timestamp;
use utoipa::ToSchema;

use crate::fields::{Fields, FromFields};
use crate::problem::Problem;

/// How long two overlap where nothing is said, in seconds.
const DEFAULT_GRACE: u64 = 24 * 60 * 60;

/// How to replace a token or a key.
#[derive(ToSchema)]
pub(crate) struct RotateRequest {
    /// For how many seconds the old one still counts; a day where nothing is said.
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 2_592_000, example = 3600)]
    pub(crate) grace: Duration,
}

impl FromFields for RotateRequest {
    const FIELDS: &'static [&'static str] = &["grace"];
    const MAY_BE_ABSENT: bool = true;

    fn from_fields(fields: &mut Fields<'_>, _: Timestamp) -> Result<Self, Problem> {
        let seconds = fields.whole("grace", 0..=MAX_GRACE.as_secs())?.unwrap_or(DEFAULT_GRACE);
        Ok(Self { grace: Duration::from_secs(seconds) })
    }
}
