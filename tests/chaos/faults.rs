//! Breaks things, mends them, and writes down when.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use smsgw_test_support::{Direction, Missing, Proxy};

use crate::logs::{Micros, Outage, Sign, now};
use crate::schedule::{Fault, Line, Sessions, Step, Way};
use crate::world::{QueueServer, World};

/// By when a gateway must have come by its crash point.
const REACHED: Duration = Duration::from_secs(20);
/// By when a gateway that was told to end must have ended.
const DRAINED: Duration = Duration::from_secs(10);
/// How long publishes pile up before a gateway is made to stand still.
const IN_HAND: Duration = Duration::from_secs(1);
/// The number of SIGABRT, by which a process dies at a crash point.
const ABORTED: i32 = 6;

/// What happened, for the checker and the report.
#[derive(Default)]
pub(crate) struct Happened {
    pub(crate) deaths: Vec<Micros>,
    pub(crate) outages: Vec<Outage>,
    /// How often a gateway died at each crash point, and how often it did not come by.
    pub(crate) crashes: BTreeMap<&'static str, (usize, usize)>,
    /// What gateways did that they must not do.
    pub(crate) misdeeds: Vec<String>,
    pub(crate) longest_drain: Duration,
}

pub(crate) struct Breaker<'a> {
    world: &'a mut World,
    random: fastrand::Rng,
    happened: Happened,
    /// Whose turn it is among several.
    turn: usize,
}

impl<'a> Breaker<'a> {
    /// Goes through all steps; at the end everything runs.
    pub(crate) fn run(world: &'a mut World, steps: &[Step], seed: u64) -> Result<Happened, Missing> {
        let random = fastrand::Rng::with_seed(seed);
        let mut breaker = Self { world, random, happened: Happened::default(), turn: 0 };
        for step in steps {
            std::thread::sleep(step.after);
            breaker.perform(step.fault)?;
            breaker.look_after_gateways();
        }
        breaker.start_all();
        Ok(breaker.happened)
    }

    fn perform(&mut self, fault: Fault) -> Result<(), Missing> {
        self.turn += 1;
        let slot = self.turn % self.world.slots.len();
        match fault {
            Fault::Crash { point, pass } => self.crash(slot, point, pass),
            Fault::Kill => {
                self.world.slots[slot].kill();
                self.happened.deaths.push(now());
                self.world.slots[slot].start(None);
                self.mended("gateway", Sign::Aired);
            }
            Fault::Restart => self.restart(slot),
            Fault::Broker(sessions) => {
                match sessions {
                    Sessions::Kept => self.world.mosquitto.restart()?,
                    Sessions::Crashed => {
                        self.world.mosquitto.kill();
                        self.world.mosquitto.start_again()?;
                    }
                    Sessions::Wiped => self.world.wipe_broker(),
                }
                self.mended("broker", Sign::Aired);
            }
            Fault::Database { down } => {
                self.world.postgres.kill();
                std::thread::sleep(down);
                self.world.postgres.start_again()?;
                self.mended("database", Sign::Accepted);
            }
            Fault::Queue { down } => {
                match &self.world.queue {
                    QueueServer::None => {}
                    QueueServer::Redis(redis) => {
                        redis.kill();
                        std::thread::sleep(down);
                        redis.start_again()?;
                    }
                    QueueServer::RabbitMq(rabbitmq) => {
                        rabbitmq.kill();
                        std::thread::sleep(down);
                        rabbitmq.start_again()?;
                    }
                }
                self.mended("queue", Sign::Aired);
            }
            Fault::Partition { line, way, lasts } => {
                self.proxies(line).iter().for_each(|proxy| cut(proxy, way));
                std::thread::sleep(lasts);
                self.proxies(line).iter().for_each(Proxy::resume);
                let name = match line {
                    Line::GatewayBroker => "gateway-broker",
                    Line::GatewayDatabase => "gateway-database",
                    Line::DeviceBroker => "device-broker",
                };
                self.mended(name, Sign::Aired);
            }
            Fault::Pause { lasts } => self.pause(slot, lasts),
            Fault::Phones => {
                let host = self.random.usize(0..self.world.hosts.len());
                self.world.hosts[host].kill();
                self.world.hosts[host].start();
            }
        }
        Ok(())
    }

    fn proxies(&self, line: Line) -> &[Proxy] {
        match line {
            Line::GatewayBroker => &self.world.gateway_broker,
            Line::GatewayDatabase => std::slice::from_ref(&self.world.gateway_database),
            Line::DeviceBroker => std::slice::from_ref(&self.world.device_broker),
        }
    }

    fn mended(&mut self, what: &str, sign: Sign) {
        self.happened.outages.push(Outage { what: what.to_owned(), until: now(), sign });
    }

    /// Lets the next gateway die at a crash point.
    fn crash(&mut self, slot: usize, point: &'static str, pass: u64) {
        let slot = &mut self.world.slots[slot];
        if slot.is_running() {
            slot.kill();
            self.happened.deaths.push(now());
        }
        if slot.start(Some(&format!("{point}:{pass}"))) && point == "draining" {
            std::thread::sleep(Duration::from_millis(self.random.u64(50..1_000)));
            slot.terminate();
        }
        let ended = slot.ends_within(REACHED);
        self.happened.deaths.push(now());
        let (died, missed) = self.happened.crashes.entry(point).or_default();
        match ended.map(|status| status.signal()) {
            Some(Some(ABORTED)) => *died += 1,
            Some(_) => self.happened.misdeeds.push(format!("armed at {point}, it ended as {ended:?}")),
            None => {
                *missed += 1;
                slot.kill();
            }
        }
    }

    /// One stands still with messages in hand, whose publishes are on their way until it goes on: all are late then.
    fn pause(&mut self, slot: usize, lasts: Duration) {
        self.world.gateway_broker[slot].stall();
        std::thread::sleep(IN_HAND);
        self.world.slots[slot].signal("-STOP");
        self.happened.deaths.push(now());
        std::thread::sleep(lasts);
        self.world.gateway_broker[slot].resume();
        self.world.slots[slot].signal("-CONT");
        self.mended("gateway", Sign::Accepted);
    }

    /// One ends in order and another takes its place.
    fn restart(&mut self, slot: usize) {
        let slot = &mut self.world.slots[slot];
        let began = Instant::now();
        slot.terminate();
        let ended = slot.ends_within(DRAINED * 2);
        let took = began.elapsed();
        self.happened.longest_drain = self.happened.longest_drain.max(took);
        if ended.is_none_or(|status| !status.success()) || took > DRAINED {
            self.happened.misdeeds.push(format!("told to end, it ended as {ended:?} after {took:?}"));
            slot.kill();
        }
        self.happened.deaths.push(now());
        slot.start(None);
    }

    /// A gateway that ends by itself is a finding; as by a supervisor, it is started again.
    fn look_after_gateways(&mut self) {
        for slot in &mut self.world.slots {
            if let Some(status) = slot.ended() {
                self.happened.misdeeds.push(format!("a gateway ended by itself: {status}"));
                self.happened.deaths.push(now());
                slot.start(None);
            }
        }
    }

    fn start_all(&mut self) {
        self.look_after_gateways();
        for slot in &mut self.world.slots {
            if !slot.is_running() && !slot.start(None) {
                self.happened.misdeeds.push("a gateway does not start".into());
            }
        }
    }
}

fn cut(proxy: &Proxy, way: Way) {
    match way {
        Way::ToServer => proxy.block(Direction::ToServer),
        Way::ToClient => proxy.block(Direction::ToClient),
        Way::Both => proxy.stall(),
    }
}
