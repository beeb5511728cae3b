//! What the gateway does now.

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::layout::{Place, page};
use super::refusal::Refusal;
use super::session::Visitor;
use crate::auth::AnyToken;
use crate::router::Api;

/// `GET /`
pub(super) async fn show(State(_api): State<Api>, visitor: Visitor<AnyToken>) -> Result<Response, Refusal> {
    Ok(page(&visitor, Place::Overview, "Overview", html! { h1 { "Overview" } }))
}
