//! Whether the gateway and each of its backends can serve, and how long each took to say so.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use smsgw_core::gateway::BackendHealth;

use super::layout::{Place, page};
use super::refusal::Refusal;
use super::session::Visitor;
use crate::auth::AnyToken;
use crate::router::Api;
use crate::routes::health::PATIENCE;

/// `GET /dashboard/health`
pub(super) async fn show(State(api): State<Api>, visitor: Visitor<AnyToken>) -> Result<Response, Refusal> {
    let health = api.handle.health(PATIENCE).await;
    let body = html! {
        h1 { "Health" }
        div #health hx-get="/dashboard/health" hx-trigger="every 5s" hx-select="#health > *" hx-swap="innerHTML" {
            div #backends.scroll tabindex="0" role="region" aria-label="Backends" {
                table {
                    thead { tr { th scope="col" { "Part" } th scope="col" { "Backend" } th scope="col" { "Now" } th scope="col" { "Round trip" } } }
                    tbody {
                        (row("Store: where messages are kept", &health.store))
                        (row("Queue: where work waits", &health.queue))
                        (row("Transport: the way to the devices", &health.transport))
                    }
                }
            }
            p.quiet { "For machines: " a href="/health/ready" { "/health/ready" } ", " a href="/health/live" { "/health/live" } "." }
        }
    };
    Ok(page(&visitor, Place::Health, "Health", body))
}

fn row(part: &str, backend: &BackendHealth) -> Markup {
    html! {
        tr {
            td { (part) }
            td { (backend.name) }
            td { @match &backend.ready {
                Ok(()) => span.badge.good { "ready" },
                Err(error) => { span.badge.bad { "unavailable" } " " (error) },
            } }
            td.number { (millis(backend.round_trip)) }
        }
    }
}

/// `1.25 ms`
pub(super) fn millis(span: Duration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1_000.0)
}
