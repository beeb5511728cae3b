//! One line a change; on a terminal, below them a live one for the state that the message is in.

use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

use serde_json::Value;

const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// To the start of the line, and nothing on it.
const CLEAR: &str = "\r\x1b[2K";

pub(super) struct Line {
    is_live: bool,
    frame: usize,
    /// What was said last, and when.
    state: String,
    since: Instant,
}

impl Line {
    pub(super) fn new(is_json: bool) -> Self {
        let is_live = !is_json && stdout().is_terminal();
        Self { is_live, frame: 0, state: "accepted".into(), since: Instant::now() }
    }

    /// A change that has happened, so long after the message was accepted.
    pub(super) fn past(&mut self, after: Duration, event: &Value, device: &str) {
        let word = |name: &str| event[name].as_str().unwrap_or_default();
        let mut why = word("reason").replace('_', " ");
        if !word("code").is_empty() {
            why = word("code").to_owned();
        }
        if event["applied"] == false {
            why.push_str(" (too late, changed nothing)");
        }
        let (state, attempt) = (word("state"), event["attempt"].as_u64().unwrap_or_default());
        let device: String = device.chars().filter(|c| !c.is_control()).collect();
        let text = format!("{:>9.3} s  {state:<12}  {attempt:>2}  {device:<20}  {why}", after.as_secs_f64());
        println!("{}{}", if self.is_live { CLEAR } else { "" }, text.trim_end());
        if event["applied"] != false {
            self.state = state.to_owned();
            self.since = Instant::now();
        }
    }

    pub(super) fn draw(&mut self, is_away: bool) {
        if !self.is_live {
            return;
        }
        self.frame = (self.frame + 1) % SPINNER.len();
        let (spinner, since) = (SPINNER[self.frame], self.since.elapsed().as_secs());
        let note = if is_away { ", the gateway does not answer" } else { "" };
        print!("{CLEAR}{spinner} {} for {since} s{note}", self.state);
        // A terminal that is gone ends the process by its signal.
        let _ = stdout().flush();
    }

    pub(super) fn end(&self) {
        if self.is_live {
            print!("{CLEAR}");
            let _ = stdout().flush();
        }
    }
}
