//! `gateway send`: one message through a gateway that runs, and what becomes of it.

mod life;
mod line;

use std::io::Read;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use ureq::http::Method;
use uuid::Uuid;

use crate::client::{Client, ClientFlags};
use crate::exit::{FAILED, Failure, UNREACHABLE, WAITING};
use crate::flags::{OutputFlags, span};

#[derive(Debug, Args)]
pub(crate) struct SendFlags {
    /// The recipient, as +5351234567
    to: String,
    /// The text; - reads it from standard input
    body: String,
    /// The id of the message, a UUID: with the same one again, it is not sent again
    #[arg(long, value_name = "ID")]
    id: Option<Uuid>,
    /// By this device; else by any of the account
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Show each change of state until the message is over
    #[arg(long)]
    watch: bool,
    /// How long to watch at most, as 30s, 5m or 1h
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "60s", requires = "watch")]
    timeout: Duration,
    #[command(flatten)]
    output: OutputFlags,
    #[command(flatten)]
    client: ClientFlags,
}

pub(crate) fn run(flags: &SendFlags) -> Result<(), Failure> {
    let client = Client::new(&flags.client)?;
    let id = flags.id.unwrap_or_else(Uuid::now_v7);
    let mut new = json!({"id": id, "to": flags.to, "body": text(&flags.body)?});
    if let Some(device) = &flags.device {
        new["device_id"] = device.as_str().into();
    }
    let message =
        client.ask(Method::POST, "/messages", Some(&new)).map_err(|failure| match failure.code {
            // It may have come as far as the gateway, and only the answer not back.
            UNREACHABLE | WAITING => Failure::new(
                failure.code,
                format!("{failure}; to try again without sending it twice: --id {id}"),
            ),
            _ => failure,
        })?;
    match flags.watch {
        true => life::watch(&client, &message, flags.timeout, flags.output.is_json()),
        false => {
            accepted(&message, flags.output.is_json());
            Ok(())
        }
    }
}

fn accepted(message: &Value, is_json: bool) {
    let word = |name: &str| message[name].as_str().unwrap_or_default();
    match is_json {
        true => println!("{message}"),
        false => println!("{}  {}", word("id"), word("state")),
    }
}

fn text(body: &str) -> Result<String, Failure> {
    if body != "-" {
        return Ok(body.to_owned());
    }
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|error| Failure::new(FAILED, format!("standard input cannot be read ({error})")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
