//! What a page says where the API would answer a problem.

use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use smsgw_core::error::Error;

use super::layout::bare;
use crate::problem::{Code, Problem};

/// A problem, for a person.
#[derive(Debug)]
pub(super) struct Refusal(Problem);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        if problem.code() == Code::Unauthorized {
            return Redirect::to("/dashboard/sign-in").into_response();
        }
        let title = problem.code().title();
        let body = html! {
            h1 { (title) }
            p { (sentence(problem.detail())) }
            p.actions { a.button href="/" { "To the overview" } a href="/dashboard/sign-in" { "Sign in with another token" } }
            p.quiet { "Code " code { (problem.code().as_str()) } }
        };
        let status = problem.code().status();
        let mut response = bare(status, title, body);
        if let Some(seconds) = problem.retry_seconds() {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// An id that is none.
pub(super) fn absent() -> Refusal {
    Problem::not_found().into()
}

/// `begin with a capital` is `Begin with a capital.`
pub(super) fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if detail.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
