//! `gateway token`: API tokens, made in the store beside the gateway that uses them.

mod kept;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use smsgw::account::{Account, Role, Scopes, Token};
use smsgw::audit::{Act, AuditAction, AuditEvent};
use smsgw::id::IdSource;
use smsgw::key::{Credential, CredentialKind};
use smsgw::store::AccountPatch;
use smsgw::time::{Clock, SystemClock};

use crate::backends;
use crate::exit::ended;
use crate::flags::{OutputFlags, SettingFlags, span};
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make an API token and print it; the same as `token` alone
    Create(CreateFlags),
    /// Print a token that nothing knows yet, for SMSGW_ADMIN_TOKEN
    Generate,
    /// List the tokens, without the tokens themselves
    List {
        /// Of this account alone
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
        #[command(flatten)]
        output: OutputFlags,
        #[command(flatten)]
        settings: Box<SettingFlags>,
    },
    /// End a token, at once and for ever
    Revoke {
        /// Its id, as `token list` names it; or what it begins with, sgw_tok_ID
        id: String,
        #[command(flatten)]
        output: OutputFlags,
        #[command(flatten)]
        settings: Box<SettingFlags>,
    },
}

impl TokenCommand {
    /// The settings that it was given, where it reads any.
    pub(crate) fn settings(&self) -> Option<&SettingFlags> {
        match self {
            Self::Create(CreateFlags { settings, .. })
            | Self::List { settings, .. }
            | Self::Revoke { settings, .. } => Some(settings),
            Self::Generate => None,
        }
    }
}

pub(crate) async fn run(command: Option<TokenCommand>, alone: CreateFlags) -> ExitCode {
    let command = command.unwrap_or(TokenCommand::Create(alone));
    let settings = command.settings().map(|flags| Settings::read_or_explain(flags, None)).transpose();
    let settings = match settings {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    ended(match (command, &settings) {
        (TokenCommand::Create(flags), Some(settings)) => create(settings, flags).await,
        (TokenCommand::List { account, output, .. }, Some(settings)) => {
            kept::list(settings, account.as_deref(), output.is_json()).await
        }
        (TokenCommand::Revoke { id, output, .. }, Some(settings)) => {
            kept::revoke(settings, &id, output.is_json()).await
        }
        _ => generate(),
    })
}

#[derive(Debug, Args)]
pub(crate) struct CreateFlags {
    /// The account that it acts for, made where there is none; `demo` in the demo, else `default`
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// What its owner calls it
    #[arg(long, value_name = "TEXT", default_value = "made by gateway token")]
    name: String,
    /// What it opens, as "messages:write inbox:read"; all that the account may be allowed where nothing is said
    #[arg(long, value_name = "SCOPES")]
    scopes: Option<Scopes>,
    /// How long it is good for, as 90d, 12h or 30m; for ever where nothing is said
    #[arg(long, value_name = "TIME", value_parser = span)]
    expires: Option<Duration>,
    /// Let the account administer: manage accounts, tokens and the audit log
    #[arg(long)]
    admin: bool,
    #[command(flatten)]
    output: OutputFlags,
    #[command(flatten)]
    pub(crate) settings: Box<SettingFlags>,
}

/// Makes a token for [`CreateFlags`] and prints it.
async fn create(settings: &Settings, flags: CreateFlags) -> Result<(), Box<dyn Error>> {
    let name = flags.account.unwrap_or_else(|| if settings.is_demo { "demo" } else { "default" }.to_owned());
    let (now, ids) = (SystemClock.now(), IdSource::new());
    let store = backends::store(settings).await?;
    let mut account = store.ensure_account(&Account::new(ids.next(now), name, now)).await?;
    if account.closed_at.is_some() {
        return Err("this account is closed; choose another by --account".into());
    }
    if flags.admin && account.role != Role::Admin {
        let patch = AccountPatch { role: Some(Role::Admin), ..AccountPatch::default() };
        account = store.update_account(account.id, patch).await?.unwrap_or(account);
    }
    let allowed = account.role.scopes();
    let scopes = flags.scopes.unwrap_or(allowed);
    if !allowed.covers(scopes) {
        return Err("an ordinary account has no such scope; say --admin to let it administer".into());
    }
    let credential = Credential::generate(CredentialKind::Token)?;
    let token = Token {
        id: credential.id(),
        account: account.id,
        name: flags.name,
        scopes,
        digest: credential.digest(),
        created_at: now,
        expires_at: flags.expires.map(|span| now + span),
        revoked_at: None,
        last_used_at: None,
    };
    store.create_token(&token).await?;
    let target = Some(token.id.to_string());
    let act = Act { account: Some(account.id), target, ..Act::done(AuditAction::CreateToken) };
    store.record(&[AuditEvent { id: ids.next(now), at: now, act }]).await?;
    store.close().await?;
    match flags.output.is_json() {
        true => {
            println!("{}", json!({"id": token.id, "account": account.name, "token": credential.expose()}))
        }
        false => println!("{}", credential.expose()),
    }
    Ok(())
}

/// Prints a token and keeps nothing of it.
fn generate() -> Result<(), Box<dyn Error>> {
    println!("{}", Credential::generate(CredentialKind::Token)?.expose());
    Ok(())
}
