//! The command line of the gateway, over the real program and a real gateway: each command, as words and as JSON, and
//! what it ends with. What it does with settings is in `tests/settings`.

#[path = "../settings/place.rs"]
#[allow(dead_code, reason = "this test uses a part of it")]
mod place;
#[path = "../support/mod.rs"]
mod support;

mod config;
mod devices;
mod logs;
mod migrate;
mod send;
mod texts;
mod tokens;

use serde_json::Value;

use place::{Place, Said};

/// What a command printed as JSON.
fn json(said: &Said) -> Value {
    serde_json::from_str(&said.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", said.stdout, said.stderr))
}

/// Runs a client of the gateway at `url`.
fn ask(place: &Place, url: &str, args: &[&str]) -> Said {
    place.run(&[args, &["--url", url]].concat(), &[])
}
