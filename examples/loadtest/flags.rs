//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::crowd::CrowdFlags;
use crate::scale::ScaleFlags;

/// Drives messages through a whole gateway and counts what became of each: from an HTTP request to the stored report of the
/// device that was to send it. Starts the servers, the gateway and the devices itself.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunFlags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// How the cost of a store's calls grows with its tables
    Scale(ScaleFlags),
    /// What it takes to hold many devices that are connected through Mosquitto
    Devices(CrowdFlags),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunFlags {
    /// Where messages are kept
    #[arg(long, value_enum, default_value_t = Store::Sqlite)]
    pub(crate) store: Store,
    /// What hands ready work to dispatchers
    #[arg(long, value_enum, default_value_t = Queue::Memory)]
    pub(crate) queue: Queue,
    /// What carries messages to devices
    #[arg(long, value_enum, default_value_t = Broker::Embedded)]
    pub(crate) broker: Broker,
    /// How many messages to send
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub(crate) messages: usize,
    /// How many HTTP connections send them, each one request at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) connections: u16,
    /// How many simulated devices take them; none where messages are only to be accepted
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) devices: u16,
    /// Messages a second; as fast as the connections go where nothing is said
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<f64>,
    /// Messages in each request, as `POST /messages/bulk` where they are several
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) bulk: u16,
    /// Bytes of each text
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u16).range(24..=1_000))]
    pub(crate) body: u16,
    /// Messages that go before the others and are not counted: connections, statements and caches are made by them
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub(crate) warmup: usize,
    /// Schedule the messages for tomorrow: measures how fast they are accepted, and nothing else
    #[arg(long)]
    pub(crate) only_accept: bool,
    /// Have every message go through the queue, also those that could go at once
    #[arg(long)]
    pub(crate) always_queue: bool,
    /// Print one line of JSON and no table
    #[arg(long)]
    pub(crate) json: bool,
    /// The gateway's program; it is built where nothing is said
    #[arg(long, value_name = "PATH")]
    pub(crate) gateway: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Queue {
    Memory,
    Redis,
    Amqp,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Broker {
    Embedded,
    Mosquitto,
}

impl RunFlags {
    /// What cannot be had together.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.queue == Queue::Postgres && self.store != Store::Postgres {
            return Err("--queue postgres is in the database of --store postgres");
        }
        if self.devices == 0 && !self.only_accept {
            return Err("without --devices nothing is sent; --only-accept measures what is accepted");
        }
        if self.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err("--rate: expected messages a second, as 50");
        }
        if self.rate.is_some() && self.bulk > 1 {
            return Err("--rate says when each message is due; --bulk sends several at once");
        }
        Ok(())
    }
}
