//! One message: what it is, what it waits for, and every step of every attempt.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use smsgw_core::gateway::{Cancellation, DeviceStatus};
use smsgw_core::id::MessageId;
use smsgw_core::message::{Message, MessageEvent};
use smsgw_core::state::State as Status;

use super::layout::{Place, badge, page, time, time_or};
use super::messages::{devices, name_of};
use super::refusal::{Refusal, absent};
use super::session::Visitor;
use super::words;
use crate::acts;
use crate::auth::{MessagesRead, MessagesWrite, Who};
use crate::problem::{Code, Problem};
use crate::router::Api;
use crate::routes::Id;
use crate::routes::messages::again;

/// `GET /dashboard/messages/{id}`
pub(super) async fn show(
    State(api): State<Api>,
    visitor: Visitor<MessagesRead>,
    Id(id): Id<MessageId>,
) -> Result<Response, Refusal> {
    let message = api.handle.message(visitor.account, id).await?.ok_or_else(absent)?;
    let events = api.handle.message_events(visitor.account, id).await?.ok_or_else(absent)?;
    let devices = devices(&api, &visitor).await?;
    let here = format!("/dashboard/messages/{id}");
    let live = format!("/dashboard/live?message={id}");
    let body = html! {
        h1 { "Message" }
        div #message hx-get=(here) hx-trigger="moved, every 10s" hx-select="#message > *" hx-swap="innerHTML" data-live=(live) {
            (facts(&message, &devices))
            (actions(&visitor, &message))
            h2 #history { "What happened" }
            (timeline(&message, &events, &devices))
        }
    };
    Ok(page(&visitor, Place::Messages, "Message", body))
}

fn facts(message: &Message, devices: &[DeviceStatus]) -> Markup {
    html! {
        p.lead { (badge(message.state)) " " (words::of_state(message.state)) }
        @if let Some(reason) = message.reason.filter(|_| !message.state.is_terminal()) {
            p.why { strong { "Why it waits: " } (words::of_reason(reason)) }
        }
        @if let Some(failure) = &message.failure {
            p.why { strong { "What went wrong: " } code { (failure.code) }
                @if let Some(detail) = &failure.detail { " — " (detail) } }
        }
        dl.facts {
            dt { "To" } dd { (message.to.expose().as_str()) }
            dt { "Text" } dd.text {
                @if message.erased_at.is_some() { span.quiet { "erased" } } @else { (message.body.expose()) }
            }
            dt { "Parts" } dd { (message.segments) " (" (message.encoding) ")" }
            dt { "Device" } dd { (name_of(message.device, devices)) }
            @if let Some(sim) = message.sim { dt { "SIM" } dd { (sim) } }
            dt { "Priority" } dd { (message.priority.as_str()) }
            dt { "Attempts" } dd { (message.attempts) }
            dt { "Accepted" } dd { (time(message.created_at)) }
            dt { "Due" } dd { (time(message.due_at)) }
            dt { "Wanted until" } dd { (time(message.expires_at)) }
            dt { "Sent" } dd { (time_or(message.sent_at, "not yet")) }
            dt { "Delivered" } dd { (time_or(message.delivered_at, "not known")) }
            dt { "Id" } dd { code { (message.id) } }
        }
    }
}

fn actions(who: &Who, message: &Message) -> Markup {
    let may = who.scopes.contains(smsgw_core::account::Scope::MessagesWrite);
    let act = |name: &str, label: &str| {
        html! { form method="post" action={ "/dashboard/messages/" (message.id) "/" (name) } { button id=(name) type="submit" { (label) } } }
    };
    let is_over = message.state.is_terminal();
    let in_vain = is_over && message.state != Status::Delivered && message.erased_at.is_none();
    html! {
        @if may {
            div.actions {
                @if !is_over && message.state != Status::Sent && !message.is_canceling() { (act("cancel", "Take it back")) }
                @if in_vain { (act("retry", "Send it again")) }
                @if is_over && message.erased_at.is_none() { (act("erase", "Erase its text and number")) }
            }
        }
    }
}

fn timeline(message: &Message, events: &[MessageEvent], devices: &[DeviceStatus]) -> Markup {
    html! {
        ol.timeline aria-labelledby="history" {
            @for event in events {
                li {
                    (time(event.at))
                    span.quiet.since { "+" (format!("{:.3}", message.created_at.until(event.at).as_secs_f64())) " s" }
                    (badge(event.state))
                    @if event.attempt > 0 { span.quiet { "attempt " (event.attempt) } }
                    @if event.device.is_some() { span { (name_of(event.device, devices)) } }
                    @if let Some(reason) = event.reason { span { (words::of_reason(reason)) } }
                    @if let Some(code) = &event.code { code { (code) } }
                    @if !event.applied { span.quiet { "came too late and changed nothing" } }
                }
            }
        }
    }
}

/// `POST /dashboard/messages/{id}/cancel`
pub(super) async fn cancel(
    State(api): State<Api>,
    visitor: Visitor<MessagesWrite>,
    Id(id): Id<MessageId>,
) -> Result<Response, Refusal> {
    match api.handle.cancel(visitor.account, id).await?.ok_or_else(absent)? {
        Cancellation::Canceled(_) | Cancellation::Requested(_) => Ok(back(id)),
        Cancellation::TooLate(_) => {
            Err(Problem::new(Code::TooLate, "look at the message for what became of it").into())
        }
    }
}

/// `POST /dashboard/messages/{id}/erase`
pub(super) async fn erase(
    State(api): State<Api>,
    visitor: Visitor<MessagesWrite>,
    Id(id): Id<MessageId>,
) -> Result<Response, Refusal> {
    acts::messages::erase(api, *visitor, id).await?;
    Ok(back(id))
}

/// `POST /dashboard/messages/{id}/retry`: leads to the new message.
pub(super) async fn retry(
    State(api): State<Api>,
    visitor: Visitor<MessagesWrite>,
    Id(id): Id<MessageId>,
) -> Result<Response, Refusal> {
    Ok(back(again(&api, visitor.account, id, None).await?.id))
}

fn back(id: MessageId) -> Response {
    Redirect::to(&format!("/dashboard/messages/{id}")).into_response()
}
