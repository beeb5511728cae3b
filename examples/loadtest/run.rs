//! One run: everything is started, warmed up, put under load, and counted.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use smsgw::time::{Clock, SystemClock};
use smsgw_test_support::usage;

use crate::Outcome;
use crate::flags::RunFlags;
use crate::gateway::{self, Gateway};
use crate::http::Load;
use crate::phones::Phones;
use crate::report::Report;
use crate::servers::Servers;
use crate::tally::{Span, Tally};

/// How long nothing may happen before what is missing is taken for lost. A message whose broker did not answer is sent
/// again within a minute.
const PATIENCE: Duration = Duration::from_secs(90);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn run(flags: RunFlags) -> Outcome<Report> {
    let say = |words: &str| {
        if !flags.json {
            eprintln!("{words}");
        }
    };
    let program = flags.gateway.clone().map_or_else(gateway::build, Ok)?;
    let home = tempfile::Builder::new().prefix("smsgw-loadtest-").tempdir()?;
    say("starting the servers and the gateway");
    let servers = Servers::start(&flags).map_err(|missing| missing.0)?;
    let gateway = Gateway::start(&program, home.path(), &servers.settings(&flags))?;
    let tally = Arc::new(Tally::new(flags.warmup + flags.messages));
    let mut phones = match flags.only_accept {
        true => None,
        false => {
            say("connecting the devices");
            let devices = gateway.create_devices(usize::from(flags.devices))?;
            let phones = Phones::start(gateway.mqtt, devices, tally.clone())?;
            while gateway.online()? < usize::from(flags.devices) {
                std::thread::sleep(Duration::from_millis(20));
            }
            Some(phones)
        }
    };
    let send_at = flags.only_accept.then(|| (SystemClock.now() + DAY).to_string());
    let load = Load {
        gateway: gateway.http,
        token: gateway.token.clone(),
        connections: flags.connections,
        rate: None,
        bulk: flags.bulk,
        body: flags.body,
        send_at,
    };
    let end = if flags.only_accept { &tally.answers } else { &tally.receipts };
    say("warming up");
    load.run(&tally, 0..flags.warmup)?;
    wait(end, flags.warmup)?;
    tally.refused.store(0, Relaxed);

    let before = measure(&gateway, &servers);
    let watch = Watch::start(&flags, &tally, gateway.id());
    let load = Load { rate: flags.rate, ..load };
    let numbers = flags.warmup..flags.warmup + flags.messages;
    load.run(&tally, numbers.clone())?;
    // What does not come is lost, and is said to be.
    let waited = wait(end, numbers.end);
    let after = measure(&gateway, &servers);
    let mut memory = watch.stop();
    for (name, (_, bytes)) in &after {
        let peak = memory.entry(name).or_insert(0.0);
        *peak = peak.max(megabytes(*bytes));
    }
    if let Some(phones) = &mut phones {
        phones.stop()?;
    }
    if waited.is_err() {
        say(&gateway.said());
    }
    let each = |(name, (cpu, _)): (&&'static str, &(Duration, u64))| {
        let used = cpu.saturating_sub(before.get(name).map_or(Duration::ZERO, |(cpu, _)| *cpu));
        (*name, used.as_secs_f64() * 1e6 / flags.messages as f64)
    };
    let accepted = Span::of(&tally, &tally.accepted, numbers.clone());
    say("counting what is stored");
    let stored = gateway.count(if flags.only_accept { "scheduled" } else { "sent" })?;
    Ok(Report {
        lost: (flags.warmup + accepted.count).saturating_sub(stored),
        accepted,
        arrived: Span::of(&tally, &tally.arrived, numbers.clone()),
        reported: Span::of(&tally, &tally.reported, numbers),
        duplicated: tally.duplicated.load(Relaxed),
        refused: tally.refused.load(Relaxed),
        cpu: after.iter().map(each).collect(),
        memory,
        flags,
    })
}

/// Waits until a counter says that all have come.
fn wait(counter: &AtomicUsize, all: usize) -> Result<(), String> {
    let mut last = (counter.load(Relaxed), Instant::now());
    while last.0 < all {
        if last.1.elapsed() > PATIENCE {
            return Err(format!("{} of {all} messages have come to their end, and nothing moves", last.0));
        }
        std::thread::sleep(Duration::from_millis(2));
        let now = counter.load(Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
    Ok(())
}

type Usage = BTreeMap<&'static str, (Duration, u64)>;

/// What each process has used so far. The driver is the connections and the devices together.
fn measure(gateway: &Gateway, servers: &Servers) -> Usage {
    let own = std::process::id();
    // Of the driver alone: what it has started are the others.
    let driver = ("driver", usage::cpu_of_one(own), usage::memory_of_one(own));
    let (cpu, memory) = gateway.usage();
    let all = servers.usage().into_iter().chain([("gateway", cpu, memory), driver]);
    all.map(|(name, cpu, memory)| (name, (cpu, memory))).collect()
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Looks on while the load runs: how far it is, and how much memory the gateway has at the most.
struct Watch {
    over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<u64>,
}

impl Watch {
    fn start(flags: &RunFlags, tally: &Arc<Tally>, gateway: u32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let shows = !flags.json && std::io::stderr().is_terminal();
        let (until, tally, warmup, messages) = (over.clone(), tally.clone(), flags.warmup, flags.messages);
        let thread = std::thread::spawn(move || {
            let mut peak = 0;
            while !until.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(250));
                peak = peak.max(usage::memory(gateway));
                if shows {
                    let done = |counter: &AtomicUsize| counter.load(Relaxed).saturating_sub(warmup);
                    let (accepted, sent) = (done(&tally.answers), done(&tally.receipts));
                    eprint!("\r{accepted:>9} accepted  {sent:>9} sent  of {messages}");
                    let _ = std::io::stderr().flush();
                }
            }
            if shows {
                eprintln!();
            }
            peak
        });
        Self { over, thread }
    }

    fn stop(self) -> BTreeMap<&'static str, f64> {
        self.over.store(true, Relaxed);
        self.thread.join().map(|peak| ("gateway", megabytes(peak))).into_iter().collect()
    }
}
