//! Devices and their keys as accounts of a Mosquitto, so that it keeps each device to its own topics as the embedded
//! broker does.
//!
//! The broker needs its dynamic security plugin (2.0 or later; in Debian's package), and the gateway an account that may
//! administer it. Once, on the broker's machine:
//! ```text
//! mosquitto_ctrl dynsec init /var/lib/mosquitto/dynamic-security.json gateway
//! # in mosquitto.conf: per_listener_settings false
//! #                    plugin /usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so
//! #                    plugin_opt_config_file /var/lib/mosquitto/dynamic-security.json
//! ```
//! That is all. What the gateway itself may do with the topics of its devices, its account is given by
//! [`check`](Provisioner::check) and [`resync`](Provisioner::resync): the role `smsgw-gateway`, whose rules are added where
//! they are missing, and never taken away. That ends the sessions of the account once; they come back.
//!
//! A gateway that is not to administer its broker, with devices that somebody else lets in, needs an account with that
//! role and no other. Its rules by hand, the last two of them for [`MqttConfig::share`] only:
//! ```text
//! mosquitto_ctrl -u admin dynsec createRole smsgw-gateway
//! mosquitto_ctrl -u admin dynsec addRoleACL smsgw-gateway publishClientSend 'smsgw/v1/+/down' allow
//! mosquitto_ctrl -u admin dynsec addRoleACL smsgw-gateway publishClientSend 'devices/+/sms' allow
//! mosquitto_ctrl -u admin dynsec addRoleACL smsgw-gateway publishClientSend 'server/auth/+' allow
//! mosquitto_ctrl -u admin dynsec addRoleACL smsgw-gateway subscribePattern 'smsgw/v1/+/up' allow
//! mosquitto_ctrl -u admin dynsec addRoleACL smsgw-gateway subscribePattern 'smsgw/v1/+/presence' allow
//! mosquitto_ctrl -u admin dynsec addRoleACL smsgw-gateway subscribePattern 'devices/auth/+' allow
//! mosquitto_ctrl -u admin dynsec addRoleACL smsgw-gateway subscribePattern 'devices/messages/+' allow
//! mosquitto_ctrl -u admin dynsec addRoleACL smsgw-gateway subscribePattern 'smsgw/v1/+/down' allow
//! mosquitto_ctrl -u admin dynsec addRoleACL smsgw-gateway subscribePattern '$share/+/smsgw/v1/+/up' allow
//! mosquitto_ctrl -u admin dynsec addRoleACL smsgw-gateway subscribePattern '$share/+/devices/messages/+' allow
//! ```
//! It subscribes to `smsgw/v1/{client id}/down` to find out whether another gateway uses its client id.
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
//! needs more).
//!
//! # Several gateways
//! Each may have an account of its own, or all of them one; each gives the same
//! [shared account](DynsecProvisioner::with_shared_account), or none: a resync removes what it was not told of.

mod accounts;
mod dynsec;
mod errands;
mod gateway;
mod lack;
mod plan;
mod session;
mod shared;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use smsgw_core::device::Protocol;
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::id::DeviceId;
use smsgw_core::key::KeyId;
use smsgw_core::provision::{Grant, Provisioner, Resynced, ValidKeys};
use tokio::sync::Mutex;

use self::accounts::Account;
use self::dynsec::{BACKEND, Command, Existing};
pub use self::lack::Lack;
use self::plan::Plan;
use self::session::Session;
pub use crate::account::SharedAccount;
use crate::transport::{Login, MqttConfig};

/// Keeps the accounts of a Mosquitto.
///
/// Each call makes a connection of its own and ends it; calls wait for one another. Accounts that others have made are
/// never touched.
///
/// # Errors
/// All methods: `Invalid` and `Unsupported` as [`MqttConfig::check`] says; `Unavailable` and `Timeout` where the broker
/// is away or silent; `Unauthorized` where it does not take our account or does not let it administer; `Unsupported`
/// where it takes commands and answers none: it has no dynamic security plugin, and so keeps nobody apart by what is known
/// here. The detail says what to do, and [`Lack::of`] whether an operator has to.
/// All but [`disable`](Provisioner::disable) and [`remove`](Provisioner::remove): `Invalid` where accounts may do by default
/// what no role allows them, or where a secret cannot stand in a topic; nothing was done then.
pub struct DynsecProvisioner {
    config: MqttConfig,
    shared: Option<SharedAccount>,
    /// The shared account has been seen to, since this was made.
    has_shared: AtomicBool,
    turn: Mutex<()>,
}

impl DynsecProvisioner {
    /// On the broker of `config`, whose account may administer it. Connects when there is something to do.
    pub fn new(config: MqttConfig) -> Self {
        Self { config, shared: None, has_shared: AtomicBool::new(false), turn: Mutex::new(()) }
    }

    /// Also keeps an account for devices of the original protocol that do not log in with their keys. As on the embedded
    /// broker it may use the topics of any key that it names, and none with a wildcard: whoever knows a key is that
    /// device. [`grant`](Provisioner::grant) and [`resync`](Provisioner::resync) see to it; an account of that name that is
    /// not ours makes both fail as `Invalid`.
    #[must_use]
    pub fn with_shared_account(mut self, account: SharedAccount) -> Self {
        self.shared = Some(account);
        self
    }

    async fn begin(&self, operation: &'static str) -> Result<Session> {
        let login = Login::new(self.config.clone(), operation)?;
        Session::begin(login, operation).await
    }

