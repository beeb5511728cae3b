//! What it takes a gateway to hold many devices that are connected through a Mosquitto.
//!
//! That Mosquitto lets everybody in, so that no accounts need be made: whom it asks is no concern of the gateway's
//! memory. How long a start takes is seen on one that keeps accounts, as a Mosquitto should.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use smsgw_test_support::{Mosquitto, Postgres};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, block_in_place};

use crate::gateway::{self, Gateway};
use crate::scale::Kind;
use crate::usage;

mod phone;

use phone::Phone;

type Result<T> = crate::Outcome<T>;
type Settings = Vec<(&'static str, String)>;

/// Devices that connect at the same time: a listener lets some hundred wait.
const AT_ONCE: usize = 64;
/// How often the gateway is started to see how long it takes.
const STARTS: usize = 5;
/// After which it is taken to have nothing more to do.
const CALM: Duration = Duration::from_secs(5);
/// By when all must be online.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(crate) struct CrowdFlags {
    /// How many devices to connect
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    count: usize,
    /// Where the gateway keeps them
    #[arg(long, value_enum, default_value = "postgres")]
    store: Kind,
    /// How long to watch them stand there, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    idle: u64,
    /// Print one line of JSON as well
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(flags: &CrowdFlags) -> Result<()> {
    raise_files(flags.count)?;
    let program = gateway::build()?;
    let directory = tempfile::Builder::new().prefix("smsgw-crowd-").tempdir()?;
    let home = directory.path();
    let (postgres, database) = match flags.store {
        Kind::Sqlite => (None, format!("sqlite://{}", home.join("crowd.db").display())),
        Kind::Postgres => {
            let server = Postgres::start().map_err(|missing| missing.0)?;
            let url = server.url();
            (Some(server), url)
        }
    };
    let broker = Mosquitto::start_with(|place| {
        format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\npersistence false\n\
             max_inflight_messages 1000\nmax_queued_messages 100000\n",
            place.port
        )
    });
    let broker = broker.map_err(|missing| missing.0)?;
    let settings = |broker: &Mosquitto| -> Settings {
        vec![
            ("DATABASE_URL", database.clone()),
            ("MQTT_BROKER_HOST", "127.0.0.1".into()),
            ("MQTT_BROKER_PORT", broker.port().to_string()),
            ("MQTT_USERNAME", Mosquitto::USER.into()),
            ("MQTT_PASSWORD", Mosquitto::PASSWORD.into()),
            ("ACCOUNT_RATE_LIMIT", "100000/s".into()),
        ]
    };
    let (ready_ms, alone_mib) = {
        let guarded = Mosquitto::start_with_accounts("").map_err(|missing| missing.0)?;
        alone(&program, home, &settings(&guarded)).await?
    };

    let settings = settings(&broker);
    let gateway = Gateway::start(&program, home, &settings)?;
    let ids = block_in_place(|| gateway.register(flags.count))?;
    gateway.stop()?;

    let gateway = Gateway::start(&program, home, &settings)?;
    let begun = Instant::now();
    let (mut phones, connected) = connect(broker.port(), ids).await?;
    let online = loop {
        let online = block_in_place(|| gateway.online())?;
        if online == flags.count {
            break begun.elapsed();
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("{online} of {} are online after {PATIENCE:?}", flags.count).into());
        }
    };
    tokio::time::sleep(CALM).await;
    let cpu = || (usage::cpu(&[gateway.id()]), broker.cpu());
    let (before, watched) = (cpu(), Instant::now());
    tokio::time::sleep(Duration::from_secs(flags.idle)).await;
    let (after, seconds) = (cpu(), watched.elapsed().as_secs_f64());
    if let Some(lost) = phones.try_join_next() {
        lost??;
    }
    let idle_us = (after.0 - before.0).as_secs_f64() * 1e6 / seconds;
    let broker_us = (after.1 - before.1).as_secs_f64() * 1e6 / seconds;
    let rss_mib = usage::memory(gateway.id(), "VmRSS");
    let peak_mib = usage::memory(gateway.id(), "VmHWM");
    phones.abort_all();
    gateway.stop()?;
    drop(postgres);

    println!("{:<44} {:>10}", format!("gateway with {:?}, Mosquitto", flags.store), "");
    println!("{:<44} {ready_ms:>10.0} ms", "ready after");
    println!("{:<44} {alone_mib:>10.1} MiB", "RSS without devices");
    println!("{:<44} {:>10.1} s", format!("{} devices connected", flags.count), connected.as_secs_f64());
    println!("{:<44} {:>10.1} s", "all of them online for the gateway", online.as_secs_f64());
    println!("{:<44} {rss_mib:>10.1} MiB", "RSS with them");
    println!("{:<44} {peak_mib:>10.1} MiB", "RSS at most");
    println!("{:<44} {idle_us:>10.0} µs/s", "CPU of the gateway while they stand there");
    println!("{:<44} {broker_us:>10.0} µs/s", "CPU of the broker");
    if flags.json {
        let line = json!({
            "devices": flags.count, "ready_ms": ready_ms, "rss_mib": {"alone": alone_mib, "idle": rss_mib, "peak": peak_mib},
            "connected_s": connected.as_secs_f64(), "online_s": online.as_secs_f64(),
            "idle_cpu_us_per_s": {"gateway": idle_us, "broker": broker_us},
        });
        println!("{line}");
    }
    Ok(())
}

/// The median of what a start takes, in milliseconds, and the memory of a gateway without devices, in MiB.
async fn alone(program: &Path, home: &Path, settings: &Settings) -> Result<(f64, f64)> {
    // The first start makes the tables.
    Gateway::start(program, home, settings)?.stop()?;
    let mut ready = Vec::new();
    for _ in 0..STARTS {
        let gateway = Gateway::start(program, home, settings)?;
        ready.push(gateway.ready);
        gateway.stop()?;
    }
    ready.sort_unstable();
    let gateway = Gateway::start(program, home, settings)?;
    tokio::time::sleep(CALM).await;
    let memory = usage::memory(gateway.id(), "VmRSS");
    gateway.stop()?;
    Ok((ready[STARTS / 2].as_secs_f64() * 1e3, memory))
}

/// Connects all, some at a time; they stay. And how long it took.
async fn connect(port: u16, ids: Vec<String>) -> Result<(JoinSet<Result<()>>, Duration)> {
    let begun = Instant::now();
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let all = u32::try_from(ids.len())?;
    let arrived = Arc::new(Semaphore::new(0));
    let mut phones = JoinSet::new();
    for id in ids {
        let (gate, arrived) = (Arc::clone(&gate), Arc::clone(&arrived));
        phones.spawn(async move {
            let turn = gate.acquire().await?;
            let phone = Phone::connect(port, &id).await?;
            drop(turn);
            arrived.add_permits(1);
            phone.stay().await
        });
    }
    tokio::select! {
        there = arrived.acquire_many(all) => drop(there?),
        Some(lost) = phones.join_next() => lost??,
    }
    Ok((phones, begun.elapsed()))
}

/// Lets this process, and what it starts, open as many files as `count` devices need.
fn raise_files(count: usize) -> Result<()> {
    let needed = count as u64 + 1_000;
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < needed) {
        return Err(format!(
            "{count} devices need {needed} open files, and the hard limit is {}: raise it, as with `ulimit -Hn {needed}`",
            limit.maximum.unwrap_or(0)
        )
        .into());
    }
    if limit.current.is_some_and(|now| now < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })?;
    }
    Ok(())
}
