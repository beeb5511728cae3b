//! Keeps the gateway connected: connect, subscribe, pass on what arrives, and again when it breaks.
//!
//! Every connection gets an event loop of its own: the memory of the last one would publish again what the store has
//! sent again anyway. `poll` is never dropped half-way, except together with its event loop: it loses what it has begun.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use smsgw_core::error::ErrorKind;
use smsgw_core::transport::{Ack, Delivery, InboxSender};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::eventloop::EventLoop;
use super::limits::Limits;
use super::link::{self, Link};
use super::login::{End, Login};
use super::rivals::{Rivals, Word};
use super::socket::Way;
use crate::backoff::Backoff;
use crate::dialect::{self, Heard};

/// MQTT 5 Receive Maximum: deliveries that the broker may have sent before we acknowledge one.
const RECEIVE_MAXIMUM: u16 = 1_000;
/// Deliveries that may wait to be stored: all unacknowledged ones, twice, since not every broker counts right.
pub(super) const INBOX: usize = 4_096;
/// Below this much room, deliveries that need no acknowledgement are dropped: the rest must fit.
const RESERVED: usize = 2 * RECEIVE_MAXIMUM as usize;
/// Publishes that wait for a PUBACK. Far below the packet ids in use, so that no id is needed twice at once.
pub(super) const WINDOW: usize = 500;
const PACKET_IDS: u16 = 4_000;
/// Requests that wait for the socket: what the window and the acknowledgements can bring about at once.
const REQUESTS: usize = WINDOW + INBOX;
/// The largest packet we take: the 4 KiB of a payload, with topic and properties.
const PACKET: u32 = 8 * 1024;
/// How long the broker keeps our subscriptions and what devices said meanwhile.
const SESSION: Duration = Duration::from_secs(24 * 60 * 60);
/// The same where several gateways share the traffic. Mosquitto deals shared messages to members that are away, too: the
/// session of a gateway that does not come back would swallow its part of them. What is lost so, native devices repeat
/// until it is receipted; those of the original protocol, at QoS 0, do not.
const SHARED_SESSION: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How long the broker may take to answer a publish.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// How often it is looked whether it has.
const WATCH: Duration = Duration::from_secs(1);
/// How long the last answers may take, and then a goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// The connection's task and what it shares with the transport.
pub(super) struct Connection {
    pub(super) way: Way,
    pub(super) login: Login,
    pub(super) link: Arc<Link>,
    pub(super) shared: Arc<Signals>,
    pub(super) rivals: Rivals,
}

/// What passes between the transport and its connection.
#[derive(Default)]
pub(super) struct Signals {
    /// The transport is closed: do not connect again.
    pub(super) closed: CancellationToken,
    /// Why there is no connection, while there is none; told by `ready`.
    trouble: Mutex<Option<(ErrorKind, String)>>,
    /// Why there will be no connection any more, once that is so.
    given_up: OnceLock<String>,
    /// Payloads that could not be understood.
    pub(super) unreadable: AtomicU64,
}

impl Signals {
    /// Why there is no connection, in words that follow the broker's name.
    pub(super) fn trouble(&self) -> (ErrorKind, String) {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.unwrap_or_else(|| (ErrorKind::Unavailable, "has not answered yet".into()))
    }

    /// Why there will be no connection any more, where that is so, in words that follow the broker's name.
    pub(super) fn given_up(&self) -> Option<&str> {
        self.given_up.get().map(String::as_str)
    }

    fn set_trouble(&self, trouble: (ErrorKind, String)) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
    }
}

impl Connection {
    /// Stays connected until the transport is closed, or others insist on its client id. The inbox ends then.
    pub(super) async fn drive(mut self, inbox: InboxSender) {
        let mut rivals = std::mem::replace(&mut self.rivals, Rivals::impossible());
        let mut broken = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
        let mut refused = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        loop {
            let begun = Instant::now();
            let end = self.connection(&inbox, &mut rivals).await;
            self.link.down();
            rivals.lost(matches!(end, End::Cut(_)));
            let held = begun.elapsed();
            let wait = match &end {
                End::Closed => return,
                End::TakenOver(why) if rivals.insist() => {
                    tracing::error!("the gateway gives up: {why}");
                    let (kind, words) = end.words();
                    let _ = self.shared.given_up.set(words.clone());
                    self.shared.set_trouble((kind, words));
                    return;
                }
                End::Refused(why) | End::TakenOver(why) => {
                    let wait = refused.wait(held);
                    tracing::error!(?wait, "the broker refuses the gateway: {why}");
                    wait
                }
                End::Unable(why) => {
                    let wait = refused.wait(held);
                    tracing::error!(?wait, "the broker cannot serve the gateway: {why}");
                    wait
                }
                End::Cut(why) | End::Broken(why) => {
                    let wait = broken.wait(held);
                    tracing::warn!(?wait, "not connected to the broker: {why}");
                    wait
                }
            };
            self.shared.set_trouble(end.words());
            tokio::select! {
                () = sleep(wait) => {}
                () = self.shared.closed.cancelled() => return,
            }
        }
    }

    async fn connection(&self, inbox: &InboxSender, rivals: &mut Rivals) -> End {
        let generation = self.link.begin();
        let (client, mut eventloop) =
            EventLoop::new(self.way.clone(), self.options().await, PACKET_IDS, REQUESTS);
        let word = rivals.word();
        // Whichever wins, the event loop is given up whole.
        tokio::select! {
            end = self.poll(&mut eventloop, client, generation, inbox, rivals) => end,
            () = self.silence() => End::Broken("it has ceased to answer".into()),
            () = self.goodbye(&word) => End::Closed,
        }
    }

