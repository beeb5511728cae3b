//! What goes wrong, as RFC 9457 problem details: the one place where an error becomes a status.

mod codes;

use std::borrow::Cow;
use std::time::Duration;

use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use smsgw_core::error::{Error, ErrorKind, Retry};
use utoipa::ToSchema;

pub(crate) use codes::Code;

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// An answer that is not what was asked for. Holds nothing of what the caller wrote but the name of a field.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    pointer: Option<String>,
    retry_after: Option<u64>,
    challenge: Option<Cow<'static, str>>,
    close: bool,
}

/// What [`Problem`] looks like on the wire.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Where the code is described, relative to the address of the API.
    #[schema(value_type = String, example = "/problems#invalid_field")]
    r#type: String,
    /// The same for every problem of the code.
    #[schema(value_type = String, example = "A field is missing, unknown or not valid")]
    title: &'static str,
    /// The status, again.
    #[schema(example = 422)]
    status: u16,
    /// The code, stable between versions.
    #[schema(value_type = String, example = "invalid_field")]
    code: &'static str,
    /// What to do about it.
    #[schema(value_type = String, example = "begin the phone number with `+` and the country code")]
    detail: &'a str,
    /// The field that it is about, as RFC 6901 writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "/to")]
    pointer: Option<&'a str>,
}

impl Problem {
    /// A problem of `code`; `detail` says what to do about it.
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let close = code.closes();
        Self { code, detail: detail.into(), pointer: None, retry_after: None, challenge: None, close }
    }

    /// A field of the body that is not as it should be. `pointer` is a JSON pointer.
    pub(crate) fn field(pointer: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidField, detail).at(pointer)
    }

    /// What is not there, or is another's: the two cannot be told apart.
    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "nothing of yours has this id")
    }

    /// Names the field that it is about.
    pub(crate) fn at(self, pointer: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), ..self }
    }

    /// Of a part of the body that is at `pointer`: the field that it is about is one of that part.
    pub(crate) fn within(self, pointer: &str) -> Self {
        let field = self.pointer.as_deref().unwrap_or_default();
        let pointer = Some(format!("{pointer}{field}"));
        Self { pointer, ..self }
    }

    /// The status that goes with it.
    pub(crate) fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// What it looks like on the wire.
    pub(crate) fn body(&self) -> ProblemBody<'_> {
        ProblemBody {
            r#type: format!("/problems#{}", self.code.as_str()),
            title: self.code.title(),
            status: self.status().as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            pointer: self.pointer.as_deref(),
        }
    }

    /// Asks for a token, as RFC 6750 writes it.
    pub(crate) fn challenging(self, challenge: impl Into<Cow<'static, str>>) -> Self {
        Self { challenge: Some(challenge.into()), ..self }
    }

    /// Says when to ask again.
    pub(crate) fn after(self, pause: Duration) -> Self {
        Self { retry_after: Some(whole_seconds(pause).max(1)), ..self }
    }

    /// Says after how many seconds it may work.
    pub(crate) fn retrying_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Ends the connection after the answer.
    pub(crate) fn closing(self) -> Self {
        Self { close: true, ..self }
    }

    /// Its code.
    #[cfg(feature = "dashboard")]
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// What to do about it.
    #[cfg(feature = "dashboard")]
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The field that it is about.
    #[cfg(feature = "dashboard")]
    pub(crate) fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }

    /// After how many seconds it may work, where that is known.
    #[cfg(feature = "dashboard")]
    pub(crate) fn retry_seconds(&self) -> Option<u64> {
        self.retry_after
    }

    /// What stands in for an answer that a library gave in words of its own.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(Code::UnknownRoute, "the routes are listed at /openapi.json"),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(Code::MethodNotAllowed, "the methods of this route are in the header Allow")
            }
            other if other.is_client_error() => Self::new(Code::BadRequest, "the request could not be read"),
            _ => Self::new(Code::Internal, "this is a fault of the gateway; its log says more"),
        }
    }
}

