//! `gateway token`: an API token, made in the store beside the gateway that uses it.

use std::error::Error;
use std::time::Duration;

use smsgw::account::{Account, Token};
use smsgw::id::IdSource;
use smsgw::key::{Credential, CredentialKind};
use smsgw::time::{Clock, SystemClock};

use crate::backends;
use crate::settings::Settings;

pub(crate) async fn run(
    settings: &Settings,
    account: Option<String>,
    expires: Option<Duration>,
) -> Result<(), Box<dyn Error>> {
    let name = account.unwrap_or_else(|| if settings.is_demo { "demo" } else { "default" }.to_owned());
    let now = SystemClock.now();
    let store = backends::store(settings).await?;
    let account = Account { id: IdSource::new().next(now), name, created_at: now };
    let account = store.ensure_account(&account).await?.id;
    let credential = Credential::generate(CredentialKind::Token)?;
    let token = Token {
        id: credential.id(),
        account,
        name: "made by gateway token".to_owned(),
        digest: credential.digest(),
        created_at: now,
        expires_at: expires.map(|span| now + span),
        revoked_at: None,
    };
    store.create_token(&token).await?;
    store.close().await?;
    println!("{}", credential.expose());
    Ok(())
}
