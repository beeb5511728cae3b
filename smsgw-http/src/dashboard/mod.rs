//! Pages for people: what the gateway does, what waits and why, what failed, and everything that the API does for them.
//!
//! Every page is whole without JavaScript; with it, pages keep themselves up to date. Whatever they load comes from this
//! binary, and a policy in their answers holds the browser to that.

mod assets;
mod audit;
mod compose;
mod device;
mod devices;
mod figures;
mod form;
mod health;
mod inbox;
mod keys;
mod layout;
mod live;
mod message;
mod messages;
mod origin;
mod overview;
mod pair;
mod refusal;
mod session;
mod words;

use axum::Router;
use axum::middleware::{from_fn, map_response};
use axum::routing::{get, post};

use crate::router::Api;

/// All pages.
pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/", get(overview::show))
        .route("/dashboard/sign-in", get(session::ask).post(session::sign_in))
        .route("/dashboard/sign-out", post(session::sign_out))
        .route("/dashboard/live", get(live::stream))
        .route("/dashboard/messages", get(messages::list))
        .route("/dashboard/messages/{id}", get(message::show))
        .route("/dashboard/messages/{id}/cancel", post(message::cancel))
        .route("/dashboard/messages/{id}/erase", post(message::erase))
        .route("/dashboard/messages/{id}/retry", post(message::retry))
        .route("/dashboard/compose", get(compose::ask).post(compose::send))
        .route("/dashboard/compose/preview", post(compose::preview))
        .route("/dashboard/devices", get(devices::list).post(devices::create))
        .route("/dashboard/devices/{id}", get(device::show).post(device::update))
        .route("/dashboard/devices/{id}/delete", post(device::delete))
        .route("/dashboard/devices/{id}/pause", post(device::pause))
        .route("/dashboard/devices/{id}/resume", post(device::resume))
        .route("/dashboard/devices/{id}/pair", post(pair::device))
        .route("/dashboard/devices/{id}/keys/{key}/rotate", post(pair::rotate))
        .route("/dashboard/devices/{id}/keys/{key}/revoke", post(keys::revoke))
        .route("/dashboard/pair", get(pair::ask).post(pair::new_device))
        .route("/dashboard/keys", get(keys::list))
        .route("/dashboard/tokens", post(keys::create_token))
        .route("/dashboard/tokens/{id}/rotate", post(keys::rotate_token))
        .route("/dashboard/tokens/{id}/revoke", post(keys::revoke_token))
        .route("/dashboard/inbox", get(inbox::list))
        .route("/dashboard/security", get(audit::list))
        .route("/dashboard/health", get(health::show))
        .layer(from_fn(origin::same))
        .layer(map_response(layout::confine))
        .merge(assets::router())
}
