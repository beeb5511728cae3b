//! One connection, as the library asks about it: who it is, what it may do, what it has done.
//!
//! The library takes one [`AuthProvider`] and one [`BrokerEventHandler`] a handler, so each connection has its own and
//! what is asked never needs to be traced back to a connection by its client id, which another may take over.

use std::collections::HashSet;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use mqtt5::broker::auth::{AuthProvider, AuthResult};
use mqtt5::broker::events::{
    BrokerEventHandler, ClientConnectEvent, ClientPublishEvent, ClientSubscribeEvent, ClientUnsubscribeEvent,
    PublishAction, SubAckReasonCode,
};
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::packet::publish::PublishPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;
use secrecy::SecretString;
use smsgw_core::audit::{Act, AuditAction};
use smsgw_core::key::KeyId;

use super::Shared;
use super::kicker::ended;
use super::roster::{Entry, Life};
use super::throttle::Throttle;
use crate::dialect::MAX_PAYLOAD;
use crate::login::{Denial, Login};
use crate::rules::{self, Account, Publishing};
use crate::witness::Refusals;

/// Topic filters that one connection may hold.
const MAX_FILTERS: usize = 64;
/// Keys without an answer that are remembered.
const MAX_UNANSWERED: usize = 64;

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who sits at the other end.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) account: Account,
    pub(super) client_id: String,
    pub(super) api_key: Option<SecretString>,
    /// The public part of the API key.
    key: Option<KeyId>,
    /// MQTT 3.1.1, which has no words for a refused publish.
    is_v311: bool,
}

#[derive(Default)]
struct Topics {
    /// Its active subscriptions.
    filters: HashSet<String>,
    /// Keys that it has presented while it was not subscribed to the answer.
    unanswered: HashSet<String>,
    /// Set when nothing that it is subscribed to counts any more.
    is_over: bool,
}

