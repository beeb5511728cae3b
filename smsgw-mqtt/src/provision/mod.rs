//! Devices and their keys as accounts of a Mosquitto, so that it keeps each device to its own topics as the embedded
//! broker does.
//!
//! The broker needs its dynamic security plugin (2.0 or later; in Debian's package), and the gateway an account that may
//! administer it. Once, on the broker's machine, with the topics of the devices for the gateway itself:
//! ```text
//! mosquitto_ctrl dynsec init /var/lib/mosquitto/dynamic-security.json gateway
//! # in mosquitto.conf: per_listener_settings false
//! #                    plugin /usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so
//! #                    plugin_opt_config_file /var/lib/mosquitto/dynamic-security.json
//! mosquitto_ctrl -u gateway dynsec createRole smsgw-gateway
//! mosquitto_ctrl -u gateway dynsec addRoleACL smsgw-gateway publishClientSend 'smsgw/v1/+/down' allow
//! mosquitto_ctrl -u gateway dynsec addRoleACL smsgw-gateway publishClientSend 'devices/+/sms' allow
//! mosquitto_ctrl -u gateway dynsec addRoleACL smsgw-gateway publishClientSend 'server/auth/+' allow
//! mosquitto_ctrl -u gateway dynsec addClientRole gateway smsgw-gateway
//! ```
//! The last one is answered late or not at all, though it works: it ends the session that it was given in.
//!
//! Keys travel to the broker in the clear of the connection, as they do when devices log in: use TLS.
//!
//! # One key a device
//! A Mosquitto account has one password, and a native device's account is named after the device, so of several valid
//! keys **the one that was granted last** opens it. A new key ends the session of the old one at once: a grace period
//! does not reach this far. A device of the original protocol logs in with its key as both user name and password, so
//! there each key is an account of its own, and any number of them work side by side.
//!
//! # What the embedded broker does more
//! It refuses retained words but presence, and payloads over 4 KiB (set `message_size_limit 4096`, where no other client
//! needs more). The account that devices of the original protocol may share (`admin`) is left to the operator.

mod accounts;
mod dynsec;
mod session;

use std::collections::{HashMap, HashSet};
use std::fmt;

use secrecy::SecretString;
use smsgw_core::device::Protocol;
use smsgw_core::error::Result;
use smsgw_core::id::DeviceId;
use smsgw_core::key::KeyId;
use tokio::sync::Mutex;

use self::accounts::Account;
use self::dynsec::{Command, Existing};
use self::session::Session;
use crate::transport::{Login, MqttConfig};

/// A key that lets a device in.
#[derive(Clone)]
pub struct Grant {
    /// Whom.
    pub device: DeviceId,
    /// What it speaks, which decides on its topics.
    pub protocol: Protocol,
    /// The public part of the key.
    pub key: KeyId,
    /// The whole key. Known when it is issued, and for devices of the original protocol also later; without it no
    /// account can be made, but one that is there can be kept.
    pub secret: Option<SecretString>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("device", &self.device)
            .field("protocol", &self.protocol)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What [`Provisioner::resync`] had to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resynced {
    /// Accounts that were made, or given another key.
    pub granted: usize,
    /// Accounts that had been disabled and are not any more.
    pub enabled: usize,
    /// Accounts that were removed.
    pub removed: usize,
    /// Devices that cannot come in, though they have a valid key: it is not known whole. They need a new one.
    pub keyless: Vec<DeviceId>,
}

/// Keeps the accounts of a Mosquitto.
///
/// Each call makes a connection of its own and ends it; calls wait for one another. Accounts that others have made are
/// never touched.
///
/// # Cancel safety
/// Dropped, a call may have done a part of its work. It can be repeated, and [`resync`](Self::resync) finishes it.
///
/// # Errors
/// All methods: `Invalid` and `Unsupported` as [`MqttConfig::check`] says; `Unavailable` and `Timeout` where the broker
/// is away or silent; `Unauthorized` where it does not take our account or does not let it administer; `Unsupported`
/// where it has no dynamic security plugin. The detail says what to do.
pub struct Provisioner {
    config: MqttConfig,
    turn: Mutex<()>,
}

impl Provisioner {
    /// On the broker of `config`, whose account may administer it. Connects when there is something to do.
    pub fn new(config: MqttConfig) -> Self {
        Self { config, turn: Mutex::new(()) }
    }

    /// Whether the broker can be administered and keeps its accounts apart.
    ///
    /// # Errors
    /// Also `Invalid` where accounts may do by default what no role allows them.
    pub async fn check(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        let session = self.begin("check").await?;
        session.keeps_apart()?;
        session.end().await;
        Ok(())
    }

    /// Lets devices in with these keys: makes their accounts, or gives those that are there the new key, which ends
    /// their sessions. Of several keys of a native device the last counts.
    ///
    /// # Errors
    /// Also `Invalid` where a grant has no secret or one that cannot stand in a topic, or where accounts may do by
    /// default what no role allows them; nothing was done then.
    pub async fn grant(&self, grants: &[Grant]) -> Result<()> {
        let accounts = grants.iter().map(|grant| Account::new(grant, "grant")).collect::<Result<Vec<_>>>()?;
        let _turn = self.turn.lock().await;
        let mut session = self.begin("grant").await?;
        session.keeps_apart()?;
        give(&mut session, &accounts).await?;
        session.end().await;
        Ok(())
    }

