use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::Missing;
use crate::port::Port;

/// Chunks of one connection that are on their way, in each direction.
const ON_THE_WAY: usize = 64;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// The weather on the line.
#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    /// Raised by a cut: connections that began under a lower number end.
    cuts: u64,
    is_down: bool,
    to_server_blocked: bool,
    to_client_blocked: bool,
    latency: Duration,
    jitter: Duration,
}

impl Weather {
    fn is_blocked(&self, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.to_server_blocked,
            Direction::ToClient => self.to_client_blocked,
        }
    }
}

/// A TCP proxy on a port of 127.0.0.1 that makes the network bad on demand. It has a thread of its own and needs no
/// runtime; dropped, it closes all that goes through it.
#[derive(Debug)]
pub struct Proxy {
    weather: watch::Sender<Weather>,
    port: Port,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one to the port `target` of 127.0.0.1. The jitter of latencies is drawn from `seed`.
    ///
    /// # Errors
    /// Where there is no port for it.
    pub fn start(target: u16, seed: u64) -> Result<Self, Missing> {
        let failed = |error: io::Error| Missing(format!("cannot start a proxy: {error}"));
        let port = Port::free()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (weather, seen) = watch::channel(Weather::default());
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
        let thread = thread::spawn(move || runtime.block_on(serve(listener, target, seen, seed)));
        Ok(Self { weather, port, thread: Some(thread) })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Ends all connections; new ones are welcome.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.cuts += 1);
    }

    /// Ends all connections, and every new one as soon as it is made, until [`up`](Self::up).
    pub fn down(&self) {
        self.weather.send_modify(|weather| {
            weather.cuts += 1;
            weather.is_down = true;
        });
    }

    /// Ends what [`down`](Self::down) began.
    pub fn up(&self) {
        self.weather.send_modify(|weather| weather.is_down = false);
    }

    /// Holds back all bytes, both ways; connections stay open.
    pub fn stall(&self) {
        self.weather.send_modify(|weather| {
            weather.to_server_blocked = true;
            weather.to_client_blocked = true;
        });
    }

    /// Holds back the bytes that go one way.
    pub fn block(&self, direction: Direction) {
        self.weather.send_modify(|weather| match direction {
            Direction::ToServer => weather.to_server_blocked = true,
            Direction::ToClient => weather.to_client_blocked = true,
        });
    }

    /// Lets bytes pass again, both ways; what was held back goes first.
    pub fn resume(&self) {
        self.weather.send_modify(|weather| {
            weather.to_server_blocked = false;
            weather.to_client_blocked = false;
        });
    }

    /// Delays all bytes by `latency` each way, and by up to `jitter` more.
    pub fn latency(&self, latency: Duration, jitter: Duration) {
        self.weather.send_modify(|weather| {
            weather.latency = latency;
            weather.jitter = jitter;
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The thread ends when the weather does.
        let (other, _) = watch::channel(Weather::default());
        drop(std::mem::replace(&mut self.weather, other));
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

async fn serve(
    listener: std::net::TcpListener,
    target: SocketAddr,
    mut weather: watch::Receiver<Weather>,
    seed: u64,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let luck = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
    let mut seen = weather.clone();
    loop {
        let client = tokio::select! {
            changed = weather.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            accepted = listener.accept() => accepted,
        };
        if let Ok((client, _)) = client
            && !seen.borrow_and_update().is_down
        {
            tokio::spawn(carry(client, target, seen.clone(), Arc::clone(&luck)));
        }
    }
}

/// Carries one connection until an end of it closes, or it is cut.
async fn carry(
    client: TcpStream,
    target: SocketAddr,
    mut weather: watch::Receiver<Weather>,
    luck: Arc<Mutex<fastrand::Rng>>,
) {
    let cuts = weather.borrow().cuts;
    let Ok(server) = TcpStream::connect(target).await else { return };
    _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let there = pump(from_client, to_server, Direction::ToServer, weather.clone(), &luck);
    let back = pump(from_server, to_client, Direction::ToClient, weather.clone(), &luck);
    tokio::select! {
        _ = async { tokio::join!(there, back) } => {}
        _ = weather.wait_for(|weather| weather.cuts != cuts) => {}
    }
}

/// Reads ahead, so that latency delays bytes and does not make fewer of them.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    mut weather: watch::Receiver<Weather>,
    luck: &Mutex<fastrand::Rng>,
) {
    let (chunks, mut waiting) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let now = weather.clone();
    let read = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let Weather { latency, jitter, .. } = *now.borrow();
            let share = luck.lock().unwrap_or_else(PoisonError::into_inner).f64();
            let due = Instant::now() + latency + jitter.mul_f64(share);
            if chunks.send((due, buffer[..count].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, chunk)) = waiting.recv().await {
            sleep_until(due).await;
            if weather.wait_for(|weather| !weather.is_blocked(direction)).await.is_err()
                || to.write_all(&chunk).await.is_err()
            {
                return;
            }
        }
        _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
