//! What is known of a run: the four logs that the checker reads, and nothing else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds since 1970, by the clock of the one machine that all of a run is on.
pub(crate) type Micros = i64;

pub(crate) fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}

/// The time between two moments, in seconds; 0 where they are the other way round.
pub(crate) fn seconds(from: Micros, until: Micros) -> f64 {
    Duration::from_micros(u64::try_from(until - from).unwrap_or(0)).as_secs_f64()
}

/// One request of a client and what it was told.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) at: Micros,
    pub(crate) took: Duration,
    pub(crate) account: String,
    /// The idempotency key, or the message id that the client chose.
    pub(crate) key: String,
    /// No two messages of a run have the same text.
    pub(crate) body: String,
    pub(crate) answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 202, with this id.
    Accepted(String),
    /// Another status.
    Refused(u16),
    /// Nobody listened.
    Unreached,
    /// No answer on a connection that there was, or half of one.
    Broken,
}

/// A line of a radio's log: this went over the air.
#[derive(Debug, Clone)]
pub(crate) struct Aired {
    pub(crate) at: Micros,
    pub(crate) device: String,
    pub(crate) id: String,
    pub(crate) body: String,
}

/// A message as the database has it at the end.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) device: Option<String>,
    pub(crate) state: String,
    pub(crate) body: String,
}

/// An event of a message, in the order in which the database wrote them.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) message: String,
    pub(crate) at: Micros,
    pub(crate) device: Option<String>,
    pub(crate) attempt: u32,
    /// Whether it changed the message; a late report is only recorded.
    pub(crate) applied: bool,
    pub(crate) state: String,
}

/// Something that was broken for a while.
#[derive(Debug, Clone)]
pub(crate) struct Outage {
    pub(crate) what: String,
    /// When it was whole again.
    pub(crate) until: Micros,
    pub(crate) sign: Sign,
}

/// What shows that all works again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// The next 202.
    Accepted,
    /// The next message over the air.
    Aired,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Logs {
    pub(crate) asked: Vec<Asked>,
    pub(crate) aired: Vec<Aired>,
    pub(crate) rows: Vec<Row>,
    pub(crate) events: Vec<Event>,
    /// Each device and its account.
    pub(crate) devices: Vec<(String, String)>,
    /// When gateways died.
    pub(crate) deaths: Vec<Micros>,
    pub(crate) outages: Vec<Outage>,
}
