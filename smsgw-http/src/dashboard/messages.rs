//! Messages of the account, newest first, and what each waits for.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use smsgw_core::account::Scope;
use smsgw_core::gateway::DeviceStatus;
use smsgw_core::id::DeviceId;
use smsgw_core::message::Message;
use smsgw_core::state::State as Status;
use smsgw_core::store::{MessageQuery, Page};

use super::form::in_full;
use super::layout::{self, Place, badge, next, page, time};
use super::refusal::Refusal;
use super::session::Visitor;
use super::words;
use crate::auth::{MessagesRead, Who};
use crate::page::{Parameters, encode};
use crate::router::Api;

/// The name of the list in its cursors.
const LIST: &str = "messages";
/// Rows of a page.
const ROWS: usize = 50;
/// How many devices can be chosen from.
const CHOICE: usize = 100;
const FILTERS: [&str; 5] = ["state", "to", "device_id", "from", "until"];

/// `GET /dashboard/messages`: the same filters as `GET /messages`.
pub(super) async fn list(
    State(api): State<Api>,
    visitor: Visitor<MessagesRead>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    // A form sends its empty fields too.
    let given = parameters.filled().only(&[&FILTERS[..], &["cursor"]].concat())?;
    let query = MessageQuery {
        state: given.read("state", "the name of a state, as delivered", Status::parse)?,
        to: given.parse("to")?,
        device: given.parse("device_id")?,
        from: given.time_in("from", in_full)?,
        until: given.time_in("until", in_full)?,
        after: given.cursor(LIST, visitor.account)?,
        ..MessageQuery::new(visitor.account, ROWS)
    };
    let found = api.handle.messages(&query).await?;
    let devices = devices(&api, &visitor).await?;
    let here = address(&given, None);
    let older = found.next.map(|cursor| address(&given, Some(encode(LIST, visitor.account, cursor))));
    let body = html! {
        h1 { "Messages" }
        (filters(&given, &devices))
        // Only the newest page keeps up: an older one shows what it showed.
        @if query.after.is_none() {
            div #list hx-get=(here) hx-trigger="moved throttle:1s, every 10s" hx-select="#list > *" hx-swap="innerHTML"
                data-live="/dashboard/live" { (table(&found, &devices)) (next(older)) }
        } @else {
            (table(&found, &devices))
            (next(older))
        }
    };
    Ok(page(&visitor, Place::Messages, "Messages", body))
}

/// The devices of the account, by name, where the token lets them be seen.
pub(super) async fn devices(api: &Api, who: &Who) -> Result<Vec<DeviceStatus>, Refusal> {
    if !who.scopes.contains(Scope::DevicesRead) {
        return Ok(Vec::new());
    }
    Ok(api.handle.devices(who.account, None, CHOICE).await?.items)
}

/// The address of this list with the filters that are given.
fn address(given: &Parameters, cursor: Option<String>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in FILTERS {
        if let Some(value) = given.get(name) {
            query.append_pair(name, value);
        }
    }
    if let Some(cursor) = &cursor {
        query.append_pair("cursor", cursor);
    }
    match query.finish() {
        none if none.is_empty() => "/dashboard/messages".to_owned(),
        query => format!("/dashboard/messages?{query}"),
    }
}

fn filters(given: &Parameters, devices: &[DeviceStatus]) -> Markup {
    let chosen = |name: &str, value: &str| given.get(name) == Some(value);
    html! {
        form.filters method="get" action="/dashboard/messages" role="search" aria-label="Filter messages" {
            div { label for="state" { "State" }
                select #state name="state" {
                    option value="" { "any" }
                    @for state in Status::ALL {
                        option value=(state) selected[chosen("state", state.as_str())] { (state) }
                    }
                } }
            div { label for="to" { "To" }
                input #to type="text" inputmode="tel" name="to" placeholder="+5351234567" value=[given.get("to")]; }
            @if !devices.is_empty() {
                div { label for="device" { "Device" }
                    select #device name="device_id" {
                        option value="" { "any" }
                        @for DeviceStatus { device, .. } in devices {
                            option value=(device.id) selected[chosen("device_id", &device.id.to_string())] { (device.name) }
                        }
                    } }
            }
            div { label for="from" { "From (UTC)" }
                input #from type="datetime-local" name="from" value=[given.get("from")]; }
            div { label for="until" { "Until (UTC)" }
                input #until type="datetime-local" name="until" value=[given.get("until")]; }
            div.actions { button type="submit" { "Filter" } a href="/dashboard/messages" { "Clear" } }
        }
    }
}

/// Messages, a row each.
pub(super) fn table(found: &Page<Message>, devices: &[DeviceStatus]) -> Markup {
    html! {
        div #rows.scroll tabindex="0" role="region" aria-label="Messages" {
            @if found.items.is_empty() {
                p.empty { "No messages here. " a href="/dashboard/compose" { "Write one" } "." }
            } @else {
                table {
                    thead { tr { th scope="col" { "Accepted (UTC)" } th scope="col" { "To" } th scope="col" { "State" }
                        th scope="col" { "Text" } th scope="col" { "Device" } } }
                    tbody { @for message in &found.items { (row(message, devices)) } }
                }
            }
        }
    }
}

fn row(message: &Message, devices: &[DeviceStatus]) -> Markup {
    html! {
        tr {
            td { a id={ "m-" (message.id) } href={ "/dashboard/messages/" (message.id) } { (time(message.created_at)) } }
            td.number { (message.to.expose().as_str()) }
            td { (badge(message.state)) @if let Some(why) = why(message) { " " span.quiet { (why) } } }
            td.text { (excerpt(message)) }
            td { (name_of(message.device, devices)) }
        }
    }
}

/// What it waits for, or why it failed.
pub(super) fn why(message: &Message) -> Option<&str> {
    match (&message.failure, message.reason) {
        (_, Some(reason)) if !message.state.is_terminal() => Some(words::of_reason(reason)),
        (Some(failure), _) => Some(&failure.code),
        _ => None,
    }
}

fn excerpt(message: &Message) -> Markup {
    let text = message.body.expose();
    html! {
        @if message.erased_at.is_some() { span.quiet { "erased" } }
        @else { (text.chars().take(60).collect::<String>()) @if text.chars().count() > 60 { "…" } }
    }
}

/// The name of a device, where it is known, as a link to it.
pub(super) fn name_of(id: Option<DeviceId>, devices: &[DeviceStatus]) -> Markup {
    let Some(id) = id else { return html! { span.quiet { "any" } } };
    let name = devices.iter().find(|status| status.device.id == id).map(|status| status.device.name.clone());
    html! { a href={ "/dashboard/devices/" (id) } { (name.unwrap_or_else(|| layout::short(id))) } }
}
