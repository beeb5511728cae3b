//! What every page has around it, and the small parts that pages share.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use smsgw_core::account::Scope;
use smsgw_core::state::State;
use smsgw_core::time::Timestamp;

use super::assets::address;
use crate::auth::Who;
use crate::problem::Dressed;

/// What a page may load: scripts and styles from this host, nothing written into the page, nothing from anywhere else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);
/// htmx writes no style into the page, evaluates nothing, and asks nobody else.
const HTMX: &str =
    r#"{"allowEval":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"historyEnabled":false}"#;

/// The pages that the navigation leads to, and the scope that each needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Messages,
    Compose,
    Devices,
    Pair,
    Keys,
    Inbox,
    Security,
    Health,
}

const PLACES: [(Place, &str, &str, Option<Scope>); 9] = [
    (Place::Overview, "Overview", "/", None),
    (Place::Messages, "Messages", "/dashboard/messages", Some(Scope::MessagesRead)),
    (Place::Compose, "Compose", "/dashboard/compose", Some(Scope::MessagesWrite)),
    (Place::Devices, "Devices", "/dashboard/devices", Some(Scope::DevicesRead)),
    (Place::Pair, "Pair a phone", "/dashboard/pair", Some(Scope::DevicesAdmin)),
    (Place::Keys, "Keys", "/dashboard/keys", None),
    (Place::Inbox, "Inbox", "/dashboard/inbox", Some(Scope::InboxRead)),
    (Place::Security, "Security", "/dashboard/security", Some(Scope::Admin)),
    (Place::Health, "Health", "/dashboard/health", None),
];

/// A page of somebody who has signed in.
pub(super) fn page(who: &Who, place: Place, title: &str, body: Markup) -> Response {
    page_as(StatusCode::OK, who, place, title, body)
}

/// The same, as the answer to a form that was refused.
pub(super) fn page_as(status: StatusCode, who: &Who, place: Place, title: &str, body: Markup) -> Response {
    let may = |scope: Option<Scope>| scope.is_none_or(|scope| who.scopes.contains(scope));
    let top = html! {
        nav aria-label="Pages" {
            ul {
                @for (other, name, address, scope) in PLACES {
                    @if may(scope) {
                        li { a href=(address) aria-current=[(other == place).then_some("page")] { (name) } }
                    }
                }
            }
        }
        form.leave method="post" action="/dashboard/sign-out" { button.plain type="submit" { "Sign out" } }
    };
    whole(status, title, top, body)
}

/// A page of nobody in particular.
pub(super) fn bare(status: StatusCode, title: &str, body: Markup) -> Response {
    whole(status, title, html! {}, html! { div.narrow { (body) } })
}

fn whole(status: StatusCode, title: &str, top: Markup, body: Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX);
                title { (title) " · smsgw" }
                link rel="icon" type="image/svg+xml" href=(address("icon.svg"));
                link rel="stylesheet" href=(address("uplot.min.css"));
                link rel="stylesheet" href=(address("dashboard.css"));
                @for script in ["htmx.min.js", "uplot.min.js", "dashboard.js"] {
                    script src=(address(script)) defer {}
                }
            }
            body {
                a.skip href="#main" { "To the content" }
                header { a.brand href="/" { "smsgw" } (top) }
                p #stale.wrong role="alert" hidden { "The gateway does not answer: what is shown here may be old." }
                main #main tabindex="-1" { (body) }
                footer {
                    a href="/docs" { "API" } " · " a href="/problems" { "Problems" } " · smsgw " (env!("CARGO_PKG_VERSION"))
                }
            }
        }
    };
    let mut response = (status, Html(page.into_string())).into_response();
    response.extensions_mut().insert(Dressed);
    response
}

/// Holds the browser to what is ours.
pub(super) async fn confine(mut response: Response) -> Response {
    let is_page = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/html");
    if response.headers().get(CONTENT_TYPE).is_some_and(is_page) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
        // Without it, and without TLS, a browser does not say that a form is from a page of ours.
        response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    }
    response
}

/// A point in time, to the second.
pub(super) fn time(at: Timestamp) -> Markup {
    let text = at.to_string();
    let short = text.get(..19).unwrap_or(&text).replace('T', " ");
    html! { time datetime=(text) title=(text) { (short) } }
}

/// The same where there may be none.
pub(super) fn time_or(at: Option<Timestamp>, none: &str) -> Markup {
    at.map_or_else(|| html! { span.quiet { (none) } }, time)
}

/// How long ago something was, in the largest unit.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let seconds = at.until(now).as_secs();
    let text = match seconds {
        0..=1 => "just now".to_owned(),
        2..=119 => format!("{seconds} s ago"),
        120..=7_199 => format!("{} min ago", seconds / 60),
        7_200..=172_799 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    };
    html! { time datetime=(at) title=(at) { (text) } }
}

/// A state, so that good ends, bad ends and what is on its way can be told apart, also without colours.
pub(super) fn badge(state: State) -> Markup {
    let kind = match state {
        State::Delivered => "good",
        State::Sent | State::Acknowledged | State::Dispatched | State::Sending => "going",
        State::Scheduled | State::Queued | State::Canceled => "idle",
        State::Undelivered | State::Failed | State::Expired | State::Unknown => "bad",
    };
    html! { span.badge.(kind) { (state) } }
}

/// The link to the next page of a list.
pub(super) fn next(address: Option<String>) -> Markup {
    html! { @if let Some(address) = address { p.next { a href=(address) rel="next" { "Older" } } } }
}

/// The end of an id, where there is no room for all of it.
pub(super) fn short(id: impl std::fmt::Display) -> String {
    let text = id.to_string();
    format!("…{}", &text[text.len().saturating_sub(6)..])
}
