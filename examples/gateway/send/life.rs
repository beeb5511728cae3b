//! The life of a message as it happens: its history, asked for again and again until it is over.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use smsgw::state::State;
use smsgw::time::Timestamp;

use super::line::Line;
use crate::client::Client;
use crate::exit::{FAILED, Failure, UNREACHABLE, WAITING};

const PAUSE: Duration = Duration::from_millis(250);
/// How often the line of the state that it is in is drawn between two questions.
const FRAMES: u32 = 2;

pub(super) fn watch(
    client: &Client,
    message: &Value,
    patience: Duration,
    is_json: bool,
) -> Result<(), Failure> {
    let id = message["id"].as_str().unwrap_or_default();
    let accepted = message["created_at"].as_str().and_then(Timestamp::parse);
    let end = Instant::now() + patience;
    let mut names = HashMap::new();
    let mut line = Line::new(is_json);
    let (mut shown, mut last) = (0, None);
    loop {
        // The message first: where it is over, its history is whole.
        let looked = look(client, id);
        let away = match looked {
            Ok((state, events)) => {
                for event in events.iter().skip(shown) {
                    let after = event["at"].as_str().and_then(Timestamp::parse);
                    let after = accepted.zip(after).map_or(Duration::ZERO, |(from, to)| from.until(to));
                    match is_json {
                        true => println!("{}", with_id(event, id, after)),
                        false => line.past(after, event, device(client, &mut names, event)),
                    }
                }
                shown = events.len().max(shown);
                last = Some(state);
                if state.is_terminal() {
                    line.end();
                    return outcome(state);
                }
                None
            }
            // A gateway that is started again goes on where it was; one that is asked too often answers later.
            Err(failure) if matches!(failure.code, UNREACHABLE | WAITING) => Some(failure),
            Err(failure) => {
                line.end();
                return Err(failure);
            }
        };
        if Instant::now() >= end {
            line.end();
            return Err(away.unwrap_or_else(|| Failure::new(WAITING, unfinished(id, last))));
        }
        for _ in 0..FRAMES {
            line.draw(away.is_some());
            sleep(PAUSE / FRAMES);
        }
    }
}

/// What went out must not be sent again, although nobody may ever say that it arrived.
fn unfinished(id: &str, state: Option<State>) -> String {
    match state {
        Some(State::Sent) => {
            format!(
                "message {id} went out, and the network has not said yet that it arrived; do not send it again"
            )
        }
        Some(State::Dispatched) => format!(
            "message {id} was given to its device; one of the original protocol never says more: do not send it again"
        ),
        _ => format!("message {id} is not over yet; look at it again, or give a longer --timeout"),
    }
}

fn look(client: &Client, id: &str) -> Result<(State, Vec<Value>), Failure> {
    let message = client.get(&format!("/messages/{id}"))?;
    let events = client.get(&format!("/messages/{id}/events"))?;
    let state = message["state"].as_str().and_then(State::parse);
    let state =
        state.ok_or_else(|| Failure::new(FAILED, "this gateway knows states that this program does not"))?;
    Ok((state, events["items"].as_array().cloned().unwrap_or_default()))
}

/// What its owner calls the device of an event; its id where the token may not ask, or it is gone.
fn device<'a>(client: &Client, names: &'a mut HashMap<String, String>, event: &Value) -> &'a str {
    let Some(id) = event["device_id"].as_str() else { return "-" };
    names.entry(id.to_owned()).or_insert_with(|| {
        let device = client.get(&format!("/devices/{id}")).unwrap_or(Value::Null);
        device["name"].as_str().unwrap_or(id).to_owned()
    })
}

fn with_id(event: &Value, id: &str, after: Duration) -> Value {
    let mut event = event.clone();
    event["id"] = id.into();
    event["after_seconds"] = json!(after.as_secs_f64());
    event
}

fn outcome(state: State) -> Result<(), Failure> {
    match state {
        State::Delivered => Ok(()),
        state => Err(Failure::new(FAILED, format!("the message ended as {state}"))),
    }
}
