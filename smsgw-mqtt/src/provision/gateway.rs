//! What the gateway itself may do on its broker: the topics of the devices.

use serde_json::{Value, json};
use smsgw_core::error::Result;

use super::dynsec::{Command, rule};
use super::session::Session;

/// The gateway's own role. Of the operator's kind: it is not removed with ours.
pub(super) const ROLE: &str = "smsgw-gateway";

/// The last is where it says that a device is gone whose account it has ended.
const SAYS: [&str; 4] = ["smsgw/v1/+/down", "devices/+/sms", "server/auth/+", "smsgw/v1/+/presence"];
/// The last is where it finds out that another one has its client id.
const HEARS: [&str; 5] =
    ["smsgw/v1/+/up", "smsgw/v1/+/presence", "devices/auth/+", "devices/messages/+", "smsgw/v1/+/down"];
/// Where several gateways share the traffic, by any name.
const SHARES: [&str; 2] = ["$share/+/smsgw/v1/+/up", "$share/+/devices/messages/+"];

fn rules() -> impl Iterator<Item = (&'static str, &'static str)> {
    let says = SAYS.map(|topic| ("publishClientSend", topic));
    let hears = HEARS.map(|topic| ("publishClientReceive", topic));
    let subscribes = HEARS.into_iter().chain(SHARES).map(|topic| ("subscribePattern", topic));
    says.into_iter().chain(hears).chain(subscribes)
}

/// Gives the gateway's account its role, and the role its rules, as far as they are missing. Answers whether the session
/// has ended over it: a new right ends all sessions of the account.
pub(super) async fn ensure(session: &mut Session, username: &str) -> Result<bool> {
    let own = json!({ "command": "getClient", "username": username });
    let own = session.ask(Command::new(own, None)).await?;
    let has_role = own["client"]["roles"]
        .as_array()
        .is_some_and(|roles| roles.iter().any(|role| role["rolename"] == ROLE));
    let create = Command::create_role(ROLE, rules().map(|(kind, topic)| rule(kind, topic, true)).collect());
    session.run(vec![create]).await?;
    let role = json!({ "command": "getRole", "rolename": ROLE });
    let role = session.ask(Command::new(role, None)).await?;
    let mut missing: Vec<Command> =
        rules().filter(|(kind, topic)| !has(&role["role"]["acls"], kind, topic)).map(add).collect();
    if !has_role {
        let json = json!({ "command": "addClientRole", "username": username, "rolename": ROLE });
        missing.push(Command::new(json, None));
    }
    if missing.is_empty() {
        return Ok(false);
    }
    tracing::info!(role = ROLE, "the gateway's account on the broker gets its rights");
    session.run_to_the_end(missing).await?;
    Ok(true)
}

fn has(rules: &Value, kind: &str, topic: &str) -> bool {
    let mut rules = rules.as_array().into_iter().flatten();
    rules.any(|rule| rule["acltype"] == kind && rule["topic"] == topic)
}

fn add((kind, topic): (&str, &str)) -> Command {
    let mut json = rule(kind, topic, true);
    json["command"] = "addRoleACL".into();
    json["rolename"] = ROLE.into();
    Command::new(json, Some("ACL with this topic already exists"))
}
