//! The handlers, a theme a file.

pub(crate) mod audit;
pub(crate) mod devices;
pub(crate) mod docs;
pub(crate) mod events;
mod grace;
pub(crate) mod health;
pub(crate) mod inbox;
pub(crate) mod keys;
pub(crate) mod messages;
pub(crate) mod metrics;
pub(crate) mod mqtt;
pub(crate) mod segments;
pub(crate) mod tokens;
pub(crate) mod users;

#[cfg(feature = "dashboard")]
pub(crate) use grace::RotateRequest;

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::page::refuse_parameters;
use crate::problem::Problem;

/// The id in a path. What is no id is answered as an id that does not exist.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        refuse_parameters(&parts.uri)?;
        let text =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| Problem::not_found())?;
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

/// The two ids in a path: of a thing, and of a part of it.
pub(crate) struct Ids<T, U>(pub(crate) T, pub(crate) U);

impl<T: FromStr, U: FromStr, S: Send + Sync> FromRequestParts<S> for Ids<T, U> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        refuse_parameters(&parts.uri)?;
        let absent = || Problem::not_found();
        let Path((whole, part)) =
            Path::<(String, String)>::from_request_parts(parts, state).await.map_err(|_| absent())?;
        Ok(Self(whole.parse().map_err(|_| absent())?, part.parse().map_err(|_| absent())?))
    }
}