/// Where a connection comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) peer: SocketAddr,
    /// From this machine.
    pub(super) is_local: bool,
    /// By the address that is the gateway's own.
    pub(super) gateway_only: bool,
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    number: u64,
    origin: Origin,
    /// For those who end it when it is taken over.
    this: Weak<Self>,
    seat: OnceLock<Seat>,
    topics: Mutex<Topics>,
    throttle: Throttle,
    refusals: Mutex<Refusals>,
    /// Payloads that were too large.
    oversized: AtomicU64,
    pub(super) life: Life,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, number: u64, origin: Origin) -> Arc<Self> {
        let throttle = Throttle::new(shared.max_packet_rate);
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            shared,
            number,
            origin,
            seat: OnceLock::new(),
            topics: Mutex::default(),
            throttle,
            refusals: Mutex::default(),
            oversized: AtomicU64::new(0),
            life: Life::default(),
        })
    }

    /// Who it is, once it has logged in.
    pub(super) fn seat(&self) -> Option<&Seat> {
        self.seat.get()
    }

    fn topics(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn admit(&self, connect: &ConnectPacket, login: &Login<'_>) -> Result<String, Denial> {
        loop {
            let kicks = self.shared.roster.kicks();
            let admitted = self.shared.gate.admit(login, self.origin).await?;
            let account = admitted.account;
            if let Some(will) = &connect.will
                && !rules::may_leave_will(&account, &will.topic, will.retain, &will.payload)
            {
                return Err(Denial::Will);
            }
            if let Account::Native(device) = account {
                // Its former connection may hang, and its last will would come after what this one says.
                ended(&self.shared.roster.supersede(device)).await;
            }
            if self.shared.sessions.claim(&connect.client_id, &account).await? {
                let why = "ended a session under the client id of a device";
                let device = account.device();
                self.note(Act { device, ..Act::refused(AuditAction::Connect, why) });
            }
            let entered = account.device().is_none_or(|device| {
                let life = self.life.clone();
                let (client_id, expires_at) = (connect.client_id.clone(), admitted.expires_at);
                self.shared.roster.enter(device, self.number, Entry { life, client_id, expires_at }, kicks)
            });
            if !entered {
                continue;
            }
            let name = account.to_string();
            let _ = self.seat.set(Seat {
                account,
                client_id: connect.client_id.clone(),
                api_key: admitted.api_key,
                key: login.key(),
                is_v311: connect.protocol_version < 5,
            });
            return Ok(name);
        }
    }

    fn note(&self, act: Act) {
        let origin = Some(self.origin.peer.ip());
        self.shared.gate.door.witness().note(Act { origin, ..act });
    }

    /// Notes that something was refused, unless that has been said often enough.
    fn refuse(&self, action: AuditAction, why: &str, topic: &str) {
        let seat = self.seat.get();
        let act = Act {
            credential: seat.and_then(|seat| seat.key),
            device: seat.and_then(|seat| seat.account.device()),
            target: Some(rules::redacted(topic)),
            ..Act::refused(action, why)
        };
        let due = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).add(act);
        due.into_iter().for_each(|act| self.note(act));
    }

    /// Logs that a payload was dropped, unless that has been said often enough.
    fn drop_oversized(&self, topic: &str) {
        let number = self.oversized.fetch_add(1, Ordering::Relaxed) + 1;
        if number.is_power_of_two() {
            let (peer, topic) = (self.origin.peer, rules::redacted(topic));
            tracing::warn!(%peer, topic, number, "dropped a payload over 4 KiB");
        }
    }

    /// Says why not, where it may not.
    fn may_subscribe(&self, filter: &str) -> Result<(), &'static str> {
        let Some(seat) = self.seat.get() else { return Err("not logged in") };
        if self.life.kicked.is_cancelled() {
            return Err("its session is over");
        }
        if !rules::may_subscribe(&seat.account, filter) {
            return Err("no topic of its own");
        }
        let topics = self.topics();
        if topics.filters.len() < MAX_FILTERS || topics.filters.contains(filter) {
            Ok(())
        } else {
            Err("more than 64 filters")
        }
    }

    fn subscribed(&self, filter: &str) {
        let mut topics = self.topics();
        if topics.is_over || !topics.filters.insert(filter.to_owned()) {
            return;
        }
        if let Some(key) = rules::key_heard(filter) {
            self.shared.bulletin.listen(key);
        }
        if let Some(key) = rules::key_answered(filter) {
            self.shared.bulletin.listen_for_answer(key, topics.unanswered.remove(key));
        }
    }

    fn unsubscribed(&self, filter: &str) {
        if self.topics().filters.remove(filter) {
            self.ceased(filter);
        }
    }

    /// Tells that a subscription is over.
    fn ceased(&self, filter: &str) {
        if let Some(key) = rules::key_heard(filter) {
            self.shared.bulletin.leave(key);
        }
        if let Some(key) = rules::key_answered(filter) {
            self.shared.bulletin.leave_answer(key);
        }
    }

    /// Remembers a key that is presented before its answer can be heard.
    fn presented(&self, topic: &str) {
        let Some(key) = rules::key_presented(topic) else { return };
        let mut topics = self.topics();
        let hears = topics.filters.iter().any(|filter| rules::key_answered(filter) == Some(key));
        if !hears && topics.unanswered.len() < MAX_UNANSWERED && topics.unanswered.insert(key.to_owned()) {
            self.shared.bulletin.ask(key);
        }
    }

    /// What becomes of a publish that the rules of its topic may have let through only for the sake of MQTT 3.1.1.
    fn publish(&self, event: &ClientPublishEvent) -> PublishAction {
        let Some(seat) = self.seat.get() else { return PublishAction::Handled };
        let publishing = rules::publishing(&seat.account, &event.topic);
        if publishing == Publishing::Refused || self.life.kicked.is_cancelled() {
            return PublishAction::Handled;
        }
        if seat.account == Account::Gateway {
            if let Some(key) = rules::key_answered(&event.topic) {
                self.shared.bulletin.answer(key);
            }
            return PublishAction::Continue;
        }
        if event.payload.len() > MAX_PAYLOAD {
            self.drop_oversized(&event.topic);
            return PublishAction::Handled;
        }
        if seat.account.is_original() {
            self.presented(&event.topic);
        }
        if event.retain && publishing != Publishing::Retainable {
            let mut publish = PublishPacket::new(&*event.topic, event.payload.clone(), event.qos);
            publish.packet_id = event.packet_id;
            return PublishAction::Transform(publish);
        }
        PublishAction::Continue
    }

    /// Nothing reaches it any more, though its socket may still be open: another connection has its client id.
    pub(super) fn fall_silent(&self) {
        let mut topics = self.topics();
        topics.is_over = true;
        std::mem::take(&mut topics.filters).iter().for_each(|filter| self.ceased(filter));
        std::mem::take(&mut topics.unanswered).iter().for_each(|key| self.shared.bulletin.forget(key));
    }

    /// The connection is over.
    pub(super) fn leave(&self) {
        self.fall_silent();
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).rest().for_each(|act| self.note(act));
        if let Some(seat) = self.seat.get() {
            self.shared.roster.stand_up(&seat.client_id, self.number);
            if let Some(device) = seat.account.device() {
                self.shared.roster.leave(device, self.number);
            }
        }
        self.life.over.cancel();
    }

    /// Whether what it subscribes to is of interest here.
    fn is_original(&self) -> bool {
        self.seat.get().is_some_and(|seat| seat.account.is_original())
    }
}

