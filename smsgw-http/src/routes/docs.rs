//! The API's own documentation, served from the binary: the document, a page to try it, the catalogue of problems.

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::problem::Code;
use crate::router::Api;

/// Where the document is.
const DOCUMENT: &str = "/openapi.json";
/// What the page may load: styles that it makes itself and pictures within its style sheet are of its library.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Serves `document`, which is JSON.
pub(crate) fn router(document: &str) -> Router<Api> {
    let document = Bytes::copy_from_slice(document.as_bytes());
    // The validator is another host's: the page asks nobody but us.
    let page =
        SwaggerUi::new("/docs").config(Config::from(DOCUMENT).validator_url("none").try_it_out_enabled(true));
    let pages = Router::from(page)
        .route_layer(map_response(confine))
        .route(DOCUMENT, get(|| async move { ([(CONTENT_TYPE, "application/json")], document) }))
        .route("/problems", get(problems));
    // Whoever opens the address alone is shown what is here.
    #[cfg(not(feature = "dashboard"))]
    let pages = pages.route("/", get(async || axum::response::Redirect::temporary("/docs")));
    pages
}

/// Lets the page load its own parts, and ask this API.
async fn confine(mut response: Response) -> Response {
    if response.status().is_success() {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, PAGE_POLICY);
    }
    response
}

/// Every code that a problem may have. The `type` of a problem points here.
async fn problems() -> impl IntoResponse {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Problems</title><h1>Problems</h1><dl>",
    );
    for code in Code::ALL {
        let (name, status, title) = (code.as_str(), code.status().as_u16(), code.title());
        page.push_str(&format!("<dt id=\"{name}\"><code>{name}</code> ({status})<dd>{title}."));
    }
    page.push_str("</dl></html>");
    Html(page)
}
