//! Stands between a socket and the HTTP server, which never sees a request that it would answer in its own words or
//! read in its own way.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadline::Deadline;
use super::head::Refusal;
use super::sieve::{End, Sieve};

/// What the server reads in the place of a request that was refused, so that the refusal is answered after all requests
/// before it. Nobody else can send it: without `Host` it would be refused.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
/// How long a client may take nothing of what is written to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// What a client still sends after the last answer is thrown away, for so long and up to so many bytes: a socket that is
/// closed on top of it may take the answer with it.
const LINGER: Duration = Duration::from_secs(1);
const MAX_LINGERED: usize = 1024 * 1024;

/// Why the request that has no `Host` was refused.
pub(super) type Verdict = Arc<OnceLock<Refusal>>;

/// A connection whose requests are checked.
#[derive(Debug)]
pub(super) struct Guard<S> {
    stream: S,
    sieve: Sieve,
    /// The start of a head that came in several reads, or the stand-in, and how much of it has been read.
    ready: Vec<u8>,
    taken: usize,
    verdict: Verdict,
    body_timeout: Duration,
    body: Deadline,
    write: Deadline,
    linger: Deadline,
    lingered: Option<usize>,
}

impl<S> Guard<S> {
    /// Checks what comes from `stream`. A body has `body_timeout`; `verdict` gets the reason for a refusal.
    pub(super) fn new(stream: S, body_timeout: Duration, verdict: Verdict) -> Self {
        Self {
            stream,
            sieve: Sieve::default(),
            ready: Vec::new(),
            taken: 0,
            verdict,
            body_timeout,
            body: Deadline::default(),
            write: Deadline::default(),
            linger: Deadline::default(),
            lingered: None,
        }
    }

    /// Gives out what is ready; says whether there was something.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let rest = &self.ready[self.taken..];
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..length]);
        self.taken += length;
        if self.taken == self.ready.len() {
            self.ready.clear();
            self.taken = 0;
        }
        length > 0
    }

    /// Keeps of the bytes from `start` on what may be let through; says whether there is something.
    fn sift(&mut self, buffer: &mut ReadBuf<'_>, start: usize) -> bool {
        let bytes = &buffer.filled()[start..];
        let through = self.sieve.sift(bytes, &mut self.ready);
        if self.ready.is_empty() {
            buffer.set_filled(start + through.end);
            return through.end > 0;
        }
        self.ready.extend_from_slice(&bytes[through]);
        buffer.set_filled(start);
        self.give(buffer)
    }
}

impl<S: AsyncWrite + Unpin> Guard<S> {
    /// A write that waits longer than [`WRITE_TIMEOUT`] for room fails.
    fn written<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write.clear();
            return result;
        }
        ready!(self.write.poll(cx, WRITE_TIMEOUT));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if this.give(buffer) {
                return Poll::Ready(Ok(()));
            }
            match this.sieve.end() {
                Some(End::Broken) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                Some(End::Refused(refusal)) => {
                    if this.verdict.set(refusal).is_err() {
                        // The answer ends the connection; there is nothing more to read.
                        return Poll::Pending;
                    }
                    this.ready.extend_from_slice(STAND_IN);
                    continue;
                }
                None => {}
            }
            let start = buffer.filled().len();
            match Pin::new(&mut this.stream).poll_read(cx, buffer) {
                Poll::Ready(Ok(())) => {}
                Poll::Pending if this.sieve.is_in_body() => {
                    ready!(this.body.poll(cx, this.body_timeout));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                other => return other,
            }
            if buffer.filled().len() == start {
                return Poll::Ready(Ok(()));
            }
            let heads = this.sieve.heads();
            let lets_through = this.sift(buffer, start);
            if this.sieve.heads() != heads {
                this.body.clear();
            }
            if lets_through {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(cx, result)
    }

    /// Says that no more will come, and waits until the client says so too, within bounds.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut lingered = match this.lingered {
            Some(lingered) => lingered,
            None => {
                let result = Pin::new(&mut this.stream).poll_shutdown(cx);
                ready!(this.written(cx, result))?;
                0
            }
        };
        let mut bytes = [0; 4096];
        while lingered < MAX_LINGERED {
            this.lingered = Some(lingered);
            let mut scratch = ReadBuf::new(&mut bytes);
            match Pin::new(&mut this.stream).poll_read(cx, &mut scratch) {
                Poll::Ready(Ok(())) if !scratch.filled().is_empty() => lingered += scratch.filled().len(),
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(this.linger.poll(cx, LINGER));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
