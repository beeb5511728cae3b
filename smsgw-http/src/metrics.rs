//! What a gateway counts, in the words of Prometheus. `docs/OPERATIONS.md` says what each of them means.

mod text;

use smsgw_core::gateway::{BackendHealth, Health, Statistics};

use self::text::{Kind, Text};

/// The media type of the answer.
pub(crate) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes everything. Labels have few values: states, reasons, stages, backends, and at most 64 codes of failures.
pub(crate) fn write(statistics: &Statistics, health: &Health) -> String {
    let mut text = Text::default();
    messages(&mut text, statistics);
    latencies(&mut text, statistics);
    present(&mut text, statistics, health);
    text.finish()
}

fn messages(text: &mut Text, statistics: &Statistics) {
    let mut count = |name, help, value| text.family(name, Kind::Counter, help).sample(&[], value);
    count("smsgw_messages_accepted_total", "New messages that were committed.", statistics.accepted);
    let help = "Messages that were submitted and not accepted.";
    count("smsgw_messages_refused_total", help, statistics.refused);
    let help = "Messages that the broker took for a device, each time that it did.";
    count("smsgw_messages_dispatched_total", help, statistics.dispatched);
    let help = "Messages that had to be sent again after an attempt.";
    count("smsgw_messages_retried_total", help, statistics.retries);
    count("smsgw_sms_received_total", "SMS that devices have received.", statistics.received);

    let help = "Messages that reached a state.";
    let mut family = text.family("smsgw_messages_reached_total", Kind::Counter, help);
    for (state, count) in statistics.reached() {
        family.sample(&[("state", state.as_str())], count);
    }
    let help = "How often a message had to wait, by reason.";
    let mut family = text.family("smsgw_messages_waited_total", Kind::Counter, help);
    for (reason, count) in &statistics.waits {
        family.sample(&[("reason", reason.as_str())], *count);
    }
    let help = "Messages that ended badly by the word of their devices, by code.";
    let mut family = text.family("smsgw_messages_failed_by_code_total", Kind::Counter, help);
    for (code, count) in &statistics.failures {
        family.sample(&[("code", code)], *count);
    }
}

fn latencies(text: &mut Text, statistics: &Statistics) {
    let help = "How long the stages of the gateway take.";
    let mut family = text.family("smsgw_stage_duration_seconds", Kind::Histogram, help);
    let latency = &statistics.latency;
    for (stage, histogram) in [
        ("intake", &latency.intake),
        ("queue_wait", &latency.queue_wait),
        ("claim", &latency.claim),
        ("send", &latency.send),
        ("report", &latency.report),
    ] {
        family.histogram(("stage", stage), histogram);
    }
}

fn present(text: &mut Text, statistics: &Statistics, health: &Health) {
    let help = "Ids that wait in the queue; missing while the queue does not say.";
    let mut family = text.family("smsgw_queue_depth", Kind::Gauge, help);
    if let Some(depth) = statistics.queue_depth {
        family.sample(&[], depth);
    }
    let help = "Devices that are there.";
    text.family("smsgw_devices_online", Kind::Gauge, help).sample(&[], statistics.devices_online);
    let help = "Messages that devices have been given and have not acknowledged.";
    text.family("smsgw_messages_in_hand", Kind::Gauge, help).sample(&[], statistics.in_hand);

    let help = "Whether a backend can serve, asked for this answer.";
    let mut family = text.family("smsgw_backend_up", Kind::Gauge, help);
    let up = |backend: &BackendHealth| u8::from(backend.ready.is_ok());
    family.sample(&[("backend", "store")], up(&health.store));
    family.sample(&[("backend", "queue")], up(&health.queue));
    family.sample(&[("backend", "transport")], up(&health.transport));

    let since = statistics.since.as_micros() as f64 / 1e6;
    let help = "When the gateway started, in seconds since 1970.";
    text.family("smsgw_start_time_seconds", Kind::Gauge, help).sample(&[], since);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.family("smsgw_build_info", Kind::Gauge, "The version, as a label.").sample(&version, 1);
}
