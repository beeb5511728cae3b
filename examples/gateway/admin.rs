//! Who administers: the first account that may, and its token.

use std::error::Error;

use secrecy::ExposeSecret;
use smsgw::account::{Role, Scopes};
use smsgw::gateway::{Handle, NewToken};
use smsgw::key::Credential;

use crate::settings::Settings;

/// The account that is made where nobody administers.
const NAME: &str = "admin";
/// Accounts that are looked through at a time.
const PAGE: usize = 256;

/// Sees to it that somebody administers. A token is answered where it was made here, to be shown once.
pub(crate) async fn ensure(
    handle: &Handle,
    settings: &Settings,
) -> Result<Option<Credential>, Box<dyn Error>> {
    if let Some(given) = &settings.admin_token {
        let credential = Credential::parse(given.expose_secret())?;
        let account = appoint(handle).await?;
        handle.adopt_token(account, token("SMSGW_ADMIN_TOKEN"), &credential).await?;
        return Ok(None);
    }
    if settings.is_demo || has_admin(handle).await? {
        return Ok(None);
    }
    let account = appoint(handle).await?;
    let (credential, _) = handle.create_token(account, token("made at the first start")).await?;
    Ok(Some(credential))
}

fn token(name: &str) -> NewToken {
    NewToken { scopes: Scopes::ALL, ..NewToken::new(name) }
}

/// Makes the account an administrator's, and the account where there is none.
async fn appoint(handle: &Handle) -> smsgw::error::Result<smsgw::id::AccountId> {
    let account = handle.ensure_account(NAME).await?;
    if account.role != Role::Admin {
        handle.set_role(account.id, Role::Admin).await?;
    }
    Ok(account.id)
}

async fn has_admin(handle: &Handle) -> smsgw::error::Result<bool> {
    let mut after = None;
    loop {
        let page = handle.accounts(after, PAGE).await?;
        if page.items.iter().any(|account| account.role == Role::Admin && account.closed_at.is_none()) {
            return Ok(true);
        }
        after = page.next;
        if after.is_none() {
            return Ok(false);
        }
    }
}
