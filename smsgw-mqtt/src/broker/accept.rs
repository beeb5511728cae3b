//! Listens, and runs each connection to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mqtt5::broker::client_handler::ClientHandler;
use mqtt5::broker::transport::BrokerTransport;
use smsgw_core::error::{Error, ErrorKind, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::Shared;
use super::connection::{Connection, Origin};
use super::doorway::Inside;

/// How long connections have for a last word when the broker stops.
const GOODBYE: Duration = Duration::from_millis(400);
/// How often a kicked connection is told to go, and how many times before its socket is simply closed.
const KICK: (Duration, u32) = (Duration::from_millis(50), 20);
/// How long to wait before accepting again where the system has no more sockets.
const PAUSE: Duration = Duration::from_millis(100);
/// Places that only this machine may take: the gateway must get in also when the broker is full.
const LOCAL_PLACES: usize = 16;

pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        use std::io::ErrorKind as Io;
        let (kind, detail) = match error.kind() {
            Io::AddrInUse => (
                ErrorKind::Unavailable,
                format!("{address} is taken by another program: stop it, or listen elsewhere (port 0 takes any free one)"),
            ),
            Io::AddrNotAvailable => {
                (ErrorKind::Invalid, format!("{} is no address of this machine", address.ip()))
            }
            Io::PermissionDenied => {
                (ErrorKind::Unauthorized, format!("this user may not listen on port {}", address.port()))
            }
            _ => (ErrorKind::Unavailable, format!("cannot listen on {address}")),
        };
        Error::new(kind, super::NAME, "listen").with_detail(detail).with_source(error)
    })
}

/// How those who connect to an address come in.
#[derive(Clone)]
pub(super) enum Way {
    Plain,
    /// Without TLS, and nobody but the gateway.
    GatewayOnly,
    #[cfg(feature = "tls")]
    Tls(Arc<super::tls::Certificates>),
}

impl Way {
    /// Does what comes before the first word; says why where that cannot be done.
    async fn open(&self, stream: TcpStream) -> Result<BrokerTransport, String> {
        match self {
            Self::Plain | Self::GatewayOnly => Ok(BrokerTransport::tcp(stream)),
            #[cfg(feature = "tls")]
            Self::Tls(certificates) => certificates.accept(stream).await,
        }
    }
}

/// Places for sockets, and the number of the next one.
struct Places {
    all: Arc<Semaphore>,
    local: Arc<Semaphore>,
    full: AtomicBool,
    next: AtomicU64,
}

impl Places {
    fn take(&self, is_local: bool) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = self.all.clone().try_acquire_owned() {
            self.full.store(false, Ordering::Relaxed);
            return Some(place);
        }
        if !self.full.swap(true, Ordering::Relaxed) {
            tracing::warn!("all connections of the broker are in use: closing further ones");
        }
        if is_local { self.local.clone().try_acquire_owned().ok() } else { None }
    }
}

/// Accepts connections until the broker is to stop, then sees each of them off.
pub(super) async fn run(
    shared: Arc<Shared>,
    listeners: Vec<(TcpListener, Way)>,
    doorway: mpsc::Receiver<Inside>,
    max_connections: usize,
) {
    let connections = TaskTracker::new();
    let places = Arc::new(Places {
        all: Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS))),
        local: Arc::new(Semaphore::new(LOCAL_PLACES)),
        full: AtomicBool::new(false),
        next: AtomicU64::new(1),
    });
    let mut listening = JoinSet::new();
    listening.spawn(receive(shared.clone(), doorway, places.clone(), connections.clone()));
    for (listener, way) in listeners {
        listening.spawn(accept(shared.clone(), listener, way, places.clone(), connections.clone()));
    }
    while listening.join_next().await.is_some() {}
    // Nobody listens where there is no connection.
    let _ = shared.goodbye.send(());
    connections.close();
    connections.wait().await;
    shared.sessions.drop_wills().await;
}

async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    way: Way,
    places: Arc<Places>,
    connections: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let is_local = is_from_here(&stream, peer);
        let Some(place) = places.take(is_local) else { continue };
        let number = places.next.fetch_add(1, Ordering::Relaxed);
        let origin = Origin { peer, is_local, gateway_only: matches!(way, Way::GatewayOnly) };
        let connection = Connection::new(shared.clone(), number, origin);
        let (shared, way) = (shared.clone(), way.clone());
        connections.spawn(async move {
            serve(&shared, connection, &way, stream, peer).await;
            drop(place);
        });
    }
}

