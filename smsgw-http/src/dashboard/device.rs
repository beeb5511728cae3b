//! One device: what it does, its settings and its keys.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use smsgw_core::account::Scope;
use smsgw_core::gateway::{DeviceStatus, WINDOW};
use smsgw_core::id::DeviceId;
use smsgw_core::store::{DevicePatch, MessageQuery};

use super::devices::{battery, signal, sims, standing};
use super::form::Form;
use super::layout::{Place, page, time, time_or};
use super::refusal::{Refusal, absent};
use super::session::Visitor;
use super::{keys, messages};
use crate::acts;
use crate::auth::{DevicesAdmin, DevicesRead, Who};
use crate::router::Api;
use crate::routes::Id;
use crate::routes::devices::UpdateDeviceRequest;

/// Messages that are shown.
const RECENT: usize = 10;

/// `GET /dashboard/devices/{id}`
pub(super) async fn show(
    State(api): State<Api>,
    visitor: Visitor<DevicesRead>,
    Id(id): Id<DeviceId>,
) -> Result<Response, Refusal> {
    let status = api.handle.device(visitor.account, id).await?.ok_or_else(absent)?;
    let all_keys = api.handle.keys(visitor.account, id).await?.ok_or_else(absent)?;
    let may_change = visitor.scopes.contains(Scope::DevicesAdmin);
    let here = format!("/dashboard/devices/{id}");
    let body = html! {
        h1 { (status.device.name) }
        div #now hx-get=(here) hx-trigger="every 2s" hx-select="#now > *" hx-swap="innerHTML" { (facts(&status)) }
        @if may_change { (pausing(&status)) (settings(&status)) }
        h2 { "Keys" }
        (keys::table(&[(&status, all_keys)], may_change, api.handle.now()))
        @if may_change {
            form.card method="post" action={ (here) "/pair" } {
                label for="key-end" { "Ends (UTC)" }
                input #key-end type="datetime-local" name="expires_at" aria-describedby="key-hint";
                p #key-hint.quiet { "Never where nothing is said." }
                button type="submit" { "Make a key and pair a phone" }
            }
        }
        @if visitor.scopes.contains(Scope::MessagesRead) { (recent(&api, &visitor, status).await?) }
    };
    Ok(page(&visitor, Place::Devices, "Device", body))
}

fn facts(status: &DeviceStatus) -> Markup {
    let DeviceStatus { device, presence } = status;
    html! {
        p.lead { (standing(status)) }
        dl.facts {
            dt { "In hand" } dd { (presence.in_hand) " of at most " (WINDOW) " messages that it has not acknowledged" }
            dt { "Rate limit" } dd { @match device.rate_limit { Some(rate) => (rate), None => span.quiet { "the gateway's default" } } }
            dt { "Speaks" } dd { (device.protocol) }
            dt { "SIM cards" } dd { (sims(&device.sims)) }
            @if let Some(telemetry) = &presence.telemetry {
                dt { "Battery" } dd { (battery(telemetry)) }
                dt { "Signal" } dd { (signal(telemetry)) }
                @if let Some(at) = presence.telemetry_at { dt { "Said so" } dd { (time(at)) } }
            }
            dt { "Last seen" } dd { (time_or(device.last_seen_at, "never")) }
            dt { "Made" } dd { (time(device.created_at)) }
            dt { "Id" } dd { code { (device.id) } }
        }
    }
}

/// Takes the device out of service and back: paused, it ends what it has and gets nothing new.
fn pausing(status: &DeviceStatus) -> Markup {
    let device = &status.device;
    let (act, label) = if device.paused { ("resume", "Resume") } else { ("pause", "Pause and drain") };
    html! {
        form.actions method="post" action={ "/dashboard/devices/" (device.id) "/" (act) } {
            button type="submit" { (label) }
            @if !device.paused { span.quiet { "It ends what it has in hand and is given nothing more." } }
        }
    }
}

fn settings(status: &DeviceStatus) -> Markup {
    let device = &status.device;
    let here = format!("/dashboard/devices/{}", device.id);
    html! {
        details {
            summary { "Change or remove it" }
            form.card method="post" action=(here) {
                label for="name" { "Name" }
                input #name type="text" name="name" required maxlength="100" value=(device.name);
                label for="description" { "Description" }
                input #description type="text" name="description" maxlength="1000" value=[device.description.as_deref()];
                label for="rate_limit" { "Rate limit" }
                input #rate_limit type="text" name="rate_limit" placeholder="the gateway's default"
                    value=[device.rate_limit.map(|rate| rate.to_string())];
                div.actions { button type="submit" { "Save" } }
            }
            form method="post" action={ (here) "/delete" } {
                button.danger type="submit" { "Remove the device and its keys" }
                span.quiet { " Its messages stay." }
            }
        }
    }
}

async fn recent(api: &Api, who: &Who, status: DeviceStatus) -> Result<Markup, Refusal> {
    let query = MessageQuery { device: Some(status.device.id), ..MessageQuery::new(who.account, RECENT) };
    let found = api.handle.messages(&query).await?;
    let all = format!("/dashboard/messages?device_id={}", status.device.id);
    Ok(html! {
        h2 { "Its newest messages" }
        (messages::table(&found, &[status]))
        p.next { a href=(all) { "All of them" } }
    })
}

/// `POST /dashboard/devices/{id}`
pub(super) async fn update(
    State(api): State<Api>,
    visitor: Visitor<DevicesAdmin>,
    Id(id): Id<DeviceId>,
    form: Form,
) -> Result<Response, Refusal> {
    let request: UpdateDeviceRequest = form.read(&[], &[], api.handle.now())?;
    let mut patch = request.into_patch();
    // The form shows all of it: what is empty there is to be removed.
    patch.description.get_or_insert(None);
    patch.rate_limit.get_or_insert(None);
    change(api, &visitor, id, patch).await
}

async fn change(api: Api, who: &Who, id: DeviceId, patch: DevicePatch) -> Result<Response, Refusal> {
    acts::devices::update(api, *who, id, patch).await?;
    Ok(Redirect::to(&format!("/dashboard/devices/{id}")).into_response())
}

/// `POST /dashboard/devices/{id}/pause`
pub(super) async fn pause(
    State(api): State<Api>,
    visitor: Visitor<DevicesAdmin>,
    Id(id): Id<DeviceId>,
) -> Result<Response, Refusal> {
    change(api, &visitor, id, DevicePatch { paused: Some(true), ..DevicePatch::default() }).await
}

/// `POST /dashboard/devices/{id}/resume`
pub(super) async fn resume(
    State(api): State<Api>,
    visitor: Visitor<DevicesAdmin>,
    Id(id): Id<DeviceId>,
) -> Result<Response, Refusal> {
    change(api, &visitor, id, DevicePatch { paused: Some(false), ..DevicePatch::default() }).await
}

/// `POST /dashboard/devices/{id}/delete`
pub(super) async fn delete(
    State(api): State<Api>,
    visitor: Visitor<DevicesAdmin>,
    Id(id): Id<DeviceId>,
) -> Result<Response, Refusal> {
    acts::devices::delete(api, *visitor, id).await?;
    Ok(Redirect::to("/dashboard/devices").into_response())
}
