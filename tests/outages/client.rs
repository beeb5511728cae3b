//! Applications that submit, and write down what they were told.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use smsgw::id::DeviceId;

use crate::suite::{LOADED, READY, REFUSED};

/// Longer than any answer may take.
const GIVEN_UP: Duration = Duration::from_secs(20);

/// Where the API is, and the token for it.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    url: String,
    bearer: String,
    agent: ureq::Agent,
}

/// What a request was told.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) begun: Instant,
    pub(crate) took: Duration,
    /// 0 where the connection broke.
    pub(crate) status: u16,
    pub(crate) says_when: bool,
    pub(crate) body: Value,
}

impl Api {
    pub(crate) fn new(url: String, token: String) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(GIVEN_UP));
        Self { url, bearer: format!("Bearer {token}"), agent: config.build().into() }
    }

    /// Asks whether it is ready.
    pub(crate) fn ready(&self) -> (u16, String) {
        let Ok(mut response) = self.agent.get(format!("{}/health/ready", self.url)).call() else {
            return (0, "no answer".into());
        };
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap_or_default())
    }

    /// Submits a message under `key`.
    pub(crate) fn submit(&self, key: &str, text: &str) -> Answer {
        self.post(key, &json!({"to": "+5351234567", "body": text}))
    }

    fn post(&self, key: &str, message: &Value) -> Answer {
        let request = self.agent.post(format!("{}/messages", self.url));
        let request = request.header("authorization", &self.bearer).header("idempotency-key", key);
        let begun = Instant::now();
        let response = request.send_json(message);
        let answer = response.ok().and_then(|mut response| {
            let says_when = response.headers().contains_key("retry-after");
            let text = response.body_mut().read_to_string().ok()?;
            let body = serde_json::from_str(&text).unwrap_or_default();
            Some((response.status().as_u16(), says_when, body))
        });
        let (status, says_when, body) = answer.unwrap_or_default();
        Answer { begun, took: begun.elapsed(), status, says_when, body }
    }

    /// Submits a message until it is accepted, which must be soon, and says its id.
    pub(crate) fn accepted(&self, key: &str) -> String {
        self.until_accepted(key, &json!({"to": "+5351234567", "body": "hola"}))
    }

    /// The same for one device.
    pub(crate) fn accepted_for(&self, device: DeviceId, key: &str) -> String {
        let message = json!({"to": "+5351234567", "body": "hola", "device_id": device.to_string()});
        self.until_accepted(key, &message)
    }

    fn until_accepted(&self, key: &str, message: &Value) -> String {
        let begun = Instant::now();
        loop {
            let answer = self.post(key, message);
            if answer.status == 202 {
                return id_of(&answer);
            }
            assert!(answer.status == 503 && begun.elapsed() < READY + LOADED, "{answer:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn id_of(answer: &Answer) -> String {
    answer.body["id"].as_str().expect("an id").to_owned()
}

/// What all clients of a case were told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) accepted: HashSet<String>,
    pub(crate) answers: Vec<Answer>,
}

impl Told {
    /// Each request was accepted, or refused soon, and with a word on when to come back. The machine may be slow: it is
    /// allowed what it took when all was well, until `harmed`.
    pub(crate) fn is_honest(&self, harmed: Instant) {
        let well = self.answers.iter().filter(|answer| answer.begun + answer.took < harmed);
        let slow = well.map(|answer| answer.took).max().unwrap_or_default();
        let limit = REFUSED + LOADED + slow * 2;
        for answer in &self.answers {
            assert!(matches!(answer.status, 202 | 429 | 503), "{answer:?}");
            assert!(answer.status == 202 || answer.says_when, "no Retry-After: {answer:?}");
            assert!(answer.took < limit, "it took longer than {limit:?}: {answer:?}");
        }
    }

    /// How many were refused.
    pub(crate) fn refused(&self) -> usize {
        self.answers.iter().filter(|answer| answer.status != 202).count()
    }

    /// How long the slowest took.
    pub(crate) fn slowest(&self) -> Duration {
        self.answers.iter().map(|answer| answer.took).max().unwrap_or_default()
    }

    /// When the first was accepted that was submitted after `since`, counted from there.
    pub(crate) fn accepted_after(&self, since: Instant) -> Option<Duration> {
        let accepted = self.answers.iter().filter(|answer| answer.status == 202 && answer.begun > since);
        accepted.map(|answer| answer.begun + answer.took - since).min()
    }
}

/// Clients that submit one message after the other, each until it is accepted.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Told>>,
}

impl Load {
    /// As many as a slow machine that does much else keeps up with: some 20 messages a second.
    pub(crate) fn light(api: &Api) -> Self {
        Self::start(api, 4, Duration::from_millis(200))
    }

    /// Starts so many clients, which pause for so long after each answer.
    pub(crate) fn start(api: &Api, clients: usize, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        // Keys are the account's: two loads on two gateways must not ask for the same.
        let load = fastrand::u32(..);
        let client = |n: usize| {
            let (api, stop) = (api.clone(), stop.clone());
            std::thread::spawn(move || {
                let mut told = Told::default();
                let mut next = 0;
                while !stop.load(Ordering::Relaxed) {
                    let key = format!("{load}-{n}-{next}");
                    let answer = api.submit(&key, &key);
                    if answer.status == 202 {
                        told.accepted.insert(id_of(&answer));
                        next += 1;
                    }
                    told.answers.push(answer);
                    std::thread::sleep(pause);
                }
                told
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, clients }
    }

    /// Ends it, and says what the clients were told.
    pub(crate) fn end(self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Told::default();
        for client in self.clients {
            let told = client.join().expect("the client ends");
            all.accepted.extend(told.accepted);
            all.answers.extend(told.answers);
        }
        all
    }
}
