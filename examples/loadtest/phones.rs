//! Simulated native devices: each takes what it is told to send, and reports at once that it was sent. All of them in one
//! thread, and nothing of them is written down, so that they cost as little as they can. What a real device must do beside
//! that is in `smsgw::mqtt::device`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::mqtt::{self, Packet};
use crate::tally::Tally;

/// The ids of reports: their last twelve digits are the number of the message.
const REPORT: &str = "01990000-0000-7000-8000-";
const KEEP_ALIVE: u16 = 60;

/// Who a device is.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) key: String,
}

/// The thread that they are in.
pub(crate) struct Phones {
    thread: Option<JoinHandle<io::Result<()>>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Phones {
    /// Connects all of `devices`, and returns when each is subscribed and has said that it is there.
    pub(crate) fn start(broker: SocketAddr, devices: Vec<Identity>, tally: Arc<Tally>) -> io::Result<Self> {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, mut is_ready) = mpsc::channel(devices.len().max(1));
        let count = devices.len();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut phones = JoinSet::new();
                for identity in devices {
                    phones.spawn(run(broker, identity, tally.clone(), ready.clone()));
                }
                drop(ready);
                tokio::select! {
                    _ = stopped => Ok(()),
                    Some(ended) = phones.join_next() => ended?,
                }
            })
        });
        let mut phones = Self { thread: Some(thread), stop: Some(stop) };
        for _ in 0..count {
            if is_ready.blocking_recv().is_none() {
                phones.stop()?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(phones)
    }

    /// Ends them. Says what was wrong with one.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        if let Some(stop) = self.stop.take() {
            // Fails where they have ended already.
            let _ = stop.send(());
        }
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread of the devices panicked")))
    }
}

async fn run(
    broker: SocketAddr,
    identity: Identity,
    tally: Arc<Tally>,
    ready: mpsc::Sender<()>,
) -> io::Result<()> {
    let mut stream = TcpStream::connect(broker).await?;
    stream.set_nodelay(true)?;
    let mut phone = Phone::new(&identity);
    mqtt::connect(
        &mut phone.out,
        &identity.id,
        &identity.id,
        &identity.key,
        KEEP_ALIVE,
        Some((&phone.presence, br#"{"online":false,"at":"2026-01-01T00:00:00Z"}"#)),
    );
    let mut ready = Some(ready);
    let mut read = Vec::with_capacity(16 * 1024);
    loop {
        stream.write_all(&phone.out).await?;
        phone.out.clear();
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::Error::other("the broker has closed the connection of a device"));
        }
        let now = tally.now();
        let mut at = 0;
        while let Some((packet, size)) = mqtt::next(&read[at..]) {
            phone.hear(&packet, &tally, now)?;
            at += size;
        }
        read.drain(..at);
        if phone.is_subscribed
            && let Some(ready) = ready.take()
        {
            // Nobody waits where another device has failed.
            let _ = ready.send(()).await;
        }
    }
}

/// What one device says.
struct Phone {
    down: String,
    up: String,
    presence: String,
    out: Vec<u8>,
    payload: Vec<u8>,
    packet_id: u16,
    is_subscribed: bool,
}

impl Phone {
    fn new(Identity { id, .. }: &Identity) -> Self {
        Self {
            down: format!("smsgw/v1/{id}/down"),
            up: format!("smsgw/v1/{id}/up"),
            presence: format!("smsgw/v1/{id}/presence"),
            out: Vec::new(),
            payload: Vec::new(),
            packet_id: 0,
            is_subscribed: false,
        }
    }

    fn next_id(&mut self) -> u16 {
        self.packet_id = self.packet_id % 60_000 + 1;
        self.packet_id
    }

    fn hear(&mut self, packet: &Packet<'_>, tally: &Tally, now: u64) -> io::Result<()> {
        match *packet {
            Packet::ConnAck { reason: 0 } => {
                let id = self.next_id();
                mqtt::subscribe(&mut self.out, id, &self.down);
            }
            Packet::ConnAck { reason } => return Err(refused("its connection", reason)),
            Packet::SubAck { reason } if reason > 2 => return Err(refused("its subscription", reason)),
            Packet::SubAck { .. } => {
                let id = self.next_id();
                let online = br#"{"online":true,"at":"2026-01-01T00:00:00Z"}"#;
                mqtt::publish(&mut self.out, id, &self.presence, true, online);
                self.is_subscribed = true;
            }
            Packet::PubAck { reason, .. } if reason >= 0x80 => return Err(refused("its report", reason)),
            Packet::Disconnect { reason } => return Err(refused("it any longer", reason)),
            Packet::Publish { packet_id, payload, .. } => {
                if let Some(id) = packet_id {
                    mqtt::puback(&mut self.out, id);
                }
                self.told(payload, tally, now);
            }
            Packet::Malformed => return Err(io::Error::other("the broker sent a device what is no MQTT")),
            Packet::PubAck { .. } | Packet::Other => {}
        }
        Ok(())
    }

    fn told(&mut self, payload: &[u8], tally: &Tally, now: u64) {
        let Ok(text) = std::str::from_utf8(payload) else { return };
        if text.contains(r#""type":"send""#) {
            let found = (|| Some((value(text, r#""body":"#)?, value(text, r#""id":"#)?)))();
            let Some((body, id)) = found else { return };
            let Some(number) = body.split('#').nth(1).and_then(|number| number.parse().ok()) else { return };
            tally.arrive(number, now);
            let attempt = text.split_once(r#""attempt":"#).map_or("1", |(_, rest)| {
                &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())]
            });
            self.payload.clear();
            use std::io::Write;
            let _ = write!(
                self.payload,
                r#"{{"type":"report","report_id":"{REPORT}{number:012x}","id":"{id}","attempt":{attempt},"state":"sent","at":"2026-01-01T00:00:00Z"}}"#
            );
            let packet = self.next_id();
            mqtt::publish(&mut self.out, packet, &self.up, false, &self.payload);
        } else {
            for (at, _) in text.match_indices(REPORT) {
                let digits = text.get(at + REPORT.len()..at + REPORT.len() + 12);
                if let Some(number) = digits.and_then(|digits| usize::from_str_radix(digits, 16).ok()) {
                    tally.report(number, now);
                }
            }
        }
    }
}

/// The string after `name`, which nothing in these payloads escapes.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(name)?;
    rest.strip_prefix('"')?.split('"').next()
}

fn refused(what: &str, reason: u8) -> io::Error {
    io::Error::other(format!("the broker refused a device {what}: MQTT reason 0x{reason:02x}"))
}