    /// Ends when the broker has ceased to answer. Nothing that senders could tell: one may have waited for its place in
    /// the window most of the time, another has gone.
    async fn silence(&self) {
        while !self.link.is_silent(ANSWER) {
            sleep(WATCH).await;
        }
    }

    /// Once the transport is closed, waits for the last answers and says goodbye; ends where that cannot be done.
    async fn goodbye(&self, word: &Word) {
        self.shared.closed.cancelled().await;
        let idle = async {
            while !self.link.is_idle() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = timeout(GOODBYE, idle).await;
        let last_words = |client: &AsyncClient| {
            word.clear(client);
            // Shared traffic goes to the other gateways from now on, not into a session that nobody may come back to.
            // Without that the session ends by itself, a little later.
            if let Some(name) = &self.login.config().share {
                for filter in dialect::WORDS {
                    let _ = client.try_unsubscribe(shared_filter(name, filter));
                }
            }
        };
        if self.link.disconnect(last_words) {
            sleep(GOODBYE).await;
        }
    }

    async fn poll(
        &self,
        eventloop: &mut EventLoop,
        client: AsyncClient,
        generation: u64,
        inbox: &InboxSender,
        rivals: &mut Rivals,
    ) -> End {
        let mut welcomed = false;
        loop {
            match eventloop.poll().await {
                Ok(Event::Incoming(Packet::Publish(publish))) if rivals.is_mine(&publish) => {
                    rivals.hear(&publish, &client);
                    if rivals.insist() {
                        return self.login.taken_over();
                    }
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    self.heard(publish, generation, inbox, &client).await
                }
                Ok(Event::Incoming(Packet::PubAck(ack))) => self.link.answered(ack.pkid, ack.reason),
                Ok(Event::Outgoing(rumqttc::Outgoing::Publish(packet))) if packet > 0 => {
                    self.link.written(packet)
                }
                Ok(Event::Outgoing(rumqttc::Outgoing::AwaitAck(packet))) => self.link.held_back(packet),
                Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => {
                    // Closing a socket with unread input resets it, and the broker could lose our last words.
                    let _ = timeout(GOODBYE, async { while eventloop.poll().await.is_ok() {} }).await;
                    return End::Closed;
                }
                Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                    welcomed = true;
                    let limits = Limits::read(ack.properties.as_ref());
                    if let Some(why) = limits.lack(self.login.config().share.as_deref()) {
                        return End::Unable(why);
                    }
                    rivals.connected(limits.retains);
                    self.link.connected(client.clone(), limits.max_packet);
                    if client.try_subscribe_many(self.filters().into_iter().chain(rivals.filter())).is_err() {
                        return End::Broken("cannot subscribe".into());
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    // It can do without the one about its rivals, which is the last.
                    let mut codes = ack.return_codes.iter().take(self.filters().len());
                    if let Some(code) = codes.find(|code| !matches!(code, SubscribeReasonCode::Success(_))) {
                        return End::Refused(format!(
                            "it may not hear its devices ({code:?}); check the broker's rules"
                        ));
                    }
                    self.link.up();
                    rivals.ask(&client);
                    tracing::info!("connected to the broker");
                }
                Ok(_) => {}
                Err(error) => {
                    let end = self.login.end(&error, welcomed);
                    if matches!(end, End::TakenOver(_)) {
                        rivals.took_over();
                    }
                    return end;
                }
            }
        }
    }

    async fn heard(&self, publish: Publish, generation: u64, inbox: &InboxSender, client: &AsyncClient) {
        let needs_ack = publish.qos != QoS::AtMostOnce;
        let topic = String::from_utf8_lossy(&publish.topic);
        let event = match dialect::read(&topic, &publish.payload, publish.retain) {
            Heard::Event(event) => event,
            other => {
                if let Heard::Unreadable(why) = other {
                    self.shared.unreadable.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(why, "device traffic that cannot be read");
                }
                // It would never read better, so it is not delivered again.
                if needs_ack {
                    let _ = client.try_ack(&publish);
                }
                return;
            }
        };
        if needs_ack {
            let ack = Ack::new(self.link.clone(), link::token(generation, publish.pkid));
            inbox.deliver(Delivery { event, ack }).await;
        } else if inbox.room() > RESERVED {
            inbox.deliver(Delivery { event, ack: Ack::none() }).await;
        } else {
            tracing::warn!("dropped device traffic at QoS 0: the store is behind");
        }
    }

    fn filters(&self) -> Vec<Filter> {
        let words = dialect::WORDS.map(|filter| match &self.login.config().share {
            Some(name) => shared_filter(name, filter),
            None => filter.to_owned(),
        });
        let all = words.into_iter().chain(dialect::NEWS.map(str::to_owned));
        all.map(|filter| Filter::new(filter, QoS::AtLeastOnce)).collect()
    }

    async fn options(&self) -> MqttOptions {
        let session = if self.login.config().share.is_some() { SHARED_SESSION } else { SESSION };
        let mut options = self.login.options(&self.login.config().client_id).await;
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_start(false)
            .set_session_expiry_interval(Some(u32::try_from(session.as_secs()).unwrap_or(u32::MAX)))
            .set_receive_maximum(Some(RECEIVE_MAXIMUM))
            .set_max_packet_size(Some(PACKET));
        options
    }
}

/// MQTT 5 shared subscription: of all who give this name, one hears each message.
fn shared_filter(name: &str, filter: &str) -> String {
    format!("$share/{name}/{filter}")
}
