//! A phone that keeps the device's half of the protocol: its journal outlives its connections and its crashes.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use fastrand::Rng;
use smsgw_core::id::{DeviceId, MessageId, ReportId};
use smsgw_core::memory::MemoryDevice;
use smsgw_core::message::{Failure, Message};
use smsgw_core::state::{Report, ReportState};
use smsgw_core::time::Clock;
use smsgw_core::transport::{Command, DeviceEvent};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::air::Air;
use crate::clock::RuntimeClock;
use crate::gateways::Gateways;

/// No later attempt of a canceled message can be meant.
const FOREVER: u32 = u32::MAX;
/// How often a report without a receipt is said again.
const AGAIN: Duration = Duration::from_secs(2);

/// A report: of which message and attempt, and what it says.
type Word = (MessageId, u32, ReportState, Option<&'static str>);

/// Where a message stands. What it is over with is repeated when it is ordered again.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Waiting,
    Started,
    Over(ReportState, Option<&'static str>),
}

pub(crate) struct Phone {
    pub(crate) device: DeviceId,
    pub(crate) gateways: Gateways,
    pub(crate) air: Air,
    pub(crate) clock: RuntimeClock,
    random: Rng,
    // The journal.
    seen: HashMap<MessageId, (u32, Phase)>,
    waiting: VecDeque<Message>,
    reports: BTreeMap<u128, Word>,
}

impl Phone {
    pub(crate) fn new(
        device: DeviceId,
        gateways: Gateways,
        air: Air,
        clock: RuntimeClock,
        seed: u64,
    ) -> Self {
        let random = Rng::with_seed(seed);
        let (seen, waiting, reports) = (HashMap::new(), VecDeque::new(), BTreeMap::new());
        Self { device, gateways, air, clock, random, seen, waiting, reports }
    }

    /// Connects to one gateway after the other, for as long as the world lasts.
    pub(crate) async fn run(mut self) {
        loop {
            let place = self.random.usize(..);
            let Some(transport) = self.gateways.any(place) else {
                sleep(Duration::from_millis(200)).await;
                continue;
            };
            let mut link = transport.connect(self.device).await;
            self.serve(&mut link).await;
            match self.random.bool() {
                true => link.leave().await,
                false => drop(link),
            }
            sleep(Duration::from_millis(self.random.u64(0..8_000))).await;
        }
    }

    /// Serves a gateway until the connection ends: in good order, without a word, or in a crash.
    async fn serve(&mut self, link: &mut MemoryDevice) {
        for _ in 0..self.random.usize(1..120) {
            if !self.speak(link).await {
                return;
            }
            let wait = if self.waiting.is_empty() { AGAIN } else { Duration::from_millis(20) };
            match timeout(wait, link.command()).await {
                Ok(Some(command)) => self.hear(command),
                Ok(None) => return,
                Err(_) => {}
            }
            if self.random.f64() < 0.7 && !self.transmit().await {
                return;
            }
        }
    }

    fn hear(&mut self, command: Command) {
        match command {
            Command::Send { message, .. } => match self.seen.get(&message.id) {
                None => self.take(*message),
                Some((attempt, Phase::Over(ReportState::Failed, Some("no_service"))))
                    if message.attempts > *attempt && !self.is_reporting(message.id) =>
                {
                    self.take(*message);
                }
                Some((attempt, phase)) => self.repeat(message.id, *attempt, *phase),
            },
            Command::Cancel(id) => match self.seen.get(&id) {
                None | Some((_, Phase::Waiting | Phase::Over(ReportState::Failed, Some("no_service")))) => {
                    self.waiting.retain(|message| message.id != id);
                    self.over(id, FOREVER, ReportState::Failed, Some("canceled"));
                }
                Some((attempt, phase)) => self.repeat(id, *attempt, *phase),
            },
            Command::Receipt(ids) => ids.iter().for_each(|id| {
                self.reports.remove(&id.as_uuid().as_u128());
            }),
            Command::Authentication { .. } => {}
        }
    }

    /// Whether the gateway may not know yet what became of a message.
    fn is_reporting(&self, id: MessageId) -> bool {
        self.reports
            .values()
            .any(|(reported, _, state, _)| *reported == id && *state != ReportState::Acknowledged)
    }

    fn take(&mut self, message: Message) {
        self.seen.insert(message.id, (message.attempts, Phase::Waiting));
        if self.random.bool() {
            self.report(message.id, message.attempts, ReportState::Acknowledged, None);
        }
        self.waiting.push_back(message);
    }

    fn repeat(&mut self, id: MessageId, attempt: u32, phase: Phase) {
        match phase {
            Phase::Waiting | Phase::Started => self.report(id, attempt, ReportState::Acknowledged, None),
            Phase::Over(state, code) => self.report(id, attempt, state, code),
        }
    }

    /// Has the radio send the oldest message. `false` where the phone crashed over it.
    async fn transmit(&mut self) -> bool {
        let Some(message) = self.waiting.pop_front() else { return true };
        let (id, attempt) = (message.id, message.attempts);
        if self.clock.now() >= message.expires_at {
            self.over(id, attempt, ReportState::Failed, Some("expired"));
            return true;
        }
        self.seen.insert(id, (attempt, Phase::Started));
        match self.random.u32(0..100) {
            0..10 => self.over(id, attempt, ReportState::Failed, Some("no_service")),
            10..13 => self.over(id, attempt, ReportState::Failed, Some("invalid_number")),
            dice => {
                let crashes = dice < 16;
                if !crashes || self.random.bool() {
                    self.air.send(id, self.device, self.clock.now());
                }
                if crashes {
                    // As the next start finds it in the journal.
                    self.over(id, attempt, ReportState::Unknown, Some("interrupted"));
                    return false;
                }
                sleep(Duration::from_millis(self.random.u64(0..100))).await;
                self.over(id, attempt, ReportState::Sent, None);
                if self.random.bool() {
                    self.over(id, attempt, ReportState::Delivered, None);
                }
            }
        }
        true
    }

    fn over(&mut self, id: MessageId, attempt: u32, state: ReportState, code: Option<&'static str>) {
        self.seen.insert(id, (attempt, Phase::Over(state, code)));
        self.report(id, attempt, state, code);
    }

    fn report(&mut self, id: MessageId, attempt: u32, state: ReportState, code: Option<&'static str>) {
        self.reports.insert(self.random.u128(..), (id, attempt, state, code));
    }

    /// Says what has no receipt, in no order at all: networks reorder. `false` where nobody listens any more.
    async fn speak(&mut self, link: &MemoryDevice) -> bool {
        for (report, (message, attempt, state, code)) in &self.reports {
            let id = ReportId::from(Uuid::from_u128(*report));
            let attempt = Some(*attempt).filter(|attempt| *attempt < FOREVER);
            let report = Report { id, state: *state, failure: code.map(Failure::from_device), attempt };
            let said = link.say(DeviceEvent::Report { device: self.device, message: *message, report });
            if !said.await {
                return false;
            }
        }
        true
    }
}
