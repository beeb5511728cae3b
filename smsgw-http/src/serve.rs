//! Serves a router on a listener, within bounds that a careless or hostile client cannot exceed.

mod chunks;
mod config;
mod connection;
mod crowd;
mod deadline;
mod guard;
mod head;
#[cfg(feature = "tls")]
mod pem;
mod places;
mod scan;
mod sieve;
#[cfg(feature = "tls")]
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use smsgw_core::error::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::config::{ServeConfig, ServeTls};
#[cfg(feature = "dashboard")]
pub(crate) use self::connection::IsTls;
pub(crate) use self::connection::Leaving;
use self::connection::Server;
use self::crowd::Crowd;
use self::places::{Place, Places};

/// In errors.
const NAME: &str = "http";
/// How long requests are still taken on open connections, each answered with `Connection: close`: a connection that is
/// closed while a request is on its way leaves its client without an answer.
const FAREWELL: Duration = Duration::from_millis(300);
/// How long to wait before accepting again where the system has no more sockets.
const PAUSE: Duration = Duration::from_millis(100);

/// [`serve_with`] the defaults of [`ServeConfig`].
///
/// # Cancel safety
/// Dropped, it accepts no more connections; those that are open are served to their end.
///
/// # Errors
/// None: a connection that cannot be accepted is logged, and the next one is tried.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    run(listener, Way::Plain, router, &ServeConfig::default(), stop, grace).await;
    Ok(())
}

/// Serves `router` on `listener` until `stop` is cancelled; then takes leave of the clients for a moment, finishes the
/// requests that are under way, for at most `grace`, and returns. HTTP/1.1 and 1.0.
///
/// Each request has its peer's address as [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo). What is not a request
/// as RFC 9112 has it, or could be read in two ways, never gets as far as the router: it is answered as a problem, after
/// the requests before it on its connection, and the connection is closed.
///
/// # Cancel safety
/// Dropped, it accepts no more connections; those that are open are served to their end.
///
/// # Errors
/// Those of [`ServeConfig::check`], at once. None while it runs: a connection that cannot be accepted is logged, and the
/// next one is tried.
pub async fn serve_with(
    listener: TcpListener,
    router: Router,
    config: ServeConfig,
    stop: CancellationToken,
    grace: Duration,
) -> Result<()> {
    config.check()?;
    let way = Way::of(&config)?;
    run(listener, way, router, &config, stop, grace).await;
    Ok(())
}

/// How clients come in.
#[derive(Clone)]
enum Way {
    Plain,
    #[cfg(feature = "tls")]
    Tls(Arc<tls::Certificates>),
}

impl Way {
    fn of(config: &ServeConfig) -> Result<Self> {
        match &config.tls {
            #[cfg(feature = "tls")]
            Some(files) => Ok(Self::Tls(Arc::new(tls::Certificates::load(files.clone())?))),
            _ => Ok(Self::Plain),
        }
    }

    fn is_tls(&self) -> bool {
        !matches!(self, Self::Plain)
    }

    /// What has to be done meanwhile; never ends.
    async fn keep(self) {
        #[cfg(feature = "tls")]
        if let Self::Tls(certificates) = self {
            certificates.keep_renewed().await;
        }
        std::future::pending().await
    }
}

async fn run(
    listener: TcpListener,
    way: Way,
    router: Router,
    config: &ServeConfig,
    stop: CancellationToken,
    grace: Duration,
) {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let server = Arc::new(Server {
        router,
        header_timeout: seconds(config.header_timeout_s),
        body_timeout: seconds(config.body_timeout_s),
        is_tls: way.is_tls(),
        leaving: stop.clone(),
        closing: CancellationToken::new(),
        ended: CancellationToken::new(),
    });
    let places = Places::new(config.max_connections, config.max_connections_per_address);
    let connections = TaskTracker::new();
    let taken_leave = async {
        stop.cancelled().await;
        sleep(FAREWELL.min(grace)).await;
    };
    tokio::select! {
        () = taken_leave => {}
        () = way.clone().keep() => {}
        () = accept(&listener, &way, &server, &places, &connections) => {}
    }
    drop(listener);
    server.closing.cancel();
    connections.close();
    if timeout(grace, connections.wait()).await.is_err() {
        server.ended.cancel();
        connections.wait().await;
    }
}

/// Accepts connections; never ends.
async fn accept(
    listener: &TcpListener,
    way: &Way,
    server: &Arc<Server>,
    places: &Arc<Places>,
    connections: &TaskTracker,
) {
    let crowd = Crowd::new().await;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(PAUSE).await;
                continue;
            }
        };
        match places.take(peer.ip()) {
            Some(place) => {
                connections.spawn(open(server.clone(), way.clone(), stream, peer, place));
            }
            None if way.is_tls() => {}
            None => crowd.turn_away(stream),
        }
    }
}

/// Serves a connection, which has its place until it ends.
async fn open(server: Arc<Server>, way: Way, stream: TcpStream, peer: SocketAddr, _place: Place) {
    // Without it small packets wait for one another. Where it cannot be set, they do.
    let _ = stream.set_nodelay(true);
    match way {
        Way::Plain => connection::run(server, stream, peer).await,
        #[cfg(feature = "tls")]
        Way::Tls(certificates) => {
            let opened = tokio::select! {
                () = server.closing.cancelled() => None,
                opened = certificates.accept(stream) => opened,
            };
            if let Some(stream) = opened {
                connection::run(server, stream, peer).await;
            }
        }
    }
}
