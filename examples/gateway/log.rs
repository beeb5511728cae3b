//! The log on standard error, and the traces beside it where this build has them.

#[cfg(feature = "otlp")]
mod otlp;

use std::fmt::Display;
use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json"),
        }
    }
}

/// Sends what waits of the traces when it is dropped.
pub(crate) struct Log {
    #[cfg(feature = "otlp")]
    _traces: Option<otlp::Traces>,
}

pub(crate) fn start(format: Format) -> Log {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".into());
    // The broker's warnings name topics, and topics of the original protocol hold keys.
    let filter = EnvFilter::new(format!("{filter},mqtt5=error,mqtt5_protocol=error"));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(format == Format::Text && std::io::stderr().is_terminal());
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "otlp")]
    let (traces, subscriber) = {
        let traces = otlp::Traces::start();
        let layer = traces.as_ref().map(otlp::Traces::layer);
        (traces, subscriber.with(layer))
    };
    subscriber.init();
    Log {
        #[cfg(feature = "otlp")]
        _traces: traces,
    }
}

/// Says why the process ends, in the form of what was logged before.
pub(crate) fn last(format: Format, why: impl Display) {
    match format {
        Format::Text => eprintln!("smsgw: {why}"),
        Format::Json => tracing::error!("{why}"),
    }
}
