//! The account that devices of the original protocol may share, as the embedded broker has it.

use secrecy::ExposeSecret;
use serde_json::Value;
use smsgw_core::error::{Error, ErrorKind, Result};

use super::dynsec::{BACKEND, Command, Existing, client, rule};
use super::session::Session;
use crate::account::SharedAccount;
use crate::dialect::original::{answer_topic, auth_topic, inbound_topic, sms_topic};

/// In the description of the account: that it is this one.
pub(super) const SHARED: &str = "shared";
pub(super) const SHARED_ROLE: &str = "smsgw/v1/shared";

/// What it may do with any one key, and not with all. To the plugin a filter with `+` is like any other that its pattern
/// covers, but it looks among literal rules first: those refuse what the patterns would let through.
fn rules() -> Vec<Value> {
    let says = [auth_topic("+"), inbound_topic("+")].map(|topic| rule("publishClientSend", &topic, true));
    let hears = [sms_topic("+"), answer_topic("+")].into_iter().flat_map(|topic| {
        [
            rule("subscribePattern", &topic, true),
            rule("subscribeLiteral", &topic, false),
            rule("publishClientReceive", &topic, true),
        ]
    });
    says.into_iter().chain(hears).collect()
}

/// Makes sure that the account is there and has its password; `existing` are all accounts of ours. Answers whether there
/// was something to do.
pub(super) async fn ensure(
    session: &mut Session,
    account: &SharedAccount,
    existing: &[Existing],
) -> Result<bool> {
    let (username, password) = (&account.username, account.password.expose_secret());
    let whole = |found: &Existing| {
        found.is_shared() && &found.username == username && found.has_role && !found.is_disabled
    };
    // The plugin does not show passwords; the broker tells whether one is right.
    if existing.iter().any(whole) && session.admits(username, password).await? {
        return Ok(false);
    }
    let create = client("createClient", username, password, SHARED, SHARED_ROLE);
    let answers = session
        .run(vec![
            Command::create_role(SHARED_ROLE, rules()),
            Command::new(create, Some("Client already exists")),
        ])
        .await?;
    if answers.last().is_some_and(|answer| answer.existed) {
        if !session.is_shared(username).await? {
            let why = format!(
                "the account {username} of the broker is not one of ours: choose another user name for the devices of \
                 the original protocol, or delete it"
            );
            return Err(Error::new(ErrorKind::Invalid, BACKEND, session.operation()).with_detail(why));
        }
        let modify = client("modifyClient", username, password, SHARED, SHARED_ROLE);
        session.run(vec![Command::new(modify, None), Command::enable(username)]).await?;
    }
    Ok(true)
}
