//! What every answer has in common: the id of its request, and what a browser must not do with it.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// What names a request in the logs of both sides.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The caller's id of a request where it may stand in a log, or a new one.
pub(crate) fn request_id(request: &HeaderMap) -> HeaderValue {
    let plain = |value: &&HeaderValue| {
        (1..=64).contains(&value.len())
            && value.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    request.get(REQUEST_ID).filter(plain).cloned().unwrap_or_else(new_id)
}

/// An id for a request that has none.
pub(crate) fn new_id() -> HeaderValue {
    HeaderValue::from_str(&random_id().to_string()).unwrap_or(HeaderValue::from_static("-"))
}

/// An id that nothing else has. It is no secret: it can be guessed by whoever knows others.
pub(crate) fn random_id() -> Uuid {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid()
}

/// Puts them on an answer. What it says itself of caches, of its page's sources and
/// of what the next page is told stays.
pub(crate) fn finish(answer: &mut HeaderMap, id: HeaderValue) {
    answer.insert(REQUEST_ID, id);
    answer.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    answer.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    answer.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    answer.entry(CONTENT_SECURITY_POLICY).or_insert(nothing);
    // Numbers, texts and keys: nothing of it for a cache on the way.
    answer.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
