//! Accounts: make them, look at them, say what they may be allowed, close them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use smsgw_core::account::Role;
use smsgw_core::audit::{Act, AuditAction};
use smsgw_core::id::AccountId;
use smsgw_core::time::Timestamp;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Id;
use crate::acts::whole;
use crate::auth::{Admin, Caller};
use crate::fields::{Fields, FromFields, invalid, line, missing};
use crate::json::JsonBody;
use crate::page::{List, Parameters};
use crate::problem::{Code, Problem};
use crate::router::Api;
use crate::views::UserView;

/// The name of the list in its cursors.
const LIST: &str = "users";
/// The longest name, in characters.
const MAX_NAME: usize = 100;
/// Accounts that are looked at at once, for an admin among them.
const PAGE: usize = 1_000;

pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(get, update, close))
}

/// List accounts, newest first
#[utoipa::path(
    get, path = "/users", tag = "users", operation_id = "list_users",
    security(("token" = ["admin"])),
    params(
        ("limit" = Option<u16>, Query, description = "At most so many; 100 where nothing is said", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses((status = 200, description = "One page", body = List<UserView>)),
)]
async fn list(
    State(api): State<Api>,
    caller: Caller<Admin>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let given = parameters.only(&["limit", "cursor"])?;
    let page = api.handle.accounts(given.cursor(LIST, caller.account)?, given.limit()?).await?;
    Ok(Json(List::page(LIST, caller.account, &page, UserView::of)).into_response())
}

/// Make an account
///
/// It needs a token before anybody can act for it: `POST /tokens` with its `user_id`.
#[utoipa::path(
    post, path = "/users", tag = "users", operation_id = "create_user",
    security(("token" = ["admin"])),
    request_body = CreateUserRequest,
    responses(
        (status = 201, description = "It is made", body = UserView, headers(("Location" = String, description = "Where to look at it"))),
    ),
)]
async fn create(
    State(api): State<Api>,
    caller: Caller<Admin>,
    JsonBody(request): JsonBody<CreateUserRequest>,
) -> Result<Response, Problem> {
    let who = *caller;
    whole(async move {
        let made = api.handle.create_account(&request.name, request.role).await;
        if matches!(made, Ok(None)) {
            return Err(Problem::new(Code::NameTaken, "give the account another name").at("/name"));
        }
        let account = api.noted(made, |made| Act {
            target: made.map(|account| account.id.to_string()),
            ..who.did(AuditAction::CreateUser)
        })?;
        let location = format!("/users/{}", account.id);
        Ok((StatusCode::CREATED, [(LOCATION, location)], Json(UserView::of(&account))).into_response())
    })
    .await
}

/// Look at an account
#[utoipa::path(
    get, path = "/users/{id}", tag = "users", operation_id = "get_user",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "The account", format = "uuid")),
    responses((status = 200, description = "The account as it is now", body = UserView)),
)]
async fn get(State(api): State<Api>, _: Caller<Admin>, Id(id): Id<AccountId>) -> Result<Response, Problem> {
    let account = api.handle.account(id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(UserView::of(&account)).into_response())
}

/// Change what an account may be allowed
///
/// The tokens of an account that is no admin any more keep what is left of their scopes. The last open account of an admin
/// stays one.
#[utoipa::path(
    patch, path = "/users/{id}", tag = "users", operation_id = "update_user",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "The account", format = "uuid")),
    request_body = UpdateUserRequest,
    responses((status = 200, description = "The account as it is now", body = UserView)),
)]
async fn update(
    State(api): State<Api>,
    caller: Caller<Admin>,
    Id(id): Id<AccountId>,
    JsonBody(UpdateUserRequest { role }): JsonBody<UpdateUserRequest>,
) -> Result<Response, Problem> {
    let who = *caller;
    whole(async move {
        let _turn = api.admins.acquire().await;
        if role != Role::Admin {
            keep_an_admin(&api, id).await?;
        }
        let changed = api.handle.set_role(id, role).await;
        api.tokens.forget(id, None);
        let account = api.noted(changed, |_| Act {
            target: Some(format!("{id}: {}", role.as_str())),
            ..who.did(AuditAction::UpdateUser)
        })?;
        Ok(Json(UserView::of(&account)).into_response())
    })
    .await
}

/// Close an account for good
///
/// Its tokens and the keys of its devices open nothing from now on; what it has stays. Neither the account of the token
/// itself nor the last open account of an admin can be closed.
#[utoipa::path(
    delete, path = "/users/{id}", tag = "users", operation_id = "close_user",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "The account", format = "uuid")),
    responses((status = 204, description = "It is closed")),
)]
async fn close(
    State(api): State<Api>,
    caller: Caller<Admin>,
    Id(id): Id<AccountId>,
) -> Result<StatusCode, Problem> {
    let who = *caller;
    whole(async move {
        let _turn = api.admins.acquire().await;
        keep_an_admin(&api, id).await?;
        if id == who.account {
            return Err(Problem::new(Code::OwnAccount, "have another admin close it"));
        }
        let closed = api.handle.close_account(id).await;
        api.tokens.forget(id, None);
        api.noted(closed, |_| Act { target: Some(id.to_string()), ..who.did(AuditAction::CloseUser) })?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Refuses to go on where no admin would be left without the account `id`.
async fn keep_an_admin(api: &Api, id: AccountId) -> Result<(), Problem> {
    let account = api.handle.account(id).await?.ok_or_else(Problem::not_found)?;
    if account.role != Role::Admin || account.closed_at.is_some() {
        return Ok(());
    }
    let mut after = None;
    loop {
        let page = api.handle.accounts(after, PAGE).await?;
        let mut others = page.items.iter().filter(|other| other.id != id && other.closed_at.is_none());
        if others.any(|other| other.role == Role::Admin) {
            return Ok(());
        }
        after = page.next;
        if after.is_none() {
            return Err(Problem::new(Code::LastAdmin, "make another account an admin first"));
        }
    }
}

/// An account to make.
#[derive(ToSchema)]
pub(crate) struct CreateUserRequest {
    /// Its name, unique in the gateway; no control characters.
    #[schema(min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "shop")]
    name: String,
    /// What it may be allowed: `user` where nothing is said, or `admin`.
    #[schema(value_type = Option<String>, pattern = "^(user|admin)$", example = "user")]
    role: Role,
}

impl FromFields for CreateUserRequest {
    const FIELDS: &'static [&'static str] = &["name", "role"];

    fn from_fields(fields: &mut Fields<'_>, _: Timestamp) -> Result<Self, Problem> {
        Ok(Self {
            name: line(fields, "name", 1, MAX_NAME)?.ok_or_else(|| missing("name"))?,
            role: role(fields)?.unwrap_or_default(),
        })
    }
}

/// What to change of an account.
#[derive(ToSchema)]
pub(crate) struct UpdateUserRequest {
    /// What it may be allowed: `user` or `admin`.
    #[schema(value_type = String, pattern = "^(user|admin)$", example = "admin")]
    role: Role,
}

impl FromFields for UpdateUserRequest {
    const FIELDS: &'static [&'static str] = &["role"];

    fn from_fields(fields: &mut Fields<'_>, _: Timestamp) -> Result<Self, Problem> {
        Ok(Self { role: role(fields)?.ok_or_else(|| missing("role"))? })
    }
}

fn role(fields: &mut Fields<'_>) -> Result<Option<Role>, Problem> {
    let Some(text) = fields.text("role")? else { return Ok(None) };
    Role::parse(&text).map(Some).ok_or_else(|| invalid("role", "expected user or admin"))
}
