//! The gateway's own way in: through memory, past TCP, and past the listeners that may be full.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use mqtt5::broker::transport::{BrokerTransport, WebSocketTransport};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;

/// What may be under way in each direction, in bytes.
const CAPACITY: usize = 64 * 1024;
/// Connections that wait to be taken in.
const WAITING: usize = 4;

/// Lets in who is in this process and has an account.
#[derive(Clone)]
pub(crate) struct Doorway(mpsc::Sender<Inside>);

impl Doorway {
    pub(super) fn new() -> (Self, mpsc::Receiver<Inside>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// A connection to the broker.
    pub(crate) async fn enter(&self) -> io::Result<DuplexStream> {
        let (near, far) = duplex(CAPACITY);
        let entered = self.0.send(Inside(far)).await;
        entered.map(|()| near).map_err(|_| io::ErrorKind::ConnectionRefused.into())
    }
}

/// The broker's end of a connection.
pub(super) struct Inside(DuplexStream);

impl Inside {
    /// What stands in the place of a peer's address.
    pub(super) const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    /// The library has one place for a stream that is not its own; it speaks no WebSocket there.
    pub(super) fn into_transport(self) -> BrokerTransport {
        BrokerTransport::WebSocket(Box::new(self))
    }
}

impl WebSocketTransport for Inside {
    fn peer_addr(&self) -> mqtt5::Result<SocketAddr> {
        Ok(Self::PEER)
    }
}

impl AsyncRead for Inside {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Inside {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
