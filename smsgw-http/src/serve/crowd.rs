//! What becomes of a connection for which there is no place.

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::http::header::CONTENT_LENGTH;
use axum::response::IntoResponse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::headers;
use crate::problem::{Code, Problem};

/// How many hear why at the same time; further ones are closed at once, which costs nothing.
const HEARD: usize = 64;
/// How long they have to hear it.
const PATIENCE: Duration = Duration::from_secs(1);
/// What is read of their requests meanwhile, so that the answer is not lost with the connection.
const MAX_READ: u64 = 64 * 1024;

/// Answers 503 without reading the request.
#[derive(Debug)]
pub(super) struct Crowd {
    heard: Arc<Semaphore>,
    /// The answer, but for the id of the request, which ends the head.
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Crowd {
    pub(super) async fn new() -> Arc<Self> {
        let problem = Problem::new(Code::TooManyConnections, "nothing was read; connect again in a moment");
        let mut answer = problem.retrying_after(1).closing().into_response();
        let id = headers::new_id();
        headers::finish(answer.headers_mut(), id.clone());
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default().to_vec();
        let mut head =
            format!("HTTP/1.1 {}\r\n{CONTENT_LENGTH}: {}\r\n", parts.status, body.len()).into_bytes();
        for (name, value) in
            parts.headers.iter().filter(|(name, value)| *value != id && *name != CONTENT_LENGTH)
        {
            head.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        Arc::new(Self { heard: Arc::new(Semaphore::new(HEARD)), head, body })
    }

    /// Tells a client that there is no place for it, or closes the connection where too many are told already.
    pub(super) fn turn_away(self: &Arc<Self>, mut stream: TcpStream) {
        let Ok(permit) = self.heard.clone().try_acquire_owned() else { return };
        let this = self.clone();
        tokio::spawn(async move {
            let id = headers::new_id();
            let answer =
                [&this.head, b"x-request-id: ".as_slice(), id.as_bytes(), b"\r\n\r\n", &this.body].concat();
            let told = async {
                stream.write_all(&answer).await?;
                stream.shutdown().await?;
                tokio::io::copy(&mut stream.take(MAX_READ), &mut tokio::io::sink()).await
            };
            // Whoever does not listen is not told.
            let _ = timeout(PATIENCE, told).await;
            drop(permit);
        });
    }
}
