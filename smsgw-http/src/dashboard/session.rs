//! Who looks at a page: whoever has signed in with a token, which their browser keeps where no script can read it and sends to
//! this host alone. There is no session beside the token: one that is revoked shows nothing from then on, on any gateway.

use std::ops::Deref;

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::form::Form;
use super::layout::bare;
use super::refusal::{Refusal, sentence};
use crate::auth::{AnyToken, Caller, Need, Presented, Who};
use crate::page::Parameters;
use crate::problem::Code;
use crate::router::Api;
use crate::serve::IsTls;

/// The name of the cookie.
const NAME: &str = "smsgw_token";
/// For how many seconds a browser keeps it: half a day.
const LIFE: u32 = 12 * 60 * 60;

/// Whoever opens a page, with a token that opens what the page needs.
pub(super) struct Visitor<N>(Caller<N>);

impl<N> Deref for Visitor<N> {
    type Target = Who;
    fn deref(&self) -> &Who {
        &self.0
    }
}

impl<N: Need> FromRequestParts<Api> for Visitor<N> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Response> {
        // Who has not signed in has tried nothing: that is no refused access.
        let Some(token) = token(&parts.headers) else { return Err(to_sign_in(parts)) };
        // Pages ask for themselves again and again: what does something counts, what looks does not.
        let counts = !parts.method.is_safe() && !parts.uri.path().ends_with("/preview");
        match Caller::admit(parts, api, Presented::Token(token), counts).await {
            Ok(caller) => Ok(Self(caller)),
            Err(problem) if problem.code() == Code::Unauthorized => Err(to_sign_in(parts)),
            Err(problem) => Err(Refusal::from(problem).into_response()),
        }
    }
}

/// The token that the browser sends.
fn token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, token)| token)
}

/// Sends whoever has not signed in to where that is done, and back here.
fn to_sign_in(parts: &Parts) -> Response {
    let place = parts.uri.path_and_query().map_or("/", |place| place.as_str());
    let next: String = form_urlencoded::byte_serialize(place.as_bytes()).collect();
    let address = match parts.method.is_safe() && place != "/" {
        true => format!("/dashboard/sign-in?next={next}"),
        false => "/dashboard/sign-in".to_owned(),
    };
    // A part of a page is not to be replaced by the page that asks for a token.
    if parts.headers.contains_key("hx-request") {
        return (StatusCode::NO_CONTENT, [("hx-redirect", address)]).into_response();
    }
    Redirect::to(&address).into_response()
}

/// `GET /dashboard/sign-in`
pub(super) async fn ask(parameters: Parameters) -> Result<Response, Refusal> {
    let given = parameters.only(&["next"])?;
    Ok(bare(StatusCode::OK, "Sign in", questions(given.get("next").unwrap_or("/"), None)))
}

/// `POST /dashboard/sign-in`
pub(super) async fn sign_in(State(api): State<Api>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let is_tls = is_tls(&parts);
    let form = Form::from_request(Request::from_parts(parts.clone(), body), &api).await?;
    let next = form.get("next").filter(|next| is_page(next)).unwrap_or("/");
    let token = form.get("token").map(str::trim).unwrap_or_default();
    match Caller::<AnyToken>::admit(&parts, &api, Presented::Token(token), true).await {
        Ok(_) => Ok((with_cookie(token, LIFE, is_tls), Redirect::to(next)).into_response()),
        Err(problem) => Ok(bare(problem.code().status(), "Sign in", questions(next, Some(problem.detail())))),
    }
}

/// `POST /dashboard/sign-out`
pub(super) async fn sign_out(request: Request) -> Response {
    let (parts, _) = request.into_parts();
    (with_cookie("", 0, is_tls(&parts)), Redirect::to("/dashboard/sign-in")).into_response()
}

fn questions(next: &str, wrong: Option<&str>) -> Markup {
    html! {
        h1 { "Sign in" }
        p { "With an API token, which begins with " code { "sgw_tok_" } ". The gateway prints one at its first start; "
            code { "gateway token" } " makes another." }
        form.card method="post" action="/dashboard/sign-in" {
            input type="hidden" name="next" value=(next);
            label for="token" { "Token" }
            input #token type="password" name="token" required autofocus autocomplete="current-password" spellcheck="false"
                aria-invalid=[wrong.map(|_| "true")] aria-describedby=[wrong.map(|_| "wrong")];
            @if let Some(wrong) = wrong { p #wrong.wrong role="alert" { (sentence(wrong)) } }
            button type="submit" { "Sign in" }
        }
    }
}

/// Whether it is an address of a page of ours, and of nobody else's.
fn is_page(next: &str) -> bool {
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    plain && (next == "/" || next.starts_with("/dashboard/"))
}

/// Whether the browser came over TLS, to us or to a proxy before us.
pub(super) fn is_tls(parts: &Parts) -> bool {
    let forwarded = parts.headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    forwarded || parts.extensions.get::<IsTls>().is_some()
}

fn with_cookie(token: &str, life: u32, is_tls: bool) -> [(axum::http::HeaderName, HeaderValue); 1] {
    let secure = if is_tls { "; Secure" } else { "" };
    let text = format!("{NAME}={token}; Path=/; Max-Age={life}; HttpOnly; SameSite=Lax{secure}");
    [(SET_COOKIE, HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("smsgw_token=")))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_host() {
        for page in ["/", "/dashboard/messages?state=failed", "/dashboard/devices/1"] {
            assert!(is_page(page), "{page}");
        }
        for other in [
            "",
            "//evil",
            "/\\evil",
            "https://evil",
            "/messages",
            "/dashboard/\r\nx",
            "/dashboard/\\x",
            "javascript:1",
        ] {
            assert!(!is_page(other), "{other}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let headers = |value: &'static str| HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(value))]);
        assert_eq!(token(&headers("a=b; smsgw_token=sgw_tok_x; c=d")), Some("sgw_tok_x"));
        assert_eq!(token(&headers("xsmsgw_token=1; smsgw_token2=3")), None);
    }
}
