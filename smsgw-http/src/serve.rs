//! Serves a router on a listener, within bounds that a careless or hostile client cannot exceed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, HOST};
use axum::http::{HeaderValue, Version};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum_server::accept::NoDelayAcceptor;
use axum_server::{Handle, Server};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::problem::{Code, Problem};

/// How long a connection may be without a complete request head: half-open requests and idle connections alike.
const HEADER_TIMEOUT: Duration = Duration::from_secs(9);
/// The most headers of a request.
const MAX_HEADERS: usize = 100;
/// The most headers that are read, so that the refusal of a few too many has a body. Past it the server answers 431
/// without one.
const MAX_HEADERS_READ: usize = 256;
/// The longest request head, in bytes, and the buffer of a connection.
const MAX_HEAD: usize = 64 * 1024;

/// How long requests are still taken on open connections, each answered with `Connection: close`: a connection that is
/// closed while a request is on its way leaves its client without an answer.
const FAREWELL: Duration = Duration::from_millis(300);

/// Serves `router` on `listener` until `stop` is cancelled; then takes leave of the clients for a moment, finishes the
/// requests that are under way, for at most `grace`, and returns. HTTP/1.1 and 1.0.
///
/// A connection that has sent no complete request head for 9 seconds is closed, also between two requests. Requests
/// without a `Host`, or with more than 100 headers, are refused and their connection closed.
///
/// # Cancel safety
/// Dropped, it accepts no more connections; those that are open are served to their end.
///
/// # Errors
/// None while it runs: a connection that cannot be accepted is logged, and the next one is tried.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let handle = Handle::new();
    let mut server = Server::<SocketAddr>::from_listener(listener)
        .http1_only()
        .acceptor(NoDelayAcceptor::new())
        .accept_error_handler(|_, error| tracing::warn!(%error, "cannot accept a connection"))
        .handle(handle.clone());
    server
        .http_builder()
        .http1()
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MAX_HEADERS_READ)
        .max_buf_size(MAX_HEAD);
    let stopping = async {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL.min(grace)).await;
        handle.graceful_shutdown(Some(grace));
        std::future::pending().await
    };
    let parting = from_fn_with_state(stop.clone(), take_leave);
    let router = router.layer(from_fn(well_formed)).layer(parting);
    tokio::select! {
        served = server.serve(router.into_make_service()) => served,
        () = stopping => Ok(()),
    }
}

/// Ends the connection with this answer, where the server is about to stop.
async fn take_leave(State(stop): State<CancellationToken>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if stop.is_cancelled() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Refuses what RFC 9112 says must be refused and the server lets through.
async fn well_formed(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let problem = if headers.len() > MAX_HEADERS {
        Problem::new(Code::HeadersTooLarge, "a request has at most 100 headers")
    } else if headers.get_all(HOST).iter().count() != 1 && request.version() == Version::HTTP_11 {
        Problem::new(Code::InvalidHeader, "send the header Host once").closing()
    } else {
        return next.run(request).await;
    };
    problem.into_response()
}