    /// Shuts out whoever uses these keys, which were revoked or have expired, and ends their sessions. Answers how many
    /// accounts that were: a native device that has a newer key is not concerned.
    ///
    /// # Errors
    /// See [`Provisioner`].
    pub async fn disable(&self, keys: &[KeyId]) -> Result<usize> {
        let keys: HashSet<_> = keys.iter().collect();
        let _turn = self.turn.lock().await;
        let mut session = self.begin("disable").await?;
        let mut found = session.accounts().await?;
        found.retain(|account| keys.contains(&account.key) && !account.is_disabled);
        session.run(found.iter().map(|account| Command::disable(&account.username)).collect()).await?;
        session.end().await;
        Ok(found.len())
    }

    /// Removes all accounts of these devices, which ends their sessions. Answers how many that were.
    ///
    /// # Errors
    /// See [`Provisioner`].
    pub async fn remove(&self, devices: &[DeviceId]) -> Result<usize> {
        let devices: HashSet<_> = devices.iter().collect();
        let _turn = self.turn.lock().await;
        let mut session = self.begin("remove").await?;
        let mut found = session.accounts().await?;
        found.retain(|account| devices.contains(&account.device));
        session.run(found.iter().flat_map(Command::remove).collect()).await?;
        session.end().await;
        Ok(found.len())
    }

    /// Makes the accounts those of `grants`, which are all the valid keys there are, older ones first. Accounts that
    /// are as they should be keep their sessions.
    ///
    /// # Errors
    /// Also `Invalid` where a secret cannot stand in a topic, or where accounts may do by default what no role allows
    /// them; nothing was done then.
    pub async fn resync(&self, grants: &[Grant]) -> Result<Resynced> {
        let _turn = self.turn.lock().await;
        let mut session = self.begin("resync").await?;
        session.keeps_apart()?;
        let existing = session.accounts().await?;
        let roles = session.roles().await?;
        let plan = plan(grants, existing, roles)?;
        // First those who must not come in any more.
        session.run(plan.removing.iter().flat_map(Command::remove).collect()).await?;
        session.run(plan.roles.iter().map(|role| Command::remove_role(role)).collect()).await?;
        session.run(plan.enabling.iter().map(|name| Command::enable(name)).collect()).await?;
        give(&mut session, &plan.giving).await?;
        session.end().await;
        Ok(Resynced {
            granted: plan.giving.len(),
            enabled: plan.enabling.len(),
            removed: plan.removing.len(),
            keyless: plan.keyless,
        })
    }

    async fn begin(&self, operation: &'static str) -> Result<Session> {
        let login = Login::new(self.config.clone(), operation)?;
        Session::begin(login, operation).await
    }
}

/// Makes accounts, and changes those that are there already.
async fn give(session: &mut Session, accounts: &[Account]) -> Result<()> {
    let answers = session.run(accounts.iter().flat_map(Command::create).collect()).await?;
    // A role and an account for each.
    let taken =
        accounts.iter().zip(answers.chunks(2)).filter(|(_, pair)| pair.iter().skip(1).any(|a| a.existed));
    let changes: Vec<Command> = taken.flat_map(|(account, _)| Command::replace(account)).collect();
    session.run(changes).await.map(drop)
}

/// What a resync has to do.
#[derive(Default)]
struct Plan {
    giving: Vec<Account>,
    enabling: Vec<String>,
    removing: Vec<Existing>,
    /// Those that nobody has.
    roles: Vec<String>,
    keyless: Vec<DeviceId>,
}

fn plan(grants: &[Grant], existing: Vec<Existing>, mut roles: Vec<String>) -> Result<Plan> {
    let mut plan = Plan::default();
    // An account a role: those of one account together, older ones first.
    let mut wanted: HashMap<String, Vec<&Grant>> = HashMap::new();
    for grant in grants {
        wanted.entry(accounts::role(grant.protocol, grant.device, grant.key)).or_default().push(grant);
    }
    roles.retain(|role| !wanted.contains_key(role) && !existing.iter().any(|account| account.role == *role));
    plan.roles = roles;
    for account in existing {
        let Some(valid) = wanted.get(&account.role) else {
            plan.removing.push(account);
            continue;
        };
        let has_valid = account.has_role && valid.iter().any(|grant| grant.key == account.key);
        let better = valid.last().filter(|grant| grant.secret.is_some() && grant.key != account.key);
        if !has_valid || better.is_some() {
            // What is left of the wanted is made anew, or missed.
            if !has_valid && valid.iter().all(|grant| grant.secret.is_none()) {
                plan.removing.push(account);
            }
            continue;
        }
        wanted.remove(&account.role);
        if account.is_disabled {
            plan.enabling.push(account.username);
        }
    }
    for valid in wanted.into_values() {
        match valid.iter().rev().find(|grant| grant.secret.is_some()) {
            Some(grant) => plan.giving.push(Account::new(grant, "resync")?),
            None => plan.keyless.extend(valid.first().map(|grant| grant.device)),
        }
    }
    plan.keyless.sort_unstable();
    plan.keyless.dedup();
    Ok(plan)
}

impl fmt::Debug for Provisioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provisioner").field("config", &self.config).finish_non_exhaustive()
    }
}
