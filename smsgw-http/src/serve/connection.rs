//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{CONNECTION, HOST, STRICT_TRANSPORT_SECURITY};
use axum::http::{HeaderValue, Request, Version};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::guard::{Guard, Verdict};
use super::head::{MAX_HEAD, Refusal};
use crate::headers;

/// For how long browsers use TLS only, once they were here with it: half a year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=15552000");

/// Tells an answer without an end that the server stops.
#[derive(Debug, Clone)]
pub(crate) struct Leaving(pub(crate) CancellationToken);

/// What all connections of a server have in common.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) router: Router,
    pub(super) header_timeout: Duration,
    pub(super) body_timeout: Duration,
    pub(super) is_tls: bool,
    /// Answers say that the connection ends.
    pub(super) leaving: CancellationToken,
    /// Connections end once their request is answered.
    pub(super) closing: CancellationToken,
    /// They end, whatever they do.
    pub(super) ended: CancellationToken,
}

/// Serves the requests that come from `stream`.
pub(super) async fn run<S>(server: Arc<Server>, stream: S, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let verdict = Verdict::default();
    let guard = Guard::new(stream, server.body_timeout, verdict.clone());
    let service = service_fn(|request| answer(&server, peer, &verdict, request));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(server.header_timeout)
            // Room for what comes behind the longest head, too.
            .max_buf_size(MAX_HEAD + 8 * 1024)
            .serve_connection(TokioIo::new(guard), service)
    );
    // How a connection ended is its client's affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = server.closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection => {}
        () = server.ended.cancelled() => {}
    }
}

async fn answer(
    server: &Server,
    peer: SocketAddr,
    verdict: &Verdict,
    mut request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let stands_in = request.version() == Version::HTTP_11 && !request.headers().contains_key(HOST);
    let mut response = if stands_in {
        let refusal = verdict.get().copied().unwrap_or(Refusal::Malformed);
        tracing::debug!(?refusal, "refused a request");
        let mut response = refusal.problem().into_response();
        headers::finish(response.headers_mut(), headers::new_id());
        response
    } else {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(Leaving(server.leaving.clone()));
        server.router.clone().call(request.map(Body::new)).await?
    };
    if server.is_tls {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if server.leaving.is_cancelled() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
