//! What a form sends: read by the same rules as the JSON of the API.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use smsgw_core::time::Timestamp;

use super::refusal::Refusal;
use crate::fields::{Fields, FromFields};
use crate::json::{MAX_BODY, Value, read_body};
use crate::problem::{Code, Problem};
use crate::router::Api;

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// The fields of a form that are not empty; the first where one is there twice.
#[derive(Debug, Default)]
pub(super) struct Form(BTreeMap<String, String>);

impl FromRequest<Api> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Api) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let typed = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(FORM));
        if !typed {
            return Err(Problem::new(Code::UnsupportedMediaType, "send it from a form of a page").into());
        }
        let body = read_body(&parts.headers, body, MAX_BODY).await?;
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(&body) {
            if !value.is_empty() {
                // A text area ends its lines as mail does; a phone wants newlines.
                fields.entry(name.into_owned()).or_insert_with(|| value.replace("\r\n", "\n"));
            }
        }
        Ok(Self(fields))
    }
}

impl Form {
    /// What a field holds, where it holds something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Reads it as the body of a request to the API. `numbers` names the fields that are numbers there, `times` those that
    /// are points in time, which a browser writes without seconds and a zone: they are UTC.
    pub(super) fn read<T: FromFields>(
        &self,
        numbers: &[&str],
        times: &[&str],
        now: Timestamp,
    ) -> Result<T, Problem> {
        let known = self.0.iter().filter(|(name, _)| T::FIELDS.contains(&name.as_str()));
        let value = |(name, text): (&'_ String, &'_ String)| {
            let value = match text.parse() {
                Ok(number) if numbers.contains(&name.as_str()) => Value::Whole(number),
                _ if times.contains(&name.as_str()) => Value::Text(Cow::Owned(in_full(text))),
                _ => Value::Text(Cow::Owned(text.clone())),
            };
            (Cow::Owned(name.clone()), value)
        };
        T::from_fields(&mut Fields::open(known.map(value).collect()), now)
    }
}

/// `2026-01-02T03:04` is `2026-01-02T03:04:00Z`; what is anything else stays, and is refused where it is read.
pub(super) fn in_full(text: &str) -> String {
    match text.len() {
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text.to_owned(),
    }
}
