//! What pages load: scripts and styles, all in the binary. The third-party files are as their projects released them; their
//! licences are in `assets/LICENSES.md`.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::problem::Problem;
use crate::router::Api;

/// A name that changes with the content is never asked for twice.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

macro_rules! assets {
    ($($name:literal: $kind:expr),* $(,)?) => {
        [$(Asset { name: $name, kind: $kind, content: include_bytes!(concat!("assets/", $name)) }),*]
    };
}

static ASSETS: [Asset; 6] = assets! {
    "htmx.min.js": SCRIPT,
    "uplot.min.js": SCRIPT,
    "dashboard.js": SCRIPT,
    "uplot.min.css": STYLE,
    "dashboard.css": STYLE,
    "icon.svg": "image/svg+xml",
};

/// The part of every asset's address that changes where any of them does.
static EDITION: LazyLock<String> = LazyLock::new(|| {
    let mut sum = crc32fast::Hasher::new();
    ASSETS.iter().for_each(|asset| sum.update(asset.content));
    format!("{:08x}", sum.finalize())
});

/// Where the asset `name` is.
pub(super) fn address(name: &str) -> String {
    format!("/dashboard/assets/{}/{name}", *EDITION)
}

/// Serves them, to anybody: the page that asks for a token needs them too.
pub(super) fn router() -> Router<Api> {
    Router::new().route("/dashboard/assets/{edition}/{name}", get(serve))
}

async fn serve(Path((_, name)): Path<(String, String)>) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => {
            ([(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, FOR_EVER)], asset.content).into_response()
        }
        None => Problem::not_found().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_browser_loads_is_below_120_kilobytes() {
        let total: usize = ASSETS.iter().map(|asset| asset.content.len()).sum();
        assert!(total < 120_000, "{total} bytes");
    }
}
