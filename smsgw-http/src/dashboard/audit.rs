//! What was refused and what was done, by whom and from where.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use smsgw_core::audit::{AuditAction, AuditEvent};

use super::layout::{Place, next, page, short, time};
use super::refusal::Refusal;
use super::session::Visitor;
use crate::auth::Admin;
use crate::page::{Parameters, encode};
use crate::router::Api;
use crate::routes::audit::{LIST, query};

/// Rows of a page.
const ROWS: usize = 50;

/// `GET /dashboard/security`: the same filters as `GET /audit`.
pub(super) async fn list(
    State(api): State<Api>,
    visitor: Visitor<Admin>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let given = parameters.filled().only(&["action", "outcome", "device_id", "cursor"])?;
    let found = api.handle.audit(&query(&given, visitor.account, ROWS)?).await?;
    let older = found.next.map(|cursor| {
        let mut address = form_urlencoded::Serializer::new(String::from("/dashboard/security?"));
        for name in ["action", "outcome", "device_id"] {
            address.extend_pairs(given.get(name).map(|value| (name, value)));
        }
        address.append_pair("cursor", &encode(LIST, visitor.account, cursor)).finish()
    });
    let body = html! {
        h1 { "Security" }
        p { "Every refused access and every administrative act, of all accounts. Never a key, a token or a number." }
        (filters(&given))
        div.scroll tabindex="0" role="region" aria-label="Audit log" {
            @if found.items.is_empty() { p.empty { "Nothing of that kind." } } @else {
                table {
                    thead { tr { th scope="col" { "When (UTC)" } th scope="col" { "What" } th scope="col" { "Outcome" }
                        th scope="col" { "About" } th scope="col" { "Credential" } th scope="col" { "From" } th scope="col" { "Times" } } }
                    tbody { @for event in &found.items { (row(event)) } }
                }
            }
        }
        (next(older))
    };
    Ok(page(&visitor, Place::Security, "Security", body))
}

fn filters(given: &Parameters) -> Markup {
    let chosen = |name: &str, value: &str| given.get(name) == Some(value);
    html! {
        form.filters method="get" action="/dashboard/security" role="search" aria-label="Filter the audit log" {
            div { label for="action" { "What" }
                select #action name="action" {
                    option value="" { "any" }
                    @for action in AuditAction::ALL { option value=(action) selected[chosen("action", action.as_str())] { (action) } }
                } }
            div { label for="outcome" { "Outcome" }
                select #outcome name="outcome" {
                    option value="" { "any" }
                    @for outcome in ["done", "refused"] { option value=(outcome) selected[chosen("outcome", outcome)] { (outcome) } }
                } }
            div.actions { button type="submit" { "Filter" } a href="/dashboard/security" { "Clear" } }
        }
    }
}

fn row(event: &AuditEvent) -> Markup {
    let act = &event.act;
    html! {
        tr {
            td { (time(event.at)) }
            td { (act.action) }
            td { @match &act.refused { Some(why) => { span.badge.bad { "refused" } " " (why) }, None => span.badge.good { "done" } } }
            td { @if let Some(target) = &act.target { code { (target) } " " }
                @if let Some(device) = act.device { a href={ "/dashboard/devices/" (device) } { "device " (short(device)) } } }
            td { @if let Some(id) = act.credential { code { (id) } } }
            td { @if let Some(origin) = act.origin { (origin) } }
            td.number { (act.count) }
        }
    }
}