/// Takes in who comes by the doorway.
async fn receive(
    shared: Arc<Shared>,
    mut doorway: mpsc::Receiver<Inside>,
    places: Arc<Places>,
    connections: TaskTracker,
) {
    loop {
        let entered = tokio::select! {
            () = shared.stop.cancelled() => return,
            entered = doorway.recv() => entered,
        };
        let Some(stream) = entered else { return };
        let Some(place) = places.take(true) else { continue };
        let number = places.next.fetch_add(1, Ordering::Relaxed);
        let origin = Origin { peer: Inside::PEER, is_local: true, gateway_only: true };
        let leaving = Leaving(Connection::new(shared.clone(), number, origin));
        let shared = shared.clone();
        connections.spawn(async move {
            attend(&shared, leaving, stream.into_transport(), origin.peer).await;
            drop(place);
        });
    }
}

/// Whether the peer is on this machine: only then has it the address that it has reached us under, or a loopback one.
fn is_from_here(stream: &TcpStream, peer: SocketAddr) -> bool {
    let own = stream.local_addr().is_ok_and(|own| own.ip() == peer.ip());
    own || peer.ip().to_canonical().is_loopback()
}

/// Takes the connection off all books, however its task ends.
struct Leaving(Arc<Connection>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leave();
    }
}

async fn serve(shared: &Shared, connection: Arc<Connection>, way: &Way, stream: TcpStream, peer: SocketAddr) {
    let leaving = Leaving(connection);
    // Without it small packets wait for one another. Where it cannot be set, they do.
    let _ = stream.set_nodelay(true);
    let opened = tokio::select! {
        () = shared.stop.cancelled() => return,
        opened = way.open(stream) => opened,
    };
    let transport = match opened {
        Ok(transport) => transport,
        Err(why) => {
            shared.no_handshake(peer.ip(), &why);
            return;
        }
    };
    attend(shared, leaving, transport, peer).await;
}

async fn attend(shared: &Shared, leaving: Leaving, transport: BrokerTransport, peer: SocketAddr) {
    let connection = &leaving.0;
    let mut settings = shared.settings.clone();
    settings.event_handler = Some(connection.clone());
    let handler = ClientHandler::new(
        transport,
        peer,
        Arc::new(settings),
        shared.sessions.router.clone(),
        connection.clone(),
        Some(shared.sessions.storage.clone()),
        shared.stats.clone(),
        shared.monitor.clone(),
        shared.goodbye.subscribe(),
    );
    let mut run = Box::pin(handler.run());
    // How a connection ended is not an error of ours; the library has logged it.
    tokio::select! {
        _ = &mut run => {}
        () = connection.life.kicked.cancelled() => {
            see_off(shared, connection, run).await;
        }
        () = shared.stop.cancelled() => {
            // The library hears the goodbye, but not before a client has logged in.
            let _ = timeout(GOODBYE, run).await;
        }
    }
    // The library may have ended it before it was seen off.
    if connection.life.kicked.is_cancelled() {
        forget_if_revoked(shared, connection).await;
    }
}

/// Ends a connection. It may be about to log in, so it is told more than once.
async fn see_off(shared: &Shared, connection: &Connection, run: impl Future<Output = mqtt5::Result<()>>) {
    let Some(seat) = connection.seat() else { return };
    let router = &shared.sessions.router;
    let tell = async {
        for _ in 0..KICK.1 {
            router.unregister_client(&seat.client_id).await;
            tokio::time::sleep(KICK.0).await;
        }
    };
    // Side by side: while the connection is not polled, it may be next in line for a lock that the other waits for.
    tokio::select! {
        _ = run => return,
        () = tell => {}
    }
    router.unregister_client(&seat.client_id).await;
}

async fn forget_if_revoked(shared: &Shared, connection: &Connection) {
    let Some(seat) = connection.seat() else { return };
    let (Some(device), Some(api_key)) = (seat.account.device(), &seat.api_key) else { return };
    if !shared.gate.door.still_admits(device, api_key).await {
        shared.sessions.forget(&seat.client_id).await;
    }
}
