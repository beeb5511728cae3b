//! The device's loop. Whatever happened since the last turn is recorded, committed in one write, and only
//! then acknowledged, handed to the radio or published.

use std::future::Future;
use std::time::Duration;

use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::wire::{self, Down, Hello, Presence, Sms, Up};

use super::clock;
use super::desk::Desk;
use super::error::DeviceError;
use super::handle::Command;
use super::inbox::Inbox;
use super::link::{EVENTS, GOODBYE, LinkEvent};
use super::radio::Done;

/// How long a shutdown waits for the message in the radio.
const LAST_MESSAGE: Duration = Duration::from_secs(10);
/// When the connection takes no more packets, how long until it is offered them again.
const STALL: Duration = Duration::from_millis(20);
/// "No deadline", for a timer that wants one.
const IDLE: Duration = Duration::from_secs(3600);

/// One device at work.
pub(super) struct Agent {
    device: String,
    hello: Hello,
    desk: Desk,
    inbox: Inbox,
    jobs: mpsc::Sender<Sms>,
    /// There while connected and subscribed.
    client: Option<AsyncClient>,
    /// A message is in the radio.
    busy: bool,
    /// Presence and hello are still to be said on this connection.
    greet: bool,
    /// The connection did not take all there was to say.
    stalled: bool,
    /// Set by a shutdown: when to stop waiting for the radio.
    closing: Option<Instant>,
    unreadable: u64,
}

impl Agent {
    pub(super) fn new(device: String, hello: Hello, desk: Desk, jobs: mpsc::Sender<Sms>) -> Self {
        Self {
            device,
            hello,
            desk,
            inbox: Inbox::default(),
            jobs,
            client: None,
            busy: false,
            greet: false,
            stalled: false,
            closing: None,
            unreadable: 0,
        }
    }

    /// Works until `shutdown`, or until the journal fails.
    pub(super) async fn run(
        mut self,
        mut arrivals: mpsc::Receiver<LinkEvent>,
        mut results: mpsc::Receiver<Done>,
        mut orders: mpsc::Receiver<Command>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), DeviceError> {
        tokio::pin!(shutdown);
        let mut heard = Vec::new();
        loop {
            self.turn().await?;
            if self.closing.is_some_and(|until| !self.busy || until <= Instant::now()) {
                break;
            }
            tokio::select! {
                () = &mut shutdown, if self.closing.is_none() => {
                    self.desk.close(Instant::now());
                    self.closing = Some(Instant::now() + LAST_MESSAGE);
                }
                1.. = arrivals.recv_many(&mut heard, EVENTS) => {
                    heard.drain(..).for_each(|event| self.hear(event));
                }
                Some(done) = results.recv() => {
                    self.busy = false;
                    self.desk.done(done, Instant::now());
                }
                Some(order) = orders.recv(), if self.desk.is_heard() => self.order(order),
                () = sleep_until(self.wake()) => {}
            }
        }
        self.goodbye(arrivals).await;
        Ok(())
    }

    /// One commit, and everything that had to wait for it.
    async fn turn(&mut self) -> Result<(), DeviceError> {
        let now = Instant::now();
        let open = self.closing.is_none();
        while let Some(pending) = self.inbox.admit(open && self.desk.has_room()) {
            self.desk.take(pending, now);
        }
        self.desk.deliver(now);
        let next = if self.busy || !open { None } else { self.desk.start(now) };
        self.desk.journal.commit().await?;
        if let Some(sms) = next {
            // The radio is idle and its channel holds one, so this fails only when the radio is gone.
            self.busy = self.jobs.try_send(sms).is_ok();
        }
        self.speak();
        Ok(())
    }

    fn hear(&mut self, event: LinkEvent) {
        let now = Instant::now();
        match event {
            LinkEvent::Up(client) => {
                self.client = Some(client);
                self.greet = true;
                self.desk.outbox.rewind(now);
            }
            LinkEvent::Lost => {
                self.client = None;
                self.inbox.clear();
            }
            LinkEvent::Message(publish) => {
                let pending = match Down::parse(&publish.payload) {
                    Ok(Down::Send(sms)) => self.desk.arrived(sms, now),
                    Ok(Down::Cancel(cancel)) => {
                        self.inbox.withdraw(&cancel.id);
                        self.desk.cancel(&cancel.id, now);
                        None
                    }
                    Ok(Down::Receipt(receipt)) => {
                        self.desk.receipt(receipt.report_ids);
                        None
                    }
                    Ok(Down::Config(_)) => None,
                    Err(why) => {
                        self.unreadable += 1;
                        tracing::warn!(
                            device = self.device,
                            count = self.unreadable,
                            "from the gateway: {why}"
                        );
                        None
                    }
                };
                self.inbox.push(publish, pending);
            }
        }
    }

    fn order(&mut self, order: Command) {
        let now = Instant::now();
        match order {
            Command::Delivery { id, delivery } => self.desk.delivery(&id, &delivery, now),
            Command::Inbound(inbound) => self.desk.inbound(inbound, now),
            Command::Telemetry(telemetry) => {
                if let Some(client) = &self.client {
                    let payload = wire::encode(&Up::Telemetry(telemetry));
                    let topic = wire::up_topic(&self.device);
                    // The newest word counts: one that finds no room is old before the next chance.
                    let _ = client.try_publish(topic, QoS::AtLeastOnce, false, payload);
                }
            }
        }
    }

    /// Offers the connection what is owed and due. Never waits for it: the connection may be waiting for us.
    fn speak(&mut self) {
        let Some(client) = &self.client else { return };
        let now = Instant::now();
        self.inbox.acknowledge(|publish| client.try_ack(publish).is_ok());
        self.stalled = self.inbox.is_owing();
        if self.greet {
            self.greet = !self.present(client);
            self.stalled |= self.greet;
        }
        while !self.stalled
            && let Some(payload) = self.desk.outbox.due(now)
        {
            let topic = wire::up_topic(&self.device);
            if client.try_publish(topic, QoS::AtLeastOnce, false, payload.clone()).is_ok() {
                self.desk.outbox.said(now);
            } else {
                self.stalled = true;
            }
        }
    }

    fn present(&self, client: &AsyncClient) -> bool {
        let presence = wire::encode(&Presence { online: true, at: Some(clock::now()) });
        let hello = wire::encode(&Up::Hello(self.hello.clone()));
        client.try_publish(wire::presence_topic(&self.device), QoS::AtLeastOnce, true, presence).is_ok()
            && client.try_publish(wire::up_topic(&self.device), QoS::AtLeastOnce, false, hello).is_ok()
    }

    fn wake(&self) -> Instant {
        let now = Instant::now();
        let reports = match self.client {
            None => None,
            Some(_) if self.stalled => Some(now + STALL),
            Some(_) => self.desk.outbox.next(),
        };
        let timers = [reports, self.desk.next_delivery(), self.closing];
        timers.into_iter().flatten().min().unwrap_or(now + IDLE)
    }

    async fn goodbye(mut self, mut arrivals: mpsc::Receiver<LinkEvent>) {
        let Some(client) = self.client.take() else { return };
        let presence = wire::encode(&Presence { online: false, at: Some(clock::now()) });
        let topic = wire::presence_topic(&self.device);
        let said = timeout(GOODBYE, async {
            client.publish(topic, QoS::AtLeastOnce, true, presence).await.is_ok()
                && client.disconnect().await.is_ok()
        });
        if said.await.unwrap_or(false) {
            // The connection goes on for as long as it is listened to: until it has said all this.
            let _ = timeout(2 * GOODBYE, async { while arrivals.recv().await.is_some() {} }).await;
        }
    }
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
