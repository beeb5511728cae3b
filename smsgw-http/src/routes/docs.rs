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

/// What the catalogue of problems may load.
const CATALOGUE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
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
        .route("/problems", get(problems))
        .route("/problems.css", get(async || ([(CONTENT_TYPE, "text/css")], include_str!("problems.css"))));
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

/// Every code that a problem may have, with its cause and its cure. The `type` of a problem points here.
async fn problems() -> impl IntoResponse {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Problems</title>\n<link rel=\"stylesheet\" href=\"/problems.css\">\n<h1>Problems</h1>\n\
         <p>What a refusal of this API may have as its <code>code</code>. <a href=\"/docs\">The API</a></p>\n",
    );
    for code in Code::ALL {
        let (name, status, title) = (code.as_str(), code.status().as_u16(), code.title());
        let (means, cure) = (code.means(), code.cure());
        page.push_str(&format!(
            "<section id=\"{name}\"><h2><code>{name}</code> ({status})</h2><p><b>{title}.</b></p><p>{means}</p><p>{cure}</p></section>\n"
        ));
    }
    page.push_str("</html>\n");
    ([(CONTENT_SECURITY_POLICY, CATALOGUE_POLICY)], Html(page))
}
