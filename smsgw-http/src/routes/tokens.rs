//! Tokens: make them, list them, replace them, end them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use smsgw_core::account::Scope;
use smsgw_core::key::KeyId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Id;
use super::grace::RotateRequest;
use crate::acts;
use crate::auth::{AnyToken, Caller};
use crate::json::JsonBody;
use crate::page::{List, Parameters};
use crate::problem::Problem;
use crate::router::Api;
use crate::views::{NewTokenView, TokenView};

mod request;

pub(crate) use request::CreateTokenRequest;

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
    let (credential, token) = acts::tokens::create(api, *caller, request).await?;
    Ok((StatusCode::CREATED, Json(NewTokenView::of(&credential, &token))).into_response())
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
    acts::tokens::revoke(api, *caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
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
    let (credential, token) = acts::tokens::rotate(api, *caller, id, grace).await?;
    Ok((StatusCode::CREATED, Json(NewTokenView::of(&credential, &token))).into_response())
}
