//! The words of Mosquitto's dynamic security plugin, as of 2.0.11: JSON on one topic, answers on another.

use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use smsgw_core::device::Protocol;
use smsgw_core::id::DeviceId;
use smsgw_core::key::KeyId;

use super::accounts::{Account, ROLES, role};
use super::shared::{SHARED, SHARED_ROLE};

pub(super) const BACKEND: &str = "dynsec";
pub(super) const REQUESTS: &str = "$CONTROL/dynamic-security/v1";
pub(super) const RESPONSES: &str = "$CONTROL/dynamic-security/v1/response";
/// In the text name of an account: that it is ours.
const OURS: &str = "smsgw";
/// Entries of one page of a list: 200 bytes each at most.
pub(super) const PAGE: usize = 1_000;

/// One command, and the error that means that its work is done already.
pub(super) struct Command {
    pub(super) json: Value,
    pub(super) done: Option<&'static str>,
}

/// The plugin's answer to a command.
pub(super) struct Answer {
    /// What was to be made was there.
    pub(super) existed: bool,
    pub(super) data: Value,
}

/// An account of ours on the broker.
pub(super) struct Existing {
    pub(super) username: String,
    pub(super) owner: Owner,
    /// The role that it should have.
    pub(super) role: String,
    pub(super) has_role: bool,
    pub(super) is_disabled: bool,
}

/// Whose account it is.
pub(super) enum Owner {
    /// Of a device, by this key.
    Device { protocol: Protocol, device: DeviceId, key: KeyId },
    /// The one that devices of the original protocol share.
    Shared,
}

impl Existing {
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.owner, Owner::Shared)
    }

    pub(super) fn device(&self) -> Option<&DeviceId> {
        match &self.owner {
            Owner::Device { device, .. } => Some(device),
            Owner::Shared => None,
        }
    }

    pub(super) fn key(&self) -> Option<&KeyId> {
        match &self.owner {
            Owner::Device { key, .. } => Some(key),
            Owner::Shared => None,
        }
    }

    /// The native device whose account it is.
    pub(super) fn native(&self) -> Option<DeviceId> {
        match self.owner {
            Owner::Device { protocol: Protocol::Native, device, .. } => Some(device),
            _ => None,
        }
    }

    /// Whether it may get another key: a key of a device of the original protocol has an account for itself.
    pub(super) fn outlives_its_key(&self) -> bool {
        self.native().is_some()
    }
}

impl Command {
    pub(super) fn new(json: Value, done: Option<&'static str>) -> Self {
        Self { json, done }
    }

    pub(super) fn create(account: &Account) -> [Self; 2] {
        let says = account.says().map(|topic| rule("publishClientSend", &topic, true));
        let hears = account.hears().into_iter().flat_map(|topic| {
            ["subscribeLiteral", "publishClientReceive"].map(|kind| rule(kind, &topic, true))
        });
        [
            Self::create_role(&account.role, says.into_iter().chain(hears).collect()),
            Self::new(described("createClient", account), Some("Client already exists")),
        ]
    }

    pub(super) fn create_role(role: &str, rules: Vec<Value>) -> Self {
        let json = json!({ "command": "createRole", "rolename": role, "acls": rules });
        Self::new(json, Some("Role already exists"))
    }

    /// Gives an account that is there the key, and lets it in.
    pub(super) fn replace(account: &Account) -> [Self; 2] {
        [Self::new(described("modifyClient", account), None), Self::enable(&account.username())]
    }

    pub(super) fn enable(username: &str) -> Self {
        Self::new(json!({ "command": "enableClient", "username": username }), None)
    }

    pub(super) fn disable(username: &str) -> Self {
        Self::new(json!({ "command": "disableClient", "username": username }), Some("Client not found"))
    }

