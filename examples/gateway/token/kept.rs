//! The tokens that are in the store already.

use std::error::Error;

use serde::Serialize;
use smsgw::account::{Account, Token};
use smsgw::audit::{Act, AuditAction, AuditEvent};
use smsgw::id::IdSource;
use smsgw::key::KeyId;
use smsgw::store::Store;
use smsgw::time::{Clock, SystemClock};

use crate::backends;
use crate::exit::{FAILED, Failure};
use crate::settings::Settings;
use crate::table;

/// Accounts that are looked through at a time.
const PAGE: usize = 256;
/// What tokens begin with.
const PREFIX: &str = "sgw_tok_";

#[derive(Serialize)]
struct Row {
    id: String,
    account: String,
    name: String,
    scopes: String,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
}

impl Row {
    fn of(account: &Account, token: &Token) -> Self {
        let text = |at: &smsgw::time::Timestamp| at.to_string();
        Self {
            id: token.id.to_string(),
            account: account.name.clone(),
            name: token.name.clone(),
            scopes: token.scopes.to_string(),
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.as_ref().map(text),
            last_used_at: token.last_used_at.as_ref().map(text),
            revoked_at: token.revoked_at.as_ref().map(text),
        }
    }
}

pub(super) async fn list(
    settings: &Settings,
    account: Option<&str>,
    is_json: bool,
) -> Result<(), Box<dyn Error>> {
    let store = backends::store(settings).await?;
    let mut rows = Vec::new();
    for account in accounts(&*store, account).await? {
        rows.extend(store.tokens(account.id).await?.iter().map(|token| Row::of(&account, token)));
    }
    store.close().await?;
    match is_json {
        true => println!("{}", serde_json::json!({"items": rows})),
        false => {
            let head = ["ID", "ACCOUNT", "NAME", "CREATED", "EXPIRES", "LAST-USED", "REVOKED", "SCOPES"];
            let row = |row: Row| {
                let [expires, used, revoked] =
                    [row.expires_at, row.last_used_at, row.revoked_at].map(Option::unwrap_or_default);
                [row.id, row.account, row.name, row.created_at, expires, used, revoked, row.scopes]
            };
            table::print(head, rows.into_iter().map(row));
        }
    }
    Ok(())
}

async fn accounts(store: &dyn Store, name: Option<&str>) -> Result<Vec<Account>, Box<dyn Error>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.accounts(after, PAGE).await?;
        all.extend(page.items.into_iter().filter(|account| name.is_none_or(|name| account.name == name)));
        after = page.next;
        if after.is_none() {
            return match (name, all.is_empty()) {
                (Some(_), true) => Err(Failure::new(FAILED, "there is no such account").into()),
                _ => Ok(all),
            };
        }
    }
}

pub(super) async fn revoke(settings: &Settings, id: &str, is_json: bool) -> Result<(), Box<dyn Error>> {
    let unknown = || Failure::new(FAILED, "there is no such token; `gateway token list` names them");
    let id: KeyId = id.trim_start_matches(PREFIX).parse().map_err(|_| unknown())?;
    let store = backends::store(settings).await?;
    let now = SystemClock.now();
    let Some((_, account)) = store.find_token(id).await? else {
        store.close().await?;
        return Err(unknown().into());
    };
    store.revoke_token(account.id, id, now).await?;
    let act = Act {
        account: Some(account.id),
        target: Some(id.to_string()),
        ..Act::done(AuditAction::RevokeToken)
    };
    store.record(&[AuditEvent { id: IdSource::new().next(now), at: now, act }]).await?;
    store.close().await?;
    match is_json {
        true => println!("{}", serde_json::json!({"id": id, "revoked_at": now})),
        false => println!("revoked {id}"),
    }
    Ok(())
}
