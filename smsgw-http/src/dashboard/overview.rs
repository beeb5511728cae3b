//! What the gateway does now: how much comes in and goes out, what waits and why, what failed and why, and who sends.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use smsgw_core::account::Scope;
use smsgw_core::gateway::{DeviceStatus, Statistics, WINDOW};
use smsgw_core::store::MessageQuery;

use super::devices::standing;
use super::figures::Figures;
use super::health::millis;
use super::layout::{Place, page};
use super::refusal::Refusal;
use super::session::Visitor;
use super::{messages, words};
use crate::auth::{AnyToken, Who};
use crate::router::Api;

/// Rows of each table.
const ROWS: usize = 8;

/// `GET /`
pub(super) async fn show(State(api): State<Api>, visitor: Visitor<AnyToken>) -> Result<Response, Refusal> {
    // The figures are of all accounts, and for those who may see them.
    let sees_all = visitor.scopes.contains(Scope::MetricsRead);
    let statistics = sees_all.then(|| api.handle.statistics());
    let devices = messages::devices(&api, &visitor).await?;
    let body = html! {
        h1 { "Overview" }
        @if sees_all { div #chart role="img" aria-label="Messages a second in the last five minutes" {} }
        div #overview hx-get="/" hx-trigger="every 2s" hx-select="#overview > *" hx-swap="innerHTML" {
            @if let Some(statistics) = &statistics { (figures(&api, statistics)) }
            div.columns {
                @if let Some(statistics) = &statistics { (failures(statistics)) (waits(statistics)) }
                @if !devices.is_empty() { (senders(&devices)) }
            }
            @if visitor.scopes.contains(Scope::MessagesRead) { (newest(&api, &visitor, &devices).await?) }
        }
    };
    Ok(page(&visitor, Place::Overview, "Overview", body))
}

fn figures(api: &Api, statistics: &Statistics) -> Markup {
    let figures = Figures::of(&api.handle.history());
    let rate = |name: &str, value: f64| html! { div { dt { (name) " / s" } dd { (format!("{value:.1}")) } } };
    let span = |name: &str, share: f64| {
        let took = figures.report.quantile(share);
        html! { div { dt { (name) } dd { (took.map_or_else(|| "–".to_owned(), millis)) } } }
    };
    let depth = statistics.queue_depth.map_or_else(|| "not known".to_owned(), |depth| depth.to_string());
    html! {
        dl.figures {
            (rate("Accepted", figures.accepted)) (rate("Sent", figures.sent))
            (rate("Delivered", figures.delivered)) (rate("Failed", figures.failed))
            div { dt { "In the queue" } dd { (depth) } }
            div { dt { "Devices online" } dd { (statistics.devices_online) } }
            div { dt { "In devices' hands" } dd { (statistics.in_hand) } }
            (span("Device answers, p50", 0.5)) (span("p95", 0.95)) (span("p99", 0.99))
        }
        script #figures type="application/json" { (figures.as_json()) }
    }
}

fn failures(statistics: &Statistics) -> Markup {
    html! {
        section {
            h2 { "What failed, and why" }
            @if statistics.failures.is_empty() { p.quiet { "Nothing since the gateway started." } }
            @else { table {
                thead { tr { th scope="col" { "Code" } th scope="col" { "Messages" } } }
                tbody { @for (code, count) in statistics.failures.iter().take(ROWS) {
                    tr { td { code { (code) } } td.number { (count) } }
                } }
            } }
            p { @for state in ["failed", "undelivered", "expired", "unknown"] {
                a id={ "s-" (state) } href={ "/dashboard/messages?state=" (state) } { (state) } " "
            } }
        }
    }
}

fn waits(statistics: &Statistics) -> Markup {
    let mut waits: Vec<_> = statistics.waits.iter().filter(|(_, count)| *count > 0).collect();
    waits.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    html! {
        section {
            h2 { "What had to wait, and why" }
            @if waits.is_empty() { p.quiet { "Nothing since the gateway started." } }
            @else { table {
                thead { tr { th scope="col" { "Reason" } th scope="col" { "Times" } } }
                tbody { @for (reason, count) in waits.into_iter().take(ROWS) {
                    tr { td { (words::of_reason(*reason)) } td.number { (count) } }
                } }
            } }
            p { a #waits href="/dashboard/messages?state=scheduled" { "What waits now" } }
        }
    }
}

/// The devices that have most in hand, then those that are there.
fn senders(devices: &[DeviceStatus]) -> Markup {
    let mut devices: Vec<_> = devices.iter().collect();
    devices.sort_by_key(|status| std::cmp::Reverse((status.presence.in_hand, status.presence.online)));
    html! {
        section {
            h2 { "What each device does" }
            table {
                thead { tr { th scope="col" { "Device" } th scope="col" { "Now" } th scope="col" { "In hand" } } }
                tbody { @for status in devices.into_iter().take(ROWS) {
                    tr {
                        td { a id={ "d-" (status.device.id) } href={ "/dashboard/devices/" (status.device.id) } { (status.device.name) } }
                        td { (standing(status)) }
                        td.number { (status.presence.in_hand) " / " (WINDOW) }
                    }
                } }
            }
        }
    }
}

async fn newest(api: &Api, who: &Who, devices: &[DeviceStatus]) -> Result<Markup, Refusal> {
    let found = api.handle.messages(&MessageQuery::new(who.account, ROWS)).await?;
    Ok(html! { h2 { "Newest messages" } (messages::table(&found, devices)) })
}