    pub(super) fn remove(account: &Existing) -> impl Iterator<Item = Self> {
        let client = json!({ "command": "deleteClient", "username": account.username });
        // The role that is shared may have got another account meanwhile.
        let role = (!account.is_shared()).then(|| Self::remove_role(&account.role));
        std::iter::once(Self::new(client, Some("Client not found"))).chain(role)
    }

    pub(super) fn remove_role(role: &str) -> Self {
        Self::new(json!({ "command": "deleteRole", "rolename": role }), Some("Role not found"))
    }

    pub(super) fn defaults() -> Self {
        Self::new(json!({ "command": "getDefaultACLAccess" }), None)
    }

    pub(super) fn list(what: &str, verbose: bool, offset: usize) -> Self {
        Self::new(json!({ "command": what, "verbose": verbose, "count": PAGE, "offset": offset }), None)
    }
}

pub(super) fn rule(kind: &str, topic: &str, allow: bool) -> Value {
    json!({ "acltype": kind, "topic": topic, "priority": 0, "allow": allow })
}

/// An account of ours.
pub(super) fn client(command: &str, username: &str, password: &str, description: &str, role: &str) -> Value {
    json!({
        "command": command,
        "username": username,
        "password": password,
        "textname": OURS,
        "textdescription": description,
        "roles": [{ "rolename": role }],
    })
}

fn described(command: &str, account: &Account) -> Value {
    let Account { device, protocol, key, secret, role } = account;
    let description = format!("{protocol} {device} {key}");
    let mut json = client(command, &account.username(), secret.expose_secret(), &description, role);
    if let Some(id) = account.client_id() {
        json["clientid"] = id.into();
    }
    json
}

/// The words of the plugin for what may be done without a role, where that is too much.
pub(super) fn open_default(data: &Value) -> Option<&'static str> {
    let allows = |kind: &str| {
        let rules = data["acls"].as_array().into_iter().flatten();
        rules.into_iter().any(|rule| rule["acltype"] == kind && rule["allow"] != false)
    };
    ["publishClientSend", "subscribe"].into_iter().find(|kind| allows(kind))
}

#[derive(Deserialize)]
struct Listed {
    username: String,
    #[serde(default)]
    textname: String,
    #[serde(default)]
    textdescription: String,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    roles: Vec<ListedRole>,
}

#[derive(Deserialize)]
struct ListedRole {
    rolename: String,
}

/// Those of a page that are ours, and how many there are on it.
pub(super) fn read_accounts(data: &mut Value) -> (Vec<Existing>, usize) {
    let entries = page(data, "clients");
    let length = entries.len();
    (entries.into_iter().filter_map(read_account).collect(), length)
}

fn read_account(entry: Value) -> Option<Existing> {
    let listed: Listed = serde_json::from_value(entry).ok()?;
    if listed.textname != OURS {
        return None;
    }
    let (owner, role) = match listed.textdescription.as_str() {
        SHARED => (Owner::Shared, SHARED_ROLE.to_owned()),
        description => read_owner(description)?,
    };
    let has_role = matches!(&listed.roles[..], [one] if one.rolename == role);
    Some(Existing { username: listed.username, owner, role, has_role, is_disabled: listed.disabled })
}

fn read_owner(description: &str) -> Option<(Owner, String)> {
    let mut words = description.split(' ');
    let protocol: Protocol = words.next()?.parse().ok()?;
    let (device, key) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((Owner::Device { protocol, device, key }, role(protocol, device, key)))
}

/// As [`read_accounts`], for the names of roles.
pub(super) fn read_roles(data: &mut Value) -> (Vec<String>, usize) {
    let entries = page(data, "roles");
    let length = entries.len();
    let names = entries.into_iter().filter_map(|entry| entry.as_str().map(str::to_owned));
    (names.filter(|name| name.starts_with(ROLES)).collect(), length)
}

fn page(data: &mut Value, field: &str) -> Vec<Value> {
    match data[field].take() {
        Value::Array(entries) => entries,
        _ => Vec::new(),
    }
}
