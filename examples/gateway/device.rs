//! `gateway device`: phones and modems, through the HTTP API of a gateway that runs.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use ureq::http::{Method, StatusCode};

use crate::client::{Client, ClientFlags, refusal};
use crate::exit::{FAILED, Failure};
use crate::flags::OutputFlags;
use crate::table;

#[derive(Debug, Args)]
pub(crate) struct DeviceFlags {
    #[command(subcommand)]
    command: DeviceCommand,
}

#[derive(Debug, Subcommand)]
enum DeviceCommand {
    /// List all of the account, newest first
    List(Common),
    /// Make one and a key for it, and print what the phone needs; the key is shown once
    Create {
        /// What you call it
        name: String,
        /// What it speaks: native, or original for clients of the original system
        #[arg(long, value_name = "PROTOCOL", default_value = "native")]
        protocol: String,
        /// How fast it may be given messages, as 10/m; else as fast as the gateway's setting allows
        #[arg(long, value_name = "RATE")]
        rate_limit: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Make another key for it and print what the phone needs; the key is shown once
    Key(One),
    /// Give it no messages until it is resumed
    Pause(One),
    /// Give it messages again
    Resume(One),
    /// Remove it and its keys; its messages stay
    Delete(One),
}

#[derive(Debug, Args)]
struct One {
    /// The device, as `device list` names it
    id: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    output: OutputFlags,
    #[command(flatten)]
    client: ClientFlags,
}

pub(crate) fn run(DeviceFlags { command }: &DeviceFlags) -> Result<(), Failure> {
    match command {
        DeviceCommand::List(common) => list(&Client::new(&common.client)?, common.output.is_json()),
        DeviceCommand::Create { name, protocol, rate_limit, common } => {
            let client = Client::new(&common.client)?;
            let mut new = json!({"name": name, "protocol": protocol});
            if let Some(rate) = rate_limit {
                new["rate_limit"] = rate.as_str().into();
            }
            let device = client.ask(Method::POST, "/devices", Some(&new))?;
            key(&client, &device, common.output.is_json())
        }
        DeviceCommand::Key(One { id, common }) => {
            let client = Client::new(&common.client)?;
            let device = client.get(&path(id)?)?;
            key(&client, &device, common.output.is_json())
        }
        DeviceCommand::Pause(one) => pause(one, true),
        DeviceCommand::Resume(one) => pause(one, false),
        DeviceCommand::Delete(One { id, common }) => {
            Client::new(&common.client)?.ask(Method::DELETE, &path(id)?, None)?;
            match common.output.is_json() {
                true => println!("{}", json!({"id": id, "deleted": true})),
                false => println!("deleted {id}"),
            }
            Ok(())
        }
    }
}

fn list(client: &Client, is_json: bool) -> Result<(), Failure> {
    let mut items = Vec::new();
    let mut next = Some(String::from("/devices?limit=1000"));
    while let Some(path) = next.take() {
        let page = client.get(&path)?;
        items.extend(page["items"].as_array().into_iter().flatten().cloned());
        next = page["next_cursor"].as_str().map(|cursor| format!("/devices?limit=1000&cursor={cursor}"));
    }
    match is_json {
        true => println!("{}", json!({"items": items})),
        false => {
            let row = |device: &Value| {
                ["id", "name", "protocol", "online", "paused", "rate_limit", "last_seen_at"]
                    .map(|name| word(&device[name]))
            };
            let head = ["ID", "NAME", "PROTOCOL", "ONLINE", "PAUSED", "RATE-LIMIT", "LAST-SEEN"];
            table::print(head, items.iter().map(row));
        }
    }
    Ok(())
}

/// Makes a key for the device, and prints what its phone needs.
fn key(client: &Client, device: &Value, is_json: bool) -> Result<(), Failure> {
    let id = device["id"].as_str().unwrap_or_default();
    let made = client.ask(Method::POST, &format!("{}/api-keys", path(id)?), Some(&json!({})))?;
    let password = made["api_key"].as_str().unwrap_or_default();
    // Who speaks the original protocol names itself by its key.
    let user = if device["protocol"] == "original" { password } else { id };
    let server = client.server();
    match is_json {
        true => println!(
            "{}",
            json!({"id": id, "key_id": made["id"], "server": server, "user": user, "password": password})
        ),
        false => println!(
            "device    {id}\nserver    {server}\nuser      {user}\npassword  {password}\n\n\
             The password is shown once: give it to the phone now."
        ),
    }
    Ok(())
}

fn pause(One { id, common }: &One, paused: bool) -> Result<(), Failure> {
    let client = Client::new(&common.client)?;
    let change = json!({"paused": paused});
    let device = match client.exchange(Method::PATCH, &path(id)?, Some(&change))? {
        (StatusCode::UNPROCESSABLE_ENTITY, _) => {
            return Err(Failure::new(
                FAILED,
                "this gateway cannot pause devices: it is older than this program",
            ));
        }
        (status, device) if status.is_success() => device,
        (status, answer) => return Err(refusal(status, &answer)),
    };
    match common.output.is_json() {
        true => println!("{device}"),
        false => println!("{} {id}", if paused { "paused" } else { "resumed" }),
    }
    Ok(())
}

fn path(id: &str) -> Result<String, Failure> {
    match !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        true => Ok(format!("/devices/{id}")),
        false => Err(Failure::new(FAILED, "there is no such device; `gateway device list` names them")),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(is_true) => if *is_true { "yes" } else { "no" }.into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
