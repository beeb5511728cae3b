//! Write a message: counts its parts while it is written, names the character that makes it dear, and shows the request that
//! would send it.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, State};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::json;
use smsgw_core::gateway::DeviceStatus;
use smsgw_core::message::MAX_SEGMENTS;
use smsgw_core::segment::segment;

use super::form::{Form, in_full};
use super::layout::{Place, page, page_as};
use super::messages::devices;
use super::refusal::{Refusal, sentence};
use super::session::{Visitor, is_tls};
use crate::auth::{MessagesWrite, Who};
use crate::headers::random_id;
use crate::page::Parameters;
use crate::problem::Problem;
use crate::router::Api;
use crate::routes::messages::{SendRequest, accept};

/// `GET /dashboard/compose`
pub(super) async fn ask(
    State(api): State<Api>,
    visitor: Visitor<MessagesWrite>,
    origin: Origin,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    parameters.only(&[])?;
    let devices = devices(&api, &visitor).await?;
    Ok(page(&visitor, Place::Compose, "Compose", questions(&Form::default(), &devices, None, &origin)))
}

/// `POST /dashboard/compose/preview`: the same page with the parts counted.
pub(super) async fn preview(
    State(api): State<Api>,
    visitor: Visitor<MessagesWrite>,
    origin: Origin,
    form: Form,
) -> Result<Response, Refusal> {
    let devices = devices(&api, &visitor).await?;
    Ok(page(&visitor, Place::Compose, "Compose", questions(&form, &devices, None, &origin)))
}

/// `POST /dashboard/compose`
pub(super) async fn send(
    State(api): State<Api>,
    visitor: Visitor<MessagesWrite>,
    origin: Origin,
    form: Form,
) -> Result<Response, Refusal> {
    match submit(&api, &visitor, &form).await {
        Ok(address) => Ok(Redirect::to(&address).into_response()),
        Err(problem) => {
            let devices = devices(&api, &visitor).await?;
            let body = questions(&form, &devices, Some(&problem), &origin);
            Ok(page_as(problem.code().status(), &visitor, Place::Compose, "Compose", body))
        }
    }
}

/// Where the accepted message is.
async fn submit(api: &Api, who: &Who, form: &Form) -> Result<String, Problem> {
    let request: SendRequest = form.read(&["sim", "ttl"], &["send_at"], api.handle.now())?;
    // The form has an id of its own, so that sending it twice sends one message.
    let message = accept(api, request.into_message(who.account, None)).await?;
    Ok(format!("/dashboard/messages/{}", message.id))
}

fn questions(form: &Form, devices: &[DeviceStatus], wrong: Option<&Problem>, origin: &Origin) -> Markup {
    let fault = |name: &str| wrong.filter(|problem| problem.pointer().is_some_and(|at| at[1..] == *name));
    // Sent twice, the form makes one message.
    let id = form.get("id").map_or_else(|| random_id().to_string(), str::to_owned);
    html! {
        h1 { "Compose" }
        @if let Some(problem) = wrong { p.wrong role="alert" { (sentence(problem.detail())) } }
        form.card method="post" action="/dashboard/compose" {
            input type="hidden" name="id" value=(id);
            label for="to" { "To" }
            input #to type="text" inputmode="tel" name="to" required placeholder="+5351234567" value=[form.get("to")]
                autocomplete="off" aria-invalid=[fault("to").map(|_| "true")];
            label for="body" { "Text" }
            textarea #body name="body" rows="5" required aria-describedby="preview"
                aria-invalid=[fault("body").map(|_| "true")]
                hx-post="/dashboard/compose/preview" hx-trigger="input changed delay:200ms" hx-include="closest form"
                hx-target="#preview" hx-select="#preview" hx-select-oob="#curl" hx-swap="outerHTML" hx-sync="this:replace" {
                (form.get("body").unwrap_or_default())
            }
            (counted(form))
            details {
                summary { "The same by the API" }
                pre tabindex="0" { code #curl { (curl(form, &origin.0)) } }
            }
            @if !devices.is_empty() {
                label for="device" { "Device" }
                select #device name="device_id" {
                    option value="" { "any that is online" }
                    @for DeviceStatus { device, presence } in devices {
                        option value=(device.id) selected[form.get("device_id") == Some(&device.id.to_string())] {
                            (device.name) @if !presence.online { " (offline)" }
                        }
                    }
                }
            }
            details {
                summary { "More" }
                label for="priority" { "Priority" }
                select #priority name="priority" {
                    option value="normal" { "normal" }
                    option value="high" selected[form.get("priority") == Some("high")] { "high: before all that is normal" }
                }
                label for="send_at" { "Not before (UTC)" }
                input #send_at type="datetime-local" name="send_at" value=[form.get("send_at")];
                label for="ttl" { "Wanted for, in seconds" }
                input #ttl type="number" name="ttl" min="1" max="31622400" placeholder="86400" value=[form.get("ttl")];
                label for="sim" { "SIM slot" }
                input #sim type="number" name="sim" min="1" max="255" value=[form.get("sim")];
            }
            div.actions {
                button type="submit" { "Send" }
                button.plain type="submit" formaction="/dashboard/compose/preview" formnovalidate { "Count" }
            }
        }
    }
}

/// How many parts the text takes.
fn counted(form: &Form) -> Markup {
    let text = form.get("body").unwrap_or_default();
    let count = segment(text);
    html! {
        div #preview {
            p aria-live="polite" {
                (count.segments) @if count.segments == 1 { " part" } @else { " parts" }
                ", " (count.encoding) ", " (count.units_left) " characters left in the last one"
                @if count.segments > MAX_SEGMENTS { strong.wrong { " — at most " (MAX_SEGMENTS) " parts can be sent" } }
            }
            @if let Some(c) = count.forces_ucs2 {
                p { mark { (c) } " (U+" (format!("{:04X}", u32::from(c)))
                    ") is not in the GSM alphabet: a part holds " (count.encoding.single_capacity()) " characters instead of 160." }
            }
        }
    }
}

/// The request that sends the message, to a gateway at `origin`.
fn curl(form: &Form, origin: &str) -> String {
    let mut message =
        json!({"to": form.get("to").unwrap_or("+5351234567"), "body": form.get("body").unwrap_or_default()});
    for name in ["device_id", "priority"] {
        if let Some(value) = form.get(name).filter(|value| *value != "normal") {
            message[name] = value.into();
        }
    }
    if let Some(at) = form.get("send_at") {
        message["send_at"] = in_full(at).into();
    }
    for name in ["ttl", "sim"] {
        if let Some(number) = form.get(name).and_then(|text| text.parse::<u64>().ok()) {
            message[name] = number.into();
        }
    }
    // Within single quotes a shell takes everything as it is, but for the quote itself.
    let message = message.to_string().replace('\'', r"'\''");
    format!(
        "curl -s {origin}/messages \\\n  -H \"Authorization: Bearer $TOKEN\" \\\n  -H 'Content-Type: application/json' \\\n  -d '{message}'"
    )
}

/// Where the browser found this gateway, as `https://sms.example.org`.
pub(super) struct Origin(String);

impl FromRequestParts<Api> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Infallible> {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:8000");
        let scheme = if is_tls(parts) { "https" } else { "http" };
        Ok(Self(format!("{scheme}://{host}")))
    }
}
