//! API keys of devices and tokens of the account: when they end, when they were used; replace them, end them.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use smsgw_core::account::{Scope, Token};
use smsgw_core::device::DeviceKey;
use smsgw_core::gateway::DeviceStatus;
use smsgw_core::id::DeviceId;
use smsgw_core::key::{Credential, KeyId};
use smsgw_core::store::Cursor;
use smsgw_core::time::Timestamp;

use super::form::Form;
use super::layout::{Place, next, page, page_as, time, time_or};
use super::refusal::{Refusal, sentence};
use super::session::Visitor;
use crate::acts;
use crate::auth::{AnyToken, DevicesAdmin, Who};
use crate::page::{Parameters, encode};
use crate::problem::Problem;
use crate::router::Api;
use crate::routes::tokens::CreateTokenRequest;
use crate::routes::{Id, Ids, RotateRequest};

/// The name of the list in its cursors: a page of devices, each with its keys.
const LIST: &str = "devices";
/// Devices of a page.
const ROWS: usize = 25;

/// `GET /dashboard/keys`
pub(super) async fn list(
    State(api): State<Api>,
    visitor: Visitor<AnyToken>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let given = parameters.only(&["cursor"])?;
    let after = given.cursor(LIST, visitor.account)?;
    let body = html! {
        h1 { "Keys" }
        @if visitor.scopes.contains(Scope::DevicesRead) { (of_devices(&api, &visitor, after).await?) }
        (tokens(&api, &visitor, None).await?)
    };
    Ok(page(&visitor, Place::Keys, "Keys", body))
}

async fn of_devices(api: &Api, visitor: &Who, after: Option<Cursor>) -> Result<Markup, Refusal> {
    let found = api.handle.devices(visitor.account, after, ROWS).await?;
    let mut all = Vec::with_capacity(found.items.len());
    for status in &found.items {
        all.push((status, api.handle.keys(visitor.account, status.device.id).await?.unwrap_or_default()));
    }
    let older =
        found.next.map(|cursor| format!("/dashboard/keys?cursor={}", encode(LIST, visitor.account, cursor)));
    let may_change = visitor.scopes.contains(Scope::DevicesAdmin);
    Ok(html! {
        h2 { "API keys of devices" }
        (table(&all, may_change, api.handle.now()))
        (next(older))
    })
}

/// Keys, a row each.
pub(super) fn table(devices: &[(&DeviceStatus, Vec<DeviceKey>)], may_change: bool, now: Timestamp) -> Markup {
    let none = devices.iter().all(|(_, keys)| keys.is_empty());
    html! {
        div.scroll tabindex="0" role="region" aria-label="API keys" {
            @if none { p.empty { "No keys yet." } } @else {
                table {
                    thead { tr { th scope="col" { "Key" } th scope="col" { "Device" } th scope="col" { "Made" }
                        th scope="col" { "Last used" } th scope="col" { "Ends" } th scope="col" { "" } } }
                    tbody { @for (status, keys) in devices { @for key in keys { (row(status, key, may_change, now)) } } }
                }
            }
        }
    }
}

fn row(status: &DeviceStatus, key: &DeviceKey, may_change: bool, now: Timestamp) -> Markup {
    let device = &status.device;
    let act = |name: &str, label: &str, class: &str| {
        html! {
            form method="post" action={ "/dashboard/devices/" (device.id) "/keys/" (key.id) "/" (name) } {
                button.(class) type="submit" { (label) }
            }
        }
    };
    html! {
        tr {
            td { code { "sgw_dev_" (key.id) "_…" } }
            td { a href={ "/dashboard/devices/" (device.id) } { (device.name) } }
            td { (time(key.created_at)) }
            td { (time_or(key.last_used_at, "never")) }
            td { (end(key.ends_at(), now)) }
            td.actions { @if may_change && key.is_valid(now) { (act("rotate", "Replace", "plain")) (act("revoke", "Revoke", "danger")) } }
        }
    }
}

/// When it ends or has ended.
fn end(end: Option<Timestamp>, now: Timestamp) -> Markup {
    html! {
        @match end {
            None => span.quiet { "never" },
            Some(end) if end <= now => { span.badge.bad { "ended" } " " (time(end)) },
            Some(end) => (time(end)),
        }
    }
}

