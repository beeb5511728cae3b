use std::time::Duration;

use smsgw_core::account::Scopes;
use smsgw_core::id::AccountId;
use smsgw_core::time::Timestamp;
use utoipa::ToSchema;

use crate::fields::{Fields, FromFields, invalid, line, missing};
use crate::problem::Problem;

/// The longest name, in characters.
const MAX_NAME: usize = 100;
/// How far the end of a token may be away: ten years.
const MAX_LIFE: Duration = Duration::from_secs(3_652 * 24 * 60 * 60);

/// A token to make.
#[derive(ToSchema)]
pub(crate) struct CreateTokenRequest {
    /// What you call it; no control characters.
    #[schema(min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "laptop")]
    pub(crate) name: String,
    /// What it opens, with a space between: `messages:read`, `messages:write`, `devices:read`, `devices:admin`,
    /// `inbox:read`, `admin`, `broker`, `metrics:read`. Where nothing is said, what the token opens that it is made with, as far as the
    /// role of its account allows.
    #[schema(value_type = Option<String>, min_length = 1, example = "messages:read messages:write")]
    pub(crate) scopes: Option<Scopes>,
    /// From when on it is refused, at most ten years from now; never where there is none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Timestamp>,
    /// The account that it acts for; your own where there is none.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(crate) user_id: Option<AccountId>,
}

impl FromFields for CreateTokenRequest {
    const FIELDS: &'static [&'static str] = &["name", "scopes", "expires_at", "user_id"];

    fn from_fields(fields: &mut Fields<'_>, now: Timestamp) -> Result<Self, Problem> {
        let scopes: Option<Scopes> = fields.parse("scopes")?;
        if scopes.is_some_and(Scopes::is_empty) {
            return Err(invalid("scopes", "give at least one scope"));
        }
        Ok(Self {
            name: line(fields, "name", 1, MAX_NAME)?.ok_or_else(|| missing("name"))?,
            scopes,
            expires_at: fields.time("expires_at", now..=now + MAX_LIFE)?,
            user_id: fields.parse("user_id")?,
        })
    }
}
