use serde::Serialize;
use smsgw_core::account::{Account, Role, Scopes, Token};
use smsgw_core::id::AccountId;
use smsgw_core::key::{Credential, KeyId};
use smsgw_core::time::Timestamp;
use utoipa::ToSchema;

/// An account: who owns devices, messages and tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView<'a> {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    id: AccountId,
    /// Its name, unique in a gateway.
    #[schema(value_type = String, example = "shop")]
    name: &'a str,
    /// `user` or `admin`.
    #[schema(value_type = String, example = "user")]
    role: Role,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Since when its tokens and keys open nothing.
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
}

impl<'a> UserView<'a> {
    pub(crate) fn of(account: &'a Account) -> Self {
        Self {
            id: account.id,
            name: &account.name,
            role: account.role,
            created_at: account.created_at,
            closed_at: account.closed_at,
        }
    }
}

/// A token, without the token itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenView<'a> {
    /// Its id.
    #[schema(value_type = String, example = "mfrggzdfmztwq2lk")]
    id: KeyId,
    /// What the token begins with.
    #[schema(example = "sgw_tok_mfrggzdfmztwq2lk")]
    prefix: String,
    /// What its owner calls it.
    #[schema(value_type = String, example = "laptop")]
    name: &'a str,
    /// What it opens, with a space between.
    #[schema(value_type = String, example = "messages:read messages:write")]
    scopes: Scopes,
    /// The account that it acts for.
    #[schema(value_type = String, format = "uuid")]
    user_id: AccountId,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From when on it is refused.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it was last used, to a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// Since when it is refused; to come where it was replaced and still counts for a while.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
}

impl<'a> TokenView<'a> {
    pub(crate) fn of(token: &'a Token) -> Self {
        Self {
            id: token.id,
            prefix: format!("sgw_tok_{}", token.id),
            name: &token.name,
            scopes: token.scopes,
            user_id: token.account,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            revoked_at: token.revoked_at,
        }
    }
}

/// A new token: the only time that it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = NewToken)]
pub(crate) struct NewTokenView<'a> {
    /// Its id.
    #[schema(value_type = String, example = "mfrggzdfmztwq2lk")]
    id: KeyId,
    /// The token. Keep it: it is not shown again.
    #[schema(value_type = String, example = "sgw_tok_mfrggzdfmztwq2lk_…")]
    token: &'a str,
    /// What its owner calls it.
    #[schema(value_type = String, example = "laptop")]
    name: &'a str,
    /// What it opens, with a space between.
    #[schema(value_type = String, example = "messages:read messages:write")]
    scopes: Scopes,
    /// The account that it acts for.
    #[schema(value_type = String, format = "uuid")]
    user_id: AccountId,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From when on it is refused.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl<'a> NewTokenView<'a> {
    pub(crate) fn of(credential: &'a Credential, token: &'a Token) -> Self {
        Self {
            id: token.id,
            token: credential.expose(),
            name: &token.name,
            scopes: token.scopes,
            user_id: token.account,
            created_at: token.created_at,
            expires_at: token.expires_at,
        }
    }
}
