//! A connection over which the plugin is given commands and answers them; what is done over it is in `errands`.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop};
use serde::Deserialize;
use serde_json::{Value, json};
use smsgw_core::error::{Error, ErrorKind, Result};
use tokio::time::timeout;

use super::dynsec::{self, Answer, BACKEND, Command, REQUESTS, RESPONSES};
use super::lack::Lack;
use crate::transport::{Limits, Login, MqttConfig};

/// How long it may take to say that it has the plugin. Where it has none, it takes the command and says nothing.
pub(super) const FIRST_ANSWER: Duration = Duration::from_secs(5);
/// Commands that are given at once, in bytes: the broker does nothing else until all are done.
const BATCH: usize = 16 * 1024;
/// What a packet adds to its payload, and the payload to its commands.
pub(super) const OVERHEAD: usize = 128;
/// The largest answer: a page of a list.
const PACKET: u32 = 1024 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Publishes without a PUBACK: one at a time. rumqttc keeps an array of this size; its default would take 10 MB.
pub(super) const IN_FLIGHT: u16 = 8;
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) struct Session {
    pub(super) login: Login,
    operation: &'static str,
    client: AsyncClient,
    eventloop: EventLoop,
    welcomed: bool,
    /// The broker has acknowledged the last commands, whoever carries them out.
    is_taken: bool,
    /// It keeps retained messages.
    retains: bool,
    /// In every command and its answer. Others administer the broker too, and all hear all answers.
    pub(super) mark: String,
    /// Counts commands.
    next: usize,
    /// Bytes of a batch.
    pub(super) batch: usize,
    /// What accounts may do without a role.
    defaults: Value,
}

#[derive(Deserialize)]
struct Responses {
    responses: Vec<Response>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    error: Option<String>,
    #[serde(default)]
    data: Value,
    correlation_data: Option<String>,
}

impl Session {
    /// Connects, and finds out whether the plugin is there and listens to us.
    pub(super) async fn begin(login: Login, operation: &'static str) -> Result<Self> {
        let mark = format!("{:016x}", fastrand::u64(..));
        let mut options = login.options(&format!("{}-provision-{mark}", login.config().client_id)).await;
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_start(true)
            .set_max_packet_size(Some(PACKET))
            .set_outgoing_inflight_upper_limit(IN_FLIGHT);
        let (client, mut eventloop) = AsyncClient::new(options, 8);
        eventloop.options.set_connection_timeout(5);
        let mut session = Self {
            login,
            operation,
            client,
            eventloop,
            welcomed: false,
            is_taken: false,
            retains: true,
            mark,
            next: 0,
            batch: BATCH,
            defaults: Value::Null,
        };
        let begun = timeout(FIRST_ANSWER * 2, session.subscribe()).await;
        begun.unwrap_or_else(|_| Err(session.error(ErrorKind::Timeout, "does not answer")))?;
        match timeout(FIRST_ANSWER, session.command(vec![Command::defaults()])).await {
            Ok(answers) => session.defaults = answers?.pop().map(|answer| answer.data).unwrap_or_default(),
            // A broker that stalls may have the plugin all the same.
            Err(_) if !session.is_taken => return Err(session.error(ErrorKind::Timeout, "does not answer")),
            Err(_) => {
                let why = "has no dynamic security plugin, or one that does not answer: in its configuration, set \
                           `plugin` to mosquitto_dynamic_security.so and `plugin_opt_config_file` to a file made by \
                           `mosquitto_ctrl dynsec init`";
                return Err(session.error(ErrorKind::Unsupported, why).with_source(Lack::Plugin));
            }
        }
        Ok(session)
    }

    /// Fails where accounts may do by default what no role allows them.
    pub(super) fn keeps_apart(&self) -> Result<()> {
        match dynsec::open_default(&self.defaults) {
            None => Ok(()),
            Some(kind) => {
                // `mosquitto_ctrl` 2.0.11 has a command for that which does nothing.
                let cure = format!(
                    "lets every account do what no role allows it: stop it, and in the file that its \
                     plugin_opt_config_file names set {kind} under defaultACLAccess to false"
                );
                Err(self.error(ErrorKind::Invalid, &cure))
            }
        }
    }

