//! rumqttc's event loop but for one thing: what is asked for at once is written at once.
//!
//! rumqttc writes and flushes each request alone: a system call and a TCP segment for every publish and every
//! acknowledgement. Its packets, its state and its errors are used here as they are. It ends with its connection.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::BytesMut;
use flume::Receiver;
use rumqttc::v5::mqttbytes::Error;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Connect, ConnectReturnCode, Packet};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, MqttOptions, MqttState, Request, StateError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::socket::{Socket, Way};

/// How long it may take until the broker has answered the login.
const CONNECT: Duration = Duration::from_secs(5);
/// Once so many bytes are to be written, nothing more is asked for until they are.
const BURST: usize = 16 * 1024;
/// What is read at once, in bytes.
const CHUNK: usize = 16 * 1024;

type Halves = (ReadHalf<Box<dyn Socket>>, WriteHalf<Box<dyn Socket>>);

pub(super) struct EventLoop {
    way: Way,
    options: MqttOptions,
    state: MqttState,
    requests: Receiver<Request>,
    /// There from the first event on.
    socket: Option<Halves>,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// Something was written that may not be on its way yet.
    is_held: bool,
    /// MQTT 5 Maximum Packet Size of the broker, where it has one.
    max_outgoing: Option<u32>,
    /// MQTT 5 Receive Maximum of the broker, or ours: publishes that may be unacknowledged.
    window: u16,
    keep_alive: Duration,
    /// When to ask whether the broker is still there.
    ping: Pin<Box<Sleep>>,
}

impl EventLoop {
    /// One that connects when it is polled first, and the client that up to `requests` can be asked of at once.
    pub(super) fn new(way: Way, options: MqttOptions, window: u16, requests: usize) -> (AsyncClient, Self) {
        let (sender, requests) = flume::bounded(requests);
        let eventloop = Self {
            way,
            state: MqttState::new(window, true),
            ping: Box::pin(sleep(options.keep_alive())),
            keep_alive: options.keep_alive(),
            options,
            requests,
            socket: None,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            is_held: false,
            max_outgoing: None,
            window,
        };
        (AsyncClient::from_senders(sender), eventloop)
    }

    /// The next event; a publish that was written, or a packet that came. Dropped half-way, it loses what it has begun.
    ///
    /// # Errors
    /// The connection could not be made, or is over.
    pub(super) async fn poll(&mut self) -> Result<Event, ConnectionError> {
        loop {
            if let Some(event) = self.state.events.pop_front() {
                return Ok(event);
            }
            if self.socket.is_none() {
                timeout(CONNECT, self.connect()).await??;
            } else {
                self.turn().await?;
            }
        }
    }

    async fn connect(&mut self) -> Result<(), ConnectionError> {
        let mut socket = self.way.open(&self.options).await?;
        let connect = Connect {
            client_id: self.options.client_id(),
            keep_alive: u16::try_from(self.options.keep_alive().as_secs()).unwrap_or(u16::MAX),
            clean_start: self.options.clean_start(),
            properties: self.options.connect_properties(),
        };
        let connect = Packet::Connect(connect, self.options.last_will(), self.options.credentials());
        self.write(&connect)?;
        flush(&mut socket, &mut self.outgoing).await?;
        self.is_held = false;
        let ack = loop {
            read(&mut socket, &mut self.incoming).await?;
            match self.next()? {
                Some(Packet::ConnAck(ack)) if ack.code == ConnectReturnCode::Success => break ack,
                Some(Packet::ConnAck(ack)) => return Err(ConnectionError::ConnectionRefused(ack.code)),
                Some(other) => return Err(ConnectionError::NotConnAck(Box::new(other))),
                None => {}
            }
        };
        self.obey(&ack);
        self.socket = Some(split(socket));
        self.state.handle_incoming_packet(Packet::ConnAck(ack))?;
        // What waits for us may have come with it.
        self.take_in()?;
        Ok(())
    }

    /// Takes the broker's word for its limits.
    fn obey(&mut self, ack: &ConnAck) {
        let Some(said) = &ack.properties else { return };
        self.max_outgoing = said.max_packet_size;
        self.window = said.receive_max.map_or(self.window, |max| max.min(self.window));
        // 0 asks for none; ours does no harm.
        if let Some(seconds @ 1..) = said.server_keep_alive {
            self.keep_alive = Duration::from_secs(seconds.into());
        }
        self.rest();
    }

    /// Writes what is asked for, or waits for something to do. What comes is read also while the broker does not: each
    /// may wait for the other to take what it says.
    async fn turn(&mut self) -> Result<(), ConnectionError> {
        while self.is_open()
            && let Ok(request) = self.requests.try_recv()
        {
            self.ask(request)?;
        }
        let is_open = self.is_open();
        let Some((reader, writer)) = &mut self.socket else { return Ok(()) };
        tokio::select! {
            written = flush(writer, &mut self.outgoing), if self.is_held => {
                written?;
                self.is_held = false;
            }
            bytes = read(reader, &mut self.incoming) => {
                bytes?;
                self.take_in()?;
            }
            request = self.requests.recv_async(), if is_open => {
                self.ask(request.map_err(|_| ConnectionError::RequestsDone)?)?;
            }
            () = &mut self.ping => {
                self.rest();
                self.ask(Request::PingReq)?;
            }
        }
        Ok(())
    }

    /// Whether more may be asked of the broker now.
    fn is_open(&self) -> bool {
        let fits = self.outgoing.len() < BURST;
        fits && self.state.collision.is_none() && self.state.inflight() < self.window
    }

    fn rest(&mut self) {
        self.ping.as_mut().reset(Instant::now() + self.keep_alive);
    }

    fn ask(&mut self, request: Request) -> Result<(), StateError> {
        match self.state.handle_outgoing_packet(request)? {
            Some(packet) => self.write(&packet),
            None => Ok(()),
        }
    }

    fn take_in(&mut self) -> Result<(), StateError> {
        while let Some(packet) = self.next()? {
            if let Some(answer) = self.state.handle_incoming_packet(packet)? {
                self.write(&answer)?;
            }
        }
        Ok(())
    }

    /// The next packet that has come whole.
    fn next(&mut self) -> Result<Option<Packet>, StateError> {
        match Packet::read(&mut self.incoming, self.options.max_packet_size()) {
            Ok(packet) => Ok(Some(packet)),
            Err(Error::InsufficientBytes(_)) => Ok(None),
            Err(error) => Err(StateError::Deserialization(error)),
        }
    }

    fn write(&mut self, packet: &Packet) -> Result<(), StateError> {
        packet.write(&mut self.outgoing, self.max_outgoing)?;
        self.is_held = true;
        Ok(())
    }
}

/// Waits for bytes. Dropped half-way, nothing is lost.
async fn read(socket: &mut (impl AsyncRead + Unpin), incoming: &mut BytesMut) -> Result<(), StateError> {
    incoming.reserve(CHUNK);
    match socket.read_buf(incoming).await {
        Ok(0) => Err(StateError::ConnectionAborted),
        Ok(_) => Ok(()),
        Err(error) => Err(StateError::Deserialization(Error::Io(error))),
    }
}

/// Writes all there is. Dropped half-way, what is left is there still.
async fn flush(socket: &mut (impl AsyncWrite + Unpin), outgoing: &mut BytesMut) -> io::Result<()> {
    socket.write_all_buf(outgoing).await?;
    socket.flush().await
}
