//! Applications: they submit messages over HTTP, ask again until they are told 202, and write down what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use smsgw::id::{IdSource, MessageId};
use smsgw::time::{Clock, SystemClock};
use ureq::Agent;

use crate::gateway::Addresses;
use crate::logs::{Answer, Asked, now};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// An account: its name, its token, and its devices.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) token: String,
    pub(crate) devices: Vec<String>,
}

/// How much, and how fast.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) clients: usize,
    /// Messages a second of all together, at most.
    pub(crate) rate: f64,
    /// No more messages than this in a run.
    pub(crate) at_most: usize,
}

/// The clients of a run.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    give_up: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Asked>>>,
}

impl Clients {
    pub(crate) fn start(load: Load, seed: u64, accounts: &[Account], addresses: &Addresses) -> Self {
        let (stop, give_up) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let begun = Arc::new(AtomicUsize::new(0));
        let threads = (0..load.clients).map(|number| {
            let client = Client {
                number,
                account: accounts[number % accounts.len()].clone(),
                addresses: addresses.clone(),
                agent: agent(),
                random: fastrand::Rng::with_seed(seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9)),
                ids: IdSource::new(),
                give_up: give_up.clone(),
                log: Vec::new(),
            };
            let (stop, begun) = (stop.clone(), begun.clone());
            std::thread::spawn(move || client.run(load, &stop, &begun))
        });
        Self { threads: threads.collect(), stop, give_up }
    }

    /// Begins nothing new; what was begun is asked until it is accepted, for `limit` at most. Returns the client log.
    pub(crate) fn finish(self, limit: Duration) -> Vec<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        let end = Instant::now() + limit;
        while Instant::now() < end && !self.threads.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.give_up.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    }
}

pub(crate) fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into()
}

struct Client {
    number: usize,
    account: Account,
    addresses: Addresses,
    agent: Agent,
    random: fastrand::Rng,
    ids: IdSource,
    give_up: Arc<AtomicBool>,
    log: Vec<Asked>,
}

/// A message of a client, and how it is told from others when it is asked for again.
struct Request {
    body: Value,
    text: String,
    /// The message's own id, or the Idempotency-Key.
    key: String,
    is_id: bool,
}

impl Client {
    fn run(mut self, load: Load, stop: &AtomicBool, begun: &AtomicUsize) -> Vec<Asked> {
        let pause = Duration::from_secs_f64(load.clients as f64 / load.rate);
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) && begun.fetch_add(1, Ordering::Relaxed) < load.at_most {
            count += 1;
            let request = self.request(count);
            self.submit(&request);
            std::thread::sleep(pause.mul_f64(self.random.f64() * 2.0));
        }
        self.log
    }

    fn request(&mut self, count: usize) -> Request {
        let text = format!("client {} says {count}", self.number);
        let mut body = json!({"to": "+5351234567", "body": text});
        if self.random.u8(0..4) == 0
            && let Some(device) = self.random.choice(&self.account.devices)
        {
            body["device_id"] = json!(device);
        }
        if self.random.u8(0..8) == 0 {
            body["priority"] = json!("high");
        }
        let is_id = self.random.bool();
        let key = match is_id {
            true => self.ids.next::<MessageId>(SystemClock.now()).to_string(),
            false => format!("key of {text}"),
        };
        if is_id {
            body["id"] = json!(key);
        }
        Request { body, text, key, is_id }
    }

    /// Asks until it is told 202; now and then once more, which must change nothing.
    fn submit(&mut self, request: &Request) {
        loop {
            if let Some(answer) = self.ask(request) {
                let accepted = matches!(answer, Answer::Accepted(_));
                if accepted && self.random.u8(0..16) > 0 {
                    return;
                }
            }
            if self.give_up.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(Duration::from_millis(self.random.u64(20..200)));
        }
    }

    fn ask(&mut self, request: &Request) -> Option<Answer> {
        let address = self.addresses.any(&mut self.random)?;
        let mut post = self.agent.post(format!("{address}/messages"));
        post = post.header("authorization", format!("Bearer {}", self.account.token));
        if !request.is_id {
            post = post.header("idempotency-key", &request.key);
        }
        let (at, began) = (now(), Instant::now());
        let answer = match post.send_json(&request.body) {
            Err(ureq::Error::ConnectionFailed) => Answer::Unreached,
            Err(ureq::Error::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Answer::Unreached
            }
            Err(_) => Answer::Broken,
            Ok(mut response) if response.status() == 202 => {
                let message = response.body_mut().read_json::<Value>().ok();
                match message.as_ref().and_then(|message| message["id"].as_str()) {
                    Some(id) => Answer::Accepted(id.to_owned()),
                    None => Answer::Broken,
                }
            }
            Ok(response) => Answer::Refused(response.status().as_u16()),
        };
        self.log.push(Asked {
            at,
            took: began.elapsed(),
            account: self.account.name.clone(),
            key: request.key.clone(),
            body: request.text.clone(),
            answer: answer.clone(),
        });
        Some(answer)
    }
}