impl AuthProvider for Connection {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        _client_addr: SocketAddr,
    ) -> Answer<'a, mqtt5::Result<AuthResult>> {
        Box::pin(async move {
            let password = connect.password.as_deref().map(std::str::from_utf8);
            let login = Login {
                client_id: &connect.client_id,
                username: connect.username.as_deref().unwrap_or_default(),
                // What is no text is no password of anybody.
                password: password.and_then(Result::ok).unwrap_or_default(),
                origin: Some(self.origin.peer.ip()),
            };
            let denial = match self.admit(connect, &login).await {
                Ok(name) => return Ok(AuthResult::success_with_user(name)),
                Err(denial) => denial,
            };
            if let Denial::Store(error) = &denial {
                tracing::warn!(peer = %self.origin.peer, %error, "cannot check who connects");
            } else {
                let will = connect.will.as_ref().filter(|_| matches!(denial, Denial::Will));
                let about = will.map(|will| rules::redacted(&will.topic));
                self.shared.gate.door.refused(&login, &denial, about);
            }
            Ok(AuthResult::fail(reason_code(&denial)))
        })
    }

    fn authorize_publish<'a>(
        &'a self,
        _client_id: &str,
        _user_id: Option<&'a str>,
        topic: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            let Some(seat) = self.seat.get() else { return false };
            if seat.account == Account::Gateway {
                return true;
            }
            self.throttle.pass().await;
            let allowed = rules::publishing(&seat.account, topic) != Publishing::Refused;
            if !allowed {
                self.refuse(AuditAction::Publish, "no topic of its own", topic);
            }
            // The library would refuse in words of MQTT 5, which make a client of MQTT 3.1.1 hang up. What such a
            // client may not publish is acknowledged and goes nowhere: see `publish`.
            allowed || seat.is_v311
        })
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        _user_id: Option<&'a str>,
        filter: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            if self.is_gateway() {
                return true;
            }
            self.throttle.pass().await;
            let allowed = self.may_subscribe(filter);
            if let Err(why) = allowed {
                self.refuse(AuditAction::Subscribe, why, filter);
            }
            allowed.is_ok()
        })
    }
}

impl BrokerEventHandler for Connection {
    fn on_client_connect<'a>(&'a self, event: ClientConnectEvent) -> Answer<'a, ()> {
        Box::pin(async move {
            if self.is_original() {
                if let Some(old) = self.shared.roster.sit_down(&event.client_id, self.number, &self.this) {
                    old.fall_silent();
                }
                // Those of a session that goes on; nobody subscribes to them again.
                for filter in self.shared.sessions.filters(&event.client_id).await {
                    self.subscribed(&filter);
                }
            }
        })
    }

    fn on_client_subscribe<'a>(&'a self, event: ClientSubscribeEvent) -> Answer<'a, ()> {
        if self.is_original() {
            let granted = event.subscriptions.iter().filter(|subscription| is_granted(subscription.result));
            granted.for_each(|subscription| self.subscribed(&subscription.topic_filter));
        }
        Box::pin(std::future::ready(()))
    }

    fn on_client_unsubscribe<'a>(&'a self, event: ClientUnsubscribeEvent) -> Answer<'a, ()> {
        event.topic_filters.iter().for_each(|filter| self.unsubscribed(filter));
        Box::pin(std::future::ready(()))
    }

    fn on_client_publish<'a>(&'a self, event: ClientPublishEvent) -> Answer<'a, PublishAction> {
        Box::pin(async move {
            if self.is_gateway() {
                self.shared.expire().await;
            }
            self.publish(&event)
        })
    }
}

impl Connection {
    fn is_gateway(&self) -> bool {
        self.seat.get().is_some_and(|seat| seat.account == Account::Gateway)
    }
}

fn is_granted(code: SubAckReasonCode) -> bool {
    matches!(
        code,
        SubAckReasonCode::GrantedQoS0 | SubAckReasonCode::GrantedQoS1 | SubAckReasonCode::GrantedQoS2
    )
}

/// What a client hears. Of its key no more than that it is not good.
fn reason_code(denial: &Denial) -> ReasonCode {
    match denial {
        Denial::NoPassword
        | Denial::WrongPassword
        | Denial::Stranger
        | Denial::Key(_)
        | Denial::OtherDevice
        | Denial::OtherProtocol => ReasonCode::BadUsernameOrPassword,
        Denial::ClientId | Denial::ClientIdTaken => ReasonCode::ClientIdentifierNotValid,
        Denial::Remote | Denial::GatewayOnly | Denial::Will => ReasonCode::NotAuthorized,
        Denial::Paused => ReasonCode::ConnectionRateExceeded,
        Denial::Store(_) => ReasonCode::ServerUnavailable,
    }
}