/// `POST /dashboard/devices/{id}/keys/{key}/revoke`
pub(super) async fn revoke(
    State(api): State<Api>,
    visitor: Visitor<DevicesAdmin>,
    Ids(device, key): Ids<DeviceId, KeyId>,
) -> Result<Response, Refusal> {
    acts::keys::revoke(api, *visitor, device, key).await?;
    Ok(Redirect::to(&format!("/dashboard/devices/{device}")).into_response())
}

/// The tokens of the account, and a form for another.
async fn tokens(api: &Api, who: &Who, wrong: Option<&Problem>) -> Result<Markup, Refusal> {
    let tokens = api.handle.tokens(who.account).await?;
    Ok(html! {
        h2 { "API tokens" }
        div.scroll tabindex="0" role="region" aria-label="API tokens" {
            table {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Token" } th scope="col" { "Opens" }
                    th scope="col" { "Last used" } th scope="col" { "Ends" } th scope="col" { "" } } }
                tbody { @for token in &tokens { (token_row(token, who, api.handle.now())) } }
            }
        }
        h3 { "New token" }
        @if let Some(problem) = wrong { p.wrong role="alert" { (sentence(problem.detail())) } }
        form.card method="post" action="/dashboard/tokens" {
            label for="token-name" { "Name" }
            input #token-name type="text" name="name" required maxlength="100";
            label for="scopes" { "Opens" }
            input #scopes type="text" name="scopes" placeholder=(who.scopes) aria-describedby="scopes-hint";
            p #scopes-hint.quiet { "Scopes with a space between; all that yours opens where nothing is said." }
            label for="token-end" { "Ends (UTC)" }
            input #token-end type="datetime-local" name="expires_at";
            div.actions { button type="submit" { "Create" } }
        }
    })
}

fn token_row(token: &Token, who: &Who, now: Timestamp) -> Markup {
    let lives = token.ends_at().is_none_or(|end| now < end);
    html! {
        tr {
            td { (token.name) @if token.id == who.token { " " span.quiet { "(yours)" } } }
            td { code { "sgw_tok_" (token.id) "_…" } }
            td { (token.scopes) }
            td { (time_or(token.last_used_at, "never")) }
            td { (end(token.ends_at(), now)) }
            td.actions { @if lives {
                form method="post" action={ "/dashboard/tokens/" (token.id) "/rotate" } { button.plain type="submit" { "Replace" } }
                form method="post" action={ "/dashboard/tokens/" (token.id) "/revoke" } { button.danger type="submit" { "Revoke" } }
            } }
        }
    }
}

/// `POST /dashboard/tokens`: shows the token, once.
pub(super) async fn create_token(
    State(api): State<Api>,
    visitor: Visitor<AnyToken>,
    form: Form,
) -> Result<Response, Refusal> {
    let made = match form.read::<CreateTokenRequest>(&[], &["expires_at"], api.handle.now()) {
        Ok(request) => acts::tokens::create(api.clone(), *visitor, request).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok((credential, token)) => Ok(shown(&visitor, &credential, &token)),
        Err(problem) => {
            let body = html! { h1 { "Keys" } (tokens(&api, &visitor, Some(&problem)).await?) };
            Ok(page_as(problem.code().status(), &visitor, Place::Keys, "Keys", body))
        }
    }
}

/// A new token, for the only time.
fn shown(who: &Who, credential: &Credential, token: &Token) -> Response {
    let body = html! {
        h1 { "Token " (token.name) }
        p { "It is shown here and never again: keep it where only those read who may use it." }
        p { code.secret { (credential.expose()) } }
        p.actions { a.button href="/dashboard/keys" { "Done" } }
    };
    page(who, Place::Keys, "Token", body)
}

/// `POST /dashboard/tokens/{id}/rotate`: the old one counts for a day.
pub(super) async fn rotate_token(
    State(api): State<Api>,
    visitor: Visitor<AnyToken>,
    Id(id): Id<KeyId>,
    form: Form,
) -> Result<Response, Refusal> {
    let RotateRequest { grace } = form.read(&["grace"], &[], api.handle.now())?;
    let (credential, token) = acts::tokens::rotate(api, *visitor, id, grace).await?;
    Ok(shown(&visitor, &credential, &token))
}

/// `POST /dashboard/tokens/{id}/revoke`
pub(super) async fn revoke_token(
    State(api): State<Api>,
    visitor: Visitor<AnyToken>,
    Id(id): Id<KeyId>,
) -> Result<Response, Refusal> {
    acts::tokens::revoke(api, *visitor, id).await?;
    Ok(Redirect::to("/dashboard/keys").into_response())
}
