//! Devices of the account: who is there, what each has in hand, how fast it may go.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use smsgw_core::account::Scope;
use smsgw_core::device::{Sim, Telemetry};
use smsgw_core::gateway::{DeviceStatus, WINDOW};
use smsgw_core::time::Timestamp;

use super::form::Form;
use super::layout::{Place, ago, next, page, page_as};
use super::refusal::{Refusal, sentence};
use super::session::Visitor;
use crate::acts;
use crate::auth::{DevicesAdmin, DevicesRead, Who};
use crate::page::{Parameters, encode};
use crate::problem::Problem;
use crate::router::Api;
use crate::routes::devices::CreateDeviceRequest;

/// The name of the list in its cursors.
const LIST: &str = "devices";
/// Rows of a page.
const ROWS: usize = 50;

/// `GET /dashboard/devices`
pub(super) async fn list(
    State(api): State<Api>,
    visitor: Visitor<DevicesRead>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let given = parameters.only(&["cursor"])?;
    let after = given.cursor(LIST, visitor.account)?;
    let body = listed(&api, &visitor, after, None).await?;
    Ok(page(&visitor, Place::Devices, "Devices", body))
}

/// `POST /dashboard/devices`
pub(super) async fn create(
    State(api): State<Api>,
    visitor: Visitor<DevicesAdmin>,
    form: Form,
) -> Result<Response, Refusal> {
    let made = match form.read::<CreateDeviceRequest>(&[], &[], api.handle.now()) {
        Ok(request) => acts::devices::create(api.clone(), *visitor, request.into_device()).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(device) => Ok(Redirect::to(&format!("/dashboard/devices/{}", device.id)).into_response()),
        Err(problem) => {
            let body = listed(&api, &visitor, None, Some((&form, &problem))).await?;
            Ok(page_as(problem.code().status(), &visitor, Place::Devices, "Devices", body))
        }
    }
}

async fn listed(
    api: &Api,
    who: &Who,
    after: Option<smsgw_core::store::Cursor>,
    refused: Option<(&Form, &Problem)>,
) -> Result<Markup, Refusal> {
    let found = api.handle.devices(who.account, after, ROWS).await?;
    let older =
        found.next.map(|cursor| format!("/dashboard/devices?cursor={}", encode(LIST, who.account, cursor)));
    Ok(html! {
        h1 { "Devices" }
        div #devices hx-get="/dashboard/devices" hx-trigger=[after.is_none().then_some("every 2s")] hx-select="#devices > *"
            hx-swap="innerHTML" { (table(&found.items, api.handle.now())) (next(older)) }
        @if who.scopes.contains(Scope::DevicesAdmin) { (questions(refused)) }
    })
}

fn table(devices: &[DeviceStatus], now: Timestamp) -> Markup {
    html! {
        div #table.scroll tabindex="0" role="region" aria-label="Devices" {
            @if devices.is_empty() {
                p.empty { "No devices yet. " a href="/dashboard/pair" { "Pair a phone" } "." }
            } @else {
                table {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Now" } th scope="col" { "In hand" }
                        th scope="col" { "Rate" } th scope="col" { "Speaks" } th scope="col" { "SIM cards" }
                        th scope="col" { "Battery" } th scope="col" { "Signal" }
                        th scope="col" { "Last seen" } } }
                    tbody { @for status in devices { (row(status, now)) } }
                }
            }
        }
    }
}

fn row(status: &DeviceStatus, now: Timestamp) -> Markup {
    let DeviceStatus { device, presence } = status;
    html! {
        tr {
            td { a id={ "d-" (device.id) } href={ "/dashboard/devices/" (device.id) } { (device.name) } }
            td { (standing(status)) }
            td.number { (presence.in_hand) " / " (WINDOW) }
            td.number { @match device.rate_limit { Some(rate) => (rate), None => span.quiet { "default" } } }
            td { (device.protocol) }
            td { (sims(&device.sims)) }
            td.number { @if let Some(telemetry) = &presence.telemetry { (battery(telemetry)) } }
            td.number { @if let Some(telemetry) = &presence.telemetry { (signal(telemetry)) } }
            td { @match device.last_seen_at { Some(at) => (ago(at, now)), None => span.quiet { "never" } } }
        }
    }
}

/// Whether it is there, and whether it is given anything.
pub(super) fn standing(status: &DeviceStatus) -> Markup {
    html! {
        @if status.presence.online { span.badge.good { "online" } } @else { span.badge.idle { "offline" } }
        @if status.device.paused {
            " " span.badge.going { @if status.presence.in_hand > 0 { "draining" } @else { "paused" } }
        }
    }
}

/// How full the battery is.
pub(super) fn battery(telemetry: &Telemetry) -> Markup {
    html! {
        @match telemetry.battery { Some(percent) => { (percent) " %" }, None => span.quiet { "not told" } }
        @if telemetry.charging == Some(true) { " charging" }
    }
}

/// How strong the signal is, and of what kind of network.
pub(super) fn signal(telemetry: &Telemetry) -> Markup {
    html! {
        @match telemetry.signal { Some(dbm) => { (dbm) " dBm" }, None => span.quiet { "not told" } }
        @if let Some(network) = &telemetry.network { " " (network) }
    }
}

pub(super) fn sims(sims: &[Sim]) -> Markup {
    html! {
        @if sims.is_empty() { span.quiet { "not told" } }
        @for sim in sims {
            span.sim { (sim.slot) @if let Some(carrier) = &sim.carrier { " " (carrier) } @if let Some(number) = &sim.number { " " (number) } }
        }
    }
}

fn questions(refused: Option<(&Form, &Problem)>) -> Markup {
    let was = |name| refused.and_then(|(form, _)| form.get(name));
    html! {
        h2 { "New device" }
        @if let Some((_, problem)) = refused { p.wrong role="alert" { (sentence(problem.detail())) } }
        form.card method="post" action="/dashboard/devices" {
            label for="name" { "Name" }
            input #name type="text" name="name" required maxlength="100" value=[was("name")];
            label for="protocol" { "Speaks" }
            select #protocol name="protocol" {
                option value="native" { "native: nothing is lost, nothing is sent twice" }
                option value="original" selected[was("protocol") == Some("original")] { "original: the clients of the earlier system" }
            }
            label for="rate_limit" { "Rate limit" }
            input #rate_limit type="text" name="rate_limit" placeholder="10/m" value=[was("rate_limit")];
            div.actions { button type="submit" { "Create" } }
        }
    }
}
