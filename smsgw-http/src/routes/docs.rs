//! The API's own documentation, served from the binary: the document, a page to try it, the catalogue of problems.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::get;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::problem::Code;
use crate::router::Api;

/// Where the document is.
const DOCUMENT: &str = "/openapi.json";

/// Serves `document`, which is JSON.
pub(crate) fn router(document: &str) -> Router<Api> {
    let document = Bytes::copy_from_slice(document.as_bytes());
    // The validator is another host's: the page asks nobody but us.
    let page =
        SwaggerUi::new("/docs").config(Config::from(DOCUMENT).validator_url("none").try_it_out_enabled(true));
    Router::from(page)
        .route(DOCUMENT, get(|| async move { ([(CONTENT_TYPE, "application/json")], document) }))
        .route("/problems", get(problems))
        // Whoever opens the address alone is shown what is here.
        .route("/", get(async || Redirect::temporary("/docs")))
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
    ([(CONTENT_SECURITY_POLICY, "default-src 'none'")], Html(page))
}