impl From<Error> for Problem {
    /// The only place where the kind of an error becomes a status. The error goes to the log; the caller hears its kind.
    fn from(error: Error) -> Self {
        let (code, detail) = match error.kind() {
            ErrorKind::Unavailable => (Code::Unavailable, "nothing was lost; send the request again"),
            ErrorKind::Timeout => (
                Code::Timeout,
                "it may or may not have happened; send the request again under the same id or key",
            ),
            ErrorKind::Throttled => {
                (Code::Throttled, "nothing was accepted; send the request again, and slower")
            }
            ErrorKind::Closed => {
                (Code::Closing, "nothing was accepted; send the request to another gateway or again")
            }
            // Our own credentials: the operator's to mend, and as good as away for the caller.
            ErrorKind::Unauthorized => (Code::Unavailable, "nothing was accepted; the operator has to act"),
            _ => (Code::Internal, "this is a fault of the gateway; its log says more"),
        };
        // An outage fails every request: the engine says so once, this would say so thousands of times a second.
        if code.status() == StatusCode::SERVICE_UNAVAILABLE {
            tracing::debug!(%error, "cannot serve");
        } else {
            tracing::error!(%error, "failed");
        }
        let retry_after = (code.status() == StatusCode::SERVICE_UNAVAILABLE).then(|| match error.retry() {
            Retry::After(pause) => whole_seconds(pause),
            Retry::Later | Retry::Never => 1,
        });
        Self { retry_after, ..Self::new(code, detail) }
    }
}

/// `Retry-After` knows whole seconds only; a part of one counts as one.
pub(crate) fn whole_seconds(pause: Duration) -> u64 {
    pause.as_secs() + u64::from(pause.subsec_nanos() > 0)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let mut response = (status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(challenge) = self.challenge
            && let Ok(challenge) = HeaderValue::from_str(&challenge)
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Marks an answer that says in its own way what is wrong, as a page does.
#[cfg(feature = "dashboard")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dressed;

fn is_dressed(response: &Response) -> bool {
    let is_json = |value: &HeaderValue| value.as_bytes().ends_with(b"json");
    #[cfg(feature = "dashboard")]
    if response.extensions().get::<Dressed>().is_some() {
        return true;
    }
    response.headers().get(CONTENT_TYPE).is_some_and(is_json)
}

/// Puts a problem in the place of a refusal that a library answered without one: an unknown route, a wrong method, a
/// missing file of the documentation. Its headers stay, so that `Allow` does.
pub(crate) fn dress(response: Response) -> Response {
    let status = response.status();
    let refused = status.is_client_error() || status.is_server_error();
    if !refused || is_dressed(&response) {
        return response;
    }
    let (dull, _) = response.into_parts();
    let mut dressed = Problem::of_status(status).into_response();
    for (name, value) in &dull.headers {
        if !dressed.headers().contains_key(name) && name != CONTENT_LENGTH {
            dressed.headers_mut().insert(name, value.clone());
        }
    }
    dressed
}

/// What a client hears when a handler panicked.
pub(crate) fn panicked() -> Response {
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_work_later_is_503_with_retry_after() {
        let problem = |kind| Problem::from(Error::new(kind, "memory", "insert")).into_response();
        for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Throttled, ErrorKind::Closed] {
            let response = problem(kind);
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{kind:?}");
            assert_eq!(response.headers()[RETRY_AFTER], "1", "{kind:?}");
        }
        for kind in [ErrorKind::Corrupt, ErrorKind::Internal, ErrorKind::Invalid, ErrorKind::Unsupported] {
            let response = problem(kind);
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{kind:?}");
            assert!(!response.headers().contains_key(RETRY_AFTER), "{kind:?}");
        }
        let slow = Error::new(ErrorKind::Throttled, "memory", "insert")
            .with_retry(Retry::After(Duration::from_millis(1_500)));
        assert_eq!(Problem::from(slow).into_response().headers()[RETRY_AFTER], "2");
    }
}
