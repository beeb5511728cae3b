//! Pair a phone: a key of its own, shown once, with a code for its camera and the three settings for who types.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, PreEscaped, html};
use qrcodegen::{QrCode, QrCodeEcc};
use smsgw_core::device::Protocol;
use smsgw_core::gateway::NewDevice;
use smsgw_core::id::DeviceId;
use smsgw_core::key::{Credential, KeyId};
use smsgw_core::time::Timestamp;

use super::form::Form;
use super::layout::{Place, page, page_as};
use super::refusal::{Refusal, absent, sentence};
use super::session::Visitor;
use crate::acts;
use crate::auth::{DevicesAdmin, Who};
use crate::page::Parameters;
use crate::problem::Problem;
use crate::router::Api;
use crate::routes::devices::CreateDeviceRequest;
use crate::routes::keys::CreateKeyRequest;
use crate::routes::{Id, Ids, RotateRequest};

/// `GET /dashboard/pair`
pub(super) async fn ask(visitor: Visitor<DevicesAdmin>, parameters: Parameters) -> Result<Response, Refusal> {
    parameters.only(&[])?;
    Ok(page(&visitor, Place::Pair, "Pair a phone", questions(None, None)))
}

/// `POST /dashboard/pair`: a new device and its key.
pub(super) async fn new_device(
    State(api): State<Api>,
    visitor: Visitor<DevicesAdmin>,
    form: Form,
) -> Result<Response, Refusal> {
    let new: Result<NewDevice, Problem> =
        form.read(&[], &[], api.handle.now()).map(CreateDeviceRequest::into_device);
    match new {
        Ok(new) => {
            let device = acts::devices::create(api.clone(), *visitor, new).await?;
            pair(api, &visitor, device.id, None).await
        }
        Err(problem) => {
            let body = questions(form.get("name"), Some(&problem));
            Ok(page_as(problem.code().status(), &visitor, Place::Pair, "Pair a phone", body))
        }
    }
}

/// `POST /dashboard/devices/{id}/pair`: another key of a device that is there.
pub(super) async fn device(
    State(api): State<Api>,
    visitor: Visitor<DevicesAdmin>,
    Id(id): Id<DeviceId>,
    form: Form,
) -> Result<Response, Refusal> {
    let request: CreateKeyRequest = form.read(&[], &["expires_at"], api.handle.now())?;
    pair(api, &visitor, id, request.expires_at).await
}

/// `POST /dashboard/devices/{id}/keys/{key}/rotate`
pub(super) async fn rotate(
    State(api): State<Api>,
    visitor: Visitor<DevicesAdmin>,
    Ids(device, key): Ids<DeviceId, KeyId>,
    form: Form,
) -> Result<Response, Refusal> {
    let RotateRequest { grace } = form.read(&["grace"], &[], api.handle.now())?;
    let (credential, _) = acts::keys::rotate(api.clone(), *visitor, device, key, grace).await?;
    shown(&api, &visitor, device, &credential).await
}

async fn pair(
    api: Api,
    who: &Who,
    device: DeviceId,
    expires_at: Option<Timestamp>,
) -> Result<Response, Refusal> {
    let (credential, _) = acts::keys::create(api.clone(), *who, device, expires_at).await?;
    shown(&api, who, device, &credential).await
}

async fn shown(api: &Api, who: &Who, id: DeviceId, key: &Credential) -> Result<Response, Refusal> {
    let device = api.handle.device(who.account, id).await?.ok_or_else(absent)?.device;
    let server = api.config.dashboard.devices_connect_to.as_deref();
    // Who speaks the original protocol names itself by its key.
    let user = match device.protocol {
        Protocol::Native => id.to_string(),
        Protocol::Original => key.expose().to_owned(),
    };
    let body = html! {
        h1 { "Pair " (device.name) }
        p { "Scan the code with the phone's app, or type the three settings. The key is shown here and never again." }
        div.pair {
            (code(&pairing(server, &user, key)))
            dl.facts {
                dt { "Server" } dd { code { (server.unwrap_or("the MQTT address of this gateway")) } }
                dt { "User name and client id" } dd { code { (user) } }
                dt { "Password" } dd { code.secret { (key.expose()) } }
            }
        }
        div #standing hx-get={ "/dashboard/devices/" (id) } hx-trigger="every 2s" hx-select="#now > .lead" hx-swap="innerHTML" {
            p { "Waiting for the phone to connect." }
        }
        p.actions { a.button href={ "/dashboard/devices/" (id) } { "To the device" } }
    };
    Ok(page(who, Place::Pair, "Pair a phone", body))
}

/// What the code says: an address with everything that a phone needs.
fn pairing(server: Option<&str>, user: &str, key: &Credential) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(server.map(|server| ("server", server)));
    query.append_pair("user", user).append_pair("password", key.expose());
    format!("smsgw://pair?{}", query.finish())
}

/// `text` as a QR code with its quiet zone.
fn code(text: &str) -> Markup {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return html! {} };
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        for x in (0..size).filter(|x| code.get_module(*x, y)) {
            path.push_str(&format!("M{} {}h1v1h-1z", x + 4, y + 4));
        }
    }
    let view = format!("0 0 {0} {0}", size + 8);
    html! {
        svg.code viewBox=(view) role="img" aria-label="QR code with the three settings" {
            rect width="100%" height="100%" fill="#fff" {}
            (PreEscaped(format!("<path d=\"{path}\" fill=\"#000\"/>")))
        }
    }
}

fn questions(name: Option<&str>, wrong: Option<&Problem>) -> Markup {
    html! {
        h1 { "Pair a phone" }
        p { "Makes a device and its key, and shows what to scan or to type." }
        @if let Some(problem) = wrong { p.wrong role="alert" { (sentence(problem.detail())) } }
        form.card method="post" action="/dashboard/pair" {
            label for="name" { "Name of the phone" }
            input #name type="text" name="name" required maxlength="100" value=[name];
            div.actions { button type="submit" { "Make a key" } }
        }
        p { "For a phone that has a device already, make a key on the page of " a href="/dashboard/devices" { "its device" } "." }
    }
}
