//! Tokens: make them, list them, replace them, end them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use smsgw_core::account::{Scope, Scopes, Token};
use smsgw_core::audit::{Act, AuditAction};
use smsgw_core::gateway::NewToken;
use smsgw_core::key::KeyId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Id;
use super::grace::RotateRequest;
use crate::acts::whole;
use crate::auth::{AnyToken, Caller, Who, lacking};
use crate::fields::invalid;
use crate::json::JsonBody;
use crate::page::{List, Parameters};
use crate::problem::Problem;
use crate::router::Api;
use crate::views::{NewTokenView, TokenView};

mod request;

use request::CreateTokenRequest;

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(revoke)).routes(routes!(rotate))
}

/// List the tokens of an account, newest first
///
/// Those of your own account, with any token; those of another need one with the scope `admin`.
#[utoipa::path(
    get, path = "/tokens", tag = "users", operation_id = "list_tokens",
    params(("user_id" = Option<String>, Query, description = "The account; your own where nothing is said", format = "uuid")),
    responses((status = 200, description = "All of them, without the tokens themselves", body = List<TokenView>)),
)]
async fn list(
    State(api): State<Api>,
    caller: Caller<AnyToken>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let given = parameters.only(&["user_id"])?;
    let account = given.parse("user_id")?.unwrap_or(caller.account);
    if account != caller.account
        && (!caller.scopes.contains(Scope::Admin) || api.handle.account(account).await?.is_none())
    {
        return Err(Problem::not_found());
    }
    let tokens = api.handle.tokens(account).await?;
    Ok(Json(List::whole(tokens.iter().map(TokenView::of).collect())).into_response())
}

/// Make a token
///
/// The token is shown here and never again. It opens no more than the token that it is made with, and no more than the
/// role of its account allows; where that one ends, it ends no later. Tokens of another account need one with the scope `admin`.
#[utoipa::path(
    post, path = "/tokens", tag = "users", operation_id = "create_token",
    request_body = CreateTokenRequest,
    responses((status = 201, description = "The token", body = NewTokenView)),
)]
async fn create(
    State(api): State<Api>,
    caller: Caller<AnyToken>,
    JsonBody(request): JsonBody<CreateTokenRequest>,
) -> Result<Response, Problem> {
    let who = *caller;
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
        let (credential, token) = api
            .noted(made, |made| Act {
                target: made.map(|(_, token)| token.id.to_string()),
                ..who.did(AuditAction::CreateToken)
            })
            .await?;
        Ok((StatusCode::CREATED, Json(NewTokenView::of(&credential, &token))).into_response())
    })
    .await
}

/// Revoke a token
///
/// It opens nothing on this gateway any more when the answer comes, and nothing on others a second later. A token of your
/// own account that opens more than the one that you call with, or one of another account, needs a token with the scope
/// `admin`.
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "users", operation_id = "revoke_token",
    params(("id" = String, Path, description = "The id of the token")),
    responses((status = 204, description = "It opens nothing any more")),
)]
async fn revoke(
    State(api): State<Api>,
    caller: Caller<AnyToken>,
    Id(id): Id<KeyId>,
) -> Result<StatusCode, Problem> {
    let who = *caller;
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
        .await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Replace a token by another that opens the same
///
/// The new token is shown here and never again; the old one still counts for `grace` seconds. A token that opens more than
/// the one that you call with cannot be replaced.
#[utoipa::path(
    post, path = "/tokens/{id}/rotate", tag = "users", operation_id = "rotate_token",
    params(("id" = String, Path, description = "The id of the token")),
    request_body = Option<RotateRequest>,
    responses((status = 201, description = "The new token", body = NewTokenView)),
)]
async fn rotate(
    State(api): State<Api>,
    caller: Caller<AnyToken>,
    Id(id): Id<KeyId>,
    JsonBody(RotateRequest { grace }): JsonBody<RotateRequest>,
) -> Result<Response, Problem> {
    let who = *caller;
    let token = find(&api, &who, id).await?;
    if id != who.token {
        within(&api, &who, token.scopes, AuditAction::RotateToken, id.to_string())?;
    }
    whole(async move {
        let made = api.handle.rotate_token(token.account, id, grace).await;
        api.tokens.forget(token.account, Some(id));
        let (credential, token) = api
            .noted(made, |_| Act { target: Some(id.to_string()), ..who.did(AuditAction::RotateToken) })
            .await?;
        Ok((StatusCode::CREATED, Json(NewTokenView::of(&credential, &token))).into_response())
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