    pub(super) fn operation(&self) -> &'static str {
        self.operation
    }

    /// Leaves a word on a topic, or takes it away where it is empty. A broker that keeps none passes it on.
    pub(super) async fn retain(&mut self, topic: &str, word: Vec<u8>) -> Result<()> {
        if word.is_empty() && !self.retains {
            return Ok(());
        }
        if self.client.try_publish(topic, QoS::AtLeastOnce, self.retains, word).is_err() {
            return Err(self.error(ErrorKind::Internal, "cannot be told"));
        }
        let taken = async {
            while !matches!(self.poll().await?, Event::Incoming(Packet::PubAck(_))) {}
            Ok(())
        };
        let taken = timeout(FIRST_ANSWER, taken).await;
        taken.unwrap_or_else(|_| Err(self.error(ErrorKind::Timeout, "does not answer")))
    }

    /// Says goodbye.
    pub(super) async fn end(mut self) {
        if self.client.try_disconnect().is_ok() {
            let gone = async {
                while !matches!(
                    self.poll().await,
                    Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) | Err(_)
                ) {}
            };
            let _ = timeout(GOODBYE, gone).await;
        }
    }

    async fn subscribe(&mut self) -> Result<()> {
        loop {
            match self.poll().await? {
                Event::Incoming(Packet::ConnAck(ack)) => {
                    self.welcomed = true;
                    let limits = Limits::read(ack.properties.as_ref());
                    self.retains = limits.retains;
                    if let Some(max) = limits.max_packet {
                        self.batch = self.batch.min((max as usize).saturating_sub(2 * OVERHEAD));
                    }
                    let filter = Filter::new(RESPONSES, QoS::AtLeastOnce);
                    if self.client.try_subscribe_many([filter]).is_err() {
                        return Err(self.error(ErrorKind::Internal, "cannot be subscribed to"));
                    }
                }
                Event::Incoming(Packet::SubAck(ack)) => {
                    let is_allowed = matches!(ack.return_codes[..], [SubscribeReasonCode::Success(_)]);
                    return if is_allowed { Ok(()) } else { Err(self.not_allowed()) };
                }
                _ => {}
            }
        }
    }

    /// Gives commands in one packet, and waits for all their answers.
    pub(super) async fn command(&mut self, commands: Vec<Command>) -> Result<Vec<Answer>> {
        let first = self.next;
        self.next += commands.len();
        let mut list = Vec::with_capacity(commands.len());
        let mut asked = Vec::with_capacity(commands.len());
        for (Command { mut json, done }, number) in commands.into_iter().zip(first..) {
            asked.push((json["command"].as_str().unwrap_or_default().to_owned(), done));
            json["correlationData"] = format!("{} {number}", self.mark).into();
            list.push(json);
        }
        let payload = json!({ "commands": list }).to_string();
        if self.client.try_publish(REQUESTS, QoS::AtLeastOnce, false, payload).is_err() {
            return Err(self.error(ErrorKind::Internal, "cannot be asked"));
        }
        let mut answers: Vec<Option<Answer>> = asked.iter().map(|_| None).collect();
        self.is_taken = false;
        while !self.is_taken || answers.iter().any(Option::is_none) {
            match self.poll().await? {
                Event::Incoming(Packet::PubAck(ack)) => match ack.reason {
                    PubAckReason::NotAuthorized => return Err(self.not_allowed()),
                    _ => self.is_taken = true,
                },
                Event::Incoming(Packet::Publish(publish)) => {
                    let said: Responses = serde_json::from_slice(&publish.payload)
                        .map_err(|_| self.error(ErrorKind::Corrupt, "answers what cannot be read"))?;
                    for response in said.responses {
                        let Some(index) = self.index(&response, first) else { continue };
                        let Some(((name, done), answer)) = asked.get(index).zip(answers.get_mut(index))
                        else {
                            continue;
                        };
                        let existed = match response.error {
                            None => false,
                            Some(error) if Some(error.as_str()) == *done => true,
                            Some(error) => {
                                return Err(
                                    self.error(ErrorKind::Invalid, &format!("answers {name}: {error}"))
                                );
                            }
                        };
                        *answer = Some(Answer { existed, data: response.data });
                    }
                }
                _ => {}
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Which command an answer is for, where it is one of ours.
    fn index(&self, response: &Response, first: usize) -> Option<usize> {
        let number = response.correlation_data.as_deref()?.strip_prefix(&self.mark)?.trim_start();
        number.parse::<usize>().ok()?.checked_sub(first)
    }

    pub(super) async fn poll(&mut self) -> Result<Event> {
        self.eventloop.poll().await.map_err(|error| {
            let (kind, why) = self.login.end(&error, self.welcomed).words();
            self.error(kind, &why)
        })
    }

    fn not_allowed(&self) -> Error {
        let user = self.login.config().username.as_deref().unwrap_or("USER");
        let cure = format!(
            "does not let the gateway administer its accounts: give it the role, `mosquitto_ctrl dynsec addClientRole \
             {user} admin`"
        );
        self.error(ErrorKind::Unauthorized, &cure).with_source(Lack::Rights)
    }

    pub(super) fn error(&self, kind: ErrorKind, why: &str) -> Error {
        let MqttConfig { host, port, .. } = self.login.config();
        Error::new(kind, BACKEND, self.operation).with_detail(format!("the broker at {host}:{port} {why}"))
    }
}
