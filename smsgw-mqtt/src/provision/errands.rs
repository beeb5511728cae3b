//! What is done over a [`Session`]: commands in batches, lists page by page, and words for the gateways.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, ConnectionError, Event};
use serde_json::Value;
use smsgw_core::error::{ErrorKind, Result};
use smsgw_core::id::DeviceId;
use tokio::time::timeout;

use super::dynsec::{self, Answer, Command, Existing, PAGE};
use super::session::{FIRST_ANSWER, IN_FLIGHT, OVERHEAD, Session};
use crate::wire;

/// How long the broker may take for one batch. It writes its whole file for each command.
const BATCH_ANSWER: Duration = Duration::from_secs(30);
/// How long it may take for commands that end our session, and with it what would be answered.
const LAST_ANSWER: Duration = Duration::from_secs(2);

impl Session {
    /// Gives commands, and answers each of them in order. Fails at the first that fails.
    pub(super) async fn run(&mut self, commands: Vec<Command>) -> Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(commands.len());
        let mut batch = Vec::new();
        let mut bytes = 0;
        for command in commands {
            let length = command.json.to_string().len() + OVERHEAD;
            if bytes + length > self.batch && !batch.is_empty() {
                answers.extend(self.batch(std::mem::take(&mut batch)).await?);
                bytes = 0;
            }
            bytes += length;
            batch.push(command);
        }
        if !batch.is_empty() {
            answers.extend(self.batch(batch).await?);
        }
        Ok(answers)
    }

    async fn batch(&mut self, commands: Vec<Command>) -> Result<Vec<Answer>> {
        let answered = timeout(BATCH_ANSWER, self.command(commands)).await;
        answered.unwrap_or_else(|_| Err(self.error(ErrorKind::Timeout, "does not answer")))
    }

    /// All accounts of ours.
    pub(super) async fn accounts(&mut self) -> Result<Vec<Existing>> {
        self.list("listClients", true, dynsec::read_accounts).await
    }

    /// All roles of ours.
    pub(super) async fn roles(&mut self) -> Result<Vec<String>> {
        self.list("listRoles", false, dynsec::read_roles).await
    }

    async fn list<T>(
        &mut self,
        command: &str,
        verbose: bool,
        read: fn(&mut Value) -> (Vec<T>, usize),
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for page in 0.. {
            let mut answers = self.run(vec![Command::list(command, verbose, page * PAGE)]).await?;
            let (entries, length) =
                answers.first_mut().map(|answer| read(&mut answer.data)).unwrap_or_default();
            all.extend(entries);
            if length < PAGE {
                break;
            }
        }
        Ok(all)
    }

    /// Gives one command and answers its data.
    pub(super) async fn ask(&mut self, command: Command) -> Result<Value> {
        let answer = self.run(vec![command]).await?.pop();
        Ok(answer.map(|answer| answer.data).unwrap_or_default())
    }

    /// Whether this account is the shared one of ours.
    pub(super) async fn is_shared(&mut self, username: &str) -> Result<bool> {
        Ok(self.accounts().await?.iter().any(|found| found.is_shared() && found.username == username))
    }

    /// Gives commands that end this session: they are carried out, and not all answered.
    pub(super) async fn run_to_the_end(&mut self, commands: Vec<Command>) -> Result<()> {
        match timeout(LAST_ANSWER, self.command(commands)).await {
            Ok(Err(error)) if error.kind() == ErrorKind::Invalid => Err(error),
            _ => Ok(()),
        }
    }

    /// Says that native devices are gone, to all gateways: the plugin ends sessions without their last wills. The word
    /// stays, unless the devices are no more.
    pub(super) async fn say_gone(&mut self, devices: &[DeviceId], are_no_more: bool) -> Result<()> {
        let gone = wire::encode(&wire::Presence { online: false, at: None });
        for device in devices {
            let topic = wire::presence_topic(&device.to_string());
            self.retain(&topic, gone.clone()).await?;
            if are_no_more {
                self.retain(&topic, Vec::new()).await?;
            }
        }
        Ok(())
    }

    /// Whether the broker lets somebody in.
    pub(super) async fn admits(&mut self, username: &str, password: &str) -> Result<bool> {
        let mut options = self.login.options(&format!("smsgw-probe-{}", self.mark)).await;
        options
            .set_credentials(username, password)
            .set_clean_start(true)
            .set_outgoing_inflight_upper_limit(IN_FLIGHT);
        let (client, mut eventloop) = AsyncClient::new(options, 1);
        eventloop.options.set_connection_timeout(5);
        let admitted = async {
            loop {
                match eventloop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => return Ok(true),
                    Ok(_) => {}
                    Err(ConnectionError::ConnectionRefused(_)) => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
        };
        let admitted = timeout(FIRST_ANSWER, admitted).await;
        drop(client);
        match admitted {
            Ok(Ok(admitted)) => Ok(admitted),
            Ok(Err(error)) => {
                let (kind, why) = self.login.end(&error, false).words();
                Err(self.error(kind, &why))
            }
            Err(_) => Err(self.error(ErrorKind::Timeout, "does not answer")),
        }
    }
}
