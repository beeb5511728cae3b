//! Makes, replaces and ends tokens. Nobody gets at what their own token does not open.

use std::time::Duration;

use smsgw_core::account::{Scope, Scopes, Token};
use smsgw_core::audit::{Act, AuditAction};
use smsgw_core::gateway::NewToken;
use smsgw_core::key::{Credential, KeyId};

use super::whole;
use crate::auth::{Who, lacking};
use crate::fields::invalid;
use crate::problem::Problem;
use crate::router::Api;
use crate::routes::tokens::CreateTokenRequest;

pub(crate) async fn create(
    api: Api,
    who: Who,
    request: CreateTokenRequest,
) -> Result<(Credential, Token), Problem> {
    let id = request.user_id.unwrap_or(who.account);
    let absent = || Problem::not_found().at("/user_id");
    if id != who.account && !who.scopes.contains(Scope::Admin) {
        return Err(absent());
    }
    let account = api.handle.account(id).await?.ok_or_else(absent)?;
    if account.closed_at.is_some() {
        return Err(invalid("user_id", "this account is closed"));
    }
    let allowed = account.role.scopes();
    let scopes = request.scopes.unwrap_or_else(|| who.scopes.and(allowed));
    within(&api, &who, scopes, AuditAction::CreateToken, id.to_string())?;
    if let Some(scope) = missing(allowed, scopes) {
        return Err(invalid("scopes", format!("the role of the account does not allow {scope}")));
    }
    // One that ends makes none that outlives it.
    let expires_at = [request.expires_at, who.ends_at].into_iter().flatten().min();
    let new = NewToken { name: request.name, scopes, expires_at };
    whole(async move {
        let made = api.handle.create_token(id, new).await.map(Some);
        api.noted(made, |made| Act {
            target: made.map(|(_, token)| token.id.to_string()),
            ..who.did(AuditAction::CreateToken)
        })
        .await
    })
    .await
}

pub(crate) async fn revoke(api: Api, who: Who, id: KeyId) -> Result<(), Problem> {
    let token = find(&api, &who, id).await?;
    if id != who.token && !who.scopes.contains(Scope::Admin) {
        within(&api, &who, token.scopes, AuditAction::RevokeToken, id.to_string())?;
    }
    whole(async move {
        let revoked = api.handle.revoke_token(token.account, id).await;
        api.tokens.forget(token.account, Some(id));
        api.noted(revoked.map(|revoked| revoked.then_some(())), |_| Act {
            target: Some(id.to_string()),
            ..who.did(AuditAction::RevokeToken)
        })
        .await
    })
    .await
}

/// The old token still counts for `grace`.
pub(crate) async fn rotate(
    api: Api,
    who: Who,
    id: KeyId,
    grace: Duration,
) -> Result<(Credential, Token), Problem> {
    let token = find(&api, &who, id).await?;
    if id != who.token {
        within(&api, &who, token.scopes, AuditAction::RotateToken, id.to_string())?;
    }
    whole(async move {
        let made = api.handle.rotate_token(token.account, id, grace).await;
        api.tokens.forget(token.account, Some(id));
        api.noted(made, |_| Act { target: Some(id.to_string()), ..who.did(AuditAction::RotateToken) }).await
    })
    .await
}

/// A token of the caller's account, or of any where the caller manages all.
async fn find(api: &Api, who: &Who, id: KeyId) -> Result<Token, Problem> {
    let found = api.handle.token(id).await?.map(|(token, _)| token);
    let seen = |token: &Token| token.account == who.account || who.scopes.contains(Scope::Admin);
    found.filter(seen).ok_or_else(Problem::not_found)
}

/// Refuses, and notes, that somebody gets at what their own token does not open.
fn within(api: &Api, who: &Who, scopes: Scopes, action: AuditAction, target: String) -> Result<(), Problem> {
    let Some(scope) = missing(who.scopes, scopes) else { return Ok(()) };
    let refused = Some(format!("no scope {scope}"));
    api.audit.note(Act { refused, target: Some(target), ..who.did(action) });
    Err(lacking(scope))
}

/// The first of `wanted` that is not in `had`.
fn missing(had: Scopes, wanted: Scopes) -> Option<Scope> {
    wanted.iter().find(|scope| !had.contains(*scope))
}