    /// A session on a broker that keeps its accounts apart, and where the gateway has its rights.
    async fn begin_in_order(&self, operation: &'static str) -> Result<Session> {
        // Once to give the rights, which ends the session, and once to see that they are there.
        for _ in 0..2 {
            let mut session = self.begin(operation).await?;
            session.keeps_apart()?;
            let ended = match &self.config.username {
                Some(username) => gateway::ensure(&mut session, username).await?,
                None => false,
            };
            if !ended {
                return Ok(session);
            }
        }
        let MqttConfig { host, port, .. } = &self.config;
        let why = format!(
            "the broker at {host}:{port} does not give the gateway's account the role {}; look into its log",
            gateway::ROLE
        );
        Err(Error::new(ErrorKind::Unavailable, BACKEND, operation).with_detail(why))
    }
}

#[async_trait]
impl Provisioner for DynsecProvisioner {
    async fn check(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        self.begin_in_order("check").await?.end().await;
        Ok(())
    }

    async fn grant(&self, grants: &[Grant]) -> Result<()> {
        let accounts = grants.iter().map(|grant| Account::new(grant, "grant")).collect::<Result<Vec<_>>>()?;
        let _turn = self.turn.lock().await;
        let mut session = self.begin("grant").await?;
        session.keeps_apart()?;
        give(&mut session, &accounts).await?;
        if let Some(account) = self.shared.as_ref().filter(|_| !self.has_shared.load(Ordering::Relaxed)) {
            let existing = session.accounts().await?;
            shared::ensure(&mut session, account, &existing).await?;
            self.has_shared.store(true, Ordering::Relaxed);
        }
        session.end().await;
        Ok(())
    }

    async fn disable(&self, keys: &[KeyId]) -> Result<usize> {
        let keys: HashSet<_> = keys.iter().collect();
        let _turn = self.turn.lock().await;
        let mut session = self.begin("disable").await?;
        let mut found = session.accounts().await?;
        found.retain(|account| account.key().is_some_and(|key| keys.contains(key)) && !account.is_disabled);
        session.run(found.iter().map(|account| Command::disable(&account.username)).collect()).await?;
        session.say_gone(&natives(found.iter()), false).await?;
        session.end().await;
        Ok(found.len())
    }

    async fn remove(&self, devices: &[DeviceId]) -> Result<usize> {
        let devices: HashSet<_> = devices.iter().collect();
        let _turn = self.turn.lock().await;
        let mut session = self.begin("remove").await?;
        let mut found = session.accounts().await?;
        found.retain(|account| account.device().is_some_and(|device| devices.contains(device)));
        session.run(found.iter().flat_map(Command::remove).collect()).await?;
        session.say_gone(&natives(found.iter()), true).await?;
        session.end().await;
        Ok(found.len())
    }

    async fn resync(&self, valid: &dyn ValidKeys) -> Result<Resynced> {
        let _turn = self.turn.lock().await;
        let mut session = self.begin_in_order("resync").await?;
        // Roles first: the account of a role that is new by then is surely found.
        let roles = session.roles().await?;
        let existing = session.accounts().await?;
        let grants = valid.valid_keys().await?;
        let shared = self.shared.as_ref().map(|account| account.username.as_str());
        let plan = Plan::new(&grants, &existing, roles, shared)?;
        // First those who must not come in any more.
        let disabling = plan.disabling.iter().map(|account| Command::disable(&account.username));
        session.run(disabling.collect()).await?;
        let gone = natives(plan.disabling.iter().copied());
        session.say_gone(&gone, false).await?;
        session.run(plan.removing.iter().flat_map(|account| Command::remove(account)).collect()).await?;
        session.run(plan.roles.iter().map(|role| Command::remove_role(role)).collect()).await?;
        let enabling = plan.enabling.iter().map(|account| Command::enable(&account.username));
        session.run(enabling.collect()).await?;
        give(&mut session, &plan.giving).await?;
        let mut granted = plan.giving.len();
        if let Some(account) = &self.shared {
            granted += usize::from(shared::ensure(&mut session, account, &existing).await?);
            self.has_shared.store(true, Ordering::Relaxed);
        }
        session.end().await;
        Ok(Resynced {
            granted,
            enabled: plan.enabling.len(),
            disabled: plan.disabling.len(),
            removed: plan.removing.len(),
            keyless: plan.keyless,
        })
    }
}

/// Those of the accounts that belong to native devices, which have a presence.
fn natives<'a>(accounts: impl Iterator<Item = &'a Existing>) -> Vec<DeviceId> {
    accounts.filter_map(Existing::native).collect()
}

/// Makes accounts, and changes those that are there already.
async fn give(session: &mut Session, accounts: &[Account]) -> Result<()> {
    let answers = session.run(accounts.iter().flat_map(Command::create).collect()).await?;
    // A role and an account for each.
    let taken =
        accounts.iter().zip(answers.chunks(2)).filter(|(_, pair)| pair.iter().skip(1).any(|a| a.existed));
    let taken: Vec<&Account> = taken.map(|(account, _)| account).collect();
    session.run(taken.iter().flat_map(|account| Command::replace(account)).collect()).await?;
    let natives = taken.iter().filter(|account| account.protocol == Protocol::Native);
    session.say_gone(&natives.map(|account| account.device).collect::<Vec<_>>(), false).await
}

impl fmt::Display for DynsecProvisioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dynsec {}:{}", self.config.host, self.config.port)
    }
}

impl fmt::Debug for DynsecProvisioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynsecProvisioner")
            .field("config", &self.config)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}
