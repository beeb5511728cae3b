//! Forms are taken from our own pages only: the browser says where a request comes from, and no page can make it lie.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::refusal::Refusal;
use crate::problem::{Code, Problem};

/// Refuses whatever may change something and does not come from a page of ours.
pub(super) async fn same(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) || is_ours(request.headers()) {
        return next.run(request).await;
    }
    Refusal::from(Problem::new(Code::Forbidden, "send this from a page of this gateway")).into_response()
}

fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text(ORIGIN.as_str()), text(HOST.as_str())) {
        (Some(site), _, _) => site == "same-origin",
        // Without TLS, on another machine than the browser's, it is said in another way.
        (None, Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(headers: &[(&'static str, &'static str)]) -> bool {
        is_ours(
            &headers
                .iter()
                .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
                .collect(),
        )
    }

    #[test]
    fn only_a_page_of_this_host_is_ours() {
        assert!(ours(&[("sec-fetch-site", "same-origin"), ("origin", "https://elsewhere"), ("host", "a:1")]));
        assert!(ours(&[("origin", "http://a:1"), ("host", "a:1")]));
        for other in ["cross-site", "same-site", "none", ""] {
            assert!(
                !ours(&[("sec-fetch-site", other), ("origin", "http://a:1"), ("host", "a:1")]),
                "{other}"
            );
        }
        for origin in ["null", "http://a", "http://a:2", "http://b:1", "http://x/a:1", ""] {
            assert!(!ours(&[("origin", origin), ("host", "a:1")]), "{origin}");
        }
        assert!(!ours(&[("host", "a:1")]) && !ours(&[]));
    }
}
