//! Who is calling, and what their token lets them do: bearer tokens, as RFC 6750 writes them.

mod need;
mod tokens;

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use smsgw_core::account::{Scope, Scopes};
use smsgw_core::audit::{Act, AuditAction};
use smsgw_core::id::AccountId;
use smsgw_core::key::KeyId;
use smsgw_core::time::Timestamp;

pub(crate) use need::{Admin, AnyToken, DevicesAdmin, DevicesRead, InboxRead, MessagesRead, MessagesWrite};
pub(crate) use need::{Broker, EventsRead, MetricsRead, Need};
pub(crate) use tokens::Tokens;

use crate::problem::{Code, Problem};
use crate::rates::Slot;
use crate::router::Api;

/// Whoever sent a request with a good token that has what the route needs. There is no other way to an account, so a
/// route says what it needs, or nothing of anybody's can be seen in it.
pub(crate) struct Caller<N> {
    who: Who,
    need: PhantomData<N>,
}

/// Somebody with a good token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who {
    /// The account that they act for.
    pub(crate) account: AccountId,
    /// Their token.
    pub(crate) token: KeyId,
    /// What it opens.
    pub(crate) scopes: Scopes,
    /// From when on it opens nothing.
    pub(crate) ends_at: Option<Timestamp>,
    /// Where they are.
    pub(crate) address: Option<IpAddr>,
}

impl Who {
    /// What they did.
    pub(crate) fn did(&self, action: AuditAction) -> Act {
        Act {
            account: Some(self.account),
            credential: Some(self.token),
            origin: self.address,
            ..Act::done(action)
        }
    }
}

impl<N> Deref for Caller<N> {
    type Target = Who;
    fn deref(&self) -> &Who {
        &self.who
    }
}

impl<N: Need> FromRequestParts<Api> for Caller<N> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        Self::admit(parts, api, presented(&parts.headers)?, N::LIMITED).await
    }
}

impl<N: Need> Caller<N> {
    /// Whoever sent this request with what they present, if it opens what the route needs; it may count against their rate.
    pub(crate) async fn admit(
        parts: &Parts,
        api: &Api,
        presented: Presented<'_>,
        counts: bool,
    ) -> Result<Self, Problem> {
        let origin = Origin::of(parts);
        let principal = api.tokens.check(presented, &origin).await?;
        let who = Who {
            account: principal.account,
            token: principal.token,
            scopes: principal.scopes,
            ends_at: principal.ends_at,
            address: origin.address,
        };
        if let Some(rates) = api.rates.as_ref().filter(|_| counts) {
            let slot = parts.extensions.get::<Slot>().cloned().unwrap_or_default();
            slot.fill(rates.take(who.account, api.handle.now()))?;
        }
        let may_otherwise = N::OR.is_some_and(|scope| principal.may(scope));
        if let Some(scope) = N::SCOPE.filter(|scope| !principal.may(*scope) && !may_otherwise) {
            let refused = Some(format!("no scope {scope}"));
            let target = Some(origin.route());
            api.audit.note(Act { refused, target, ..who.did(AuditAction::Authorize) });
            return Err(N::OR.map_or_else(|| lacking(scope), |other| lacking_both(scope, other)));
        }
        Ok(Self { who, need: PhantomData })
    }
}

/// What a good token without `scope` is answered.
pub(crate) fn lacking(scope: Scope) -> Problem {
    Problem::new(Code::Forbidden, format!("this needs a token with the scope {scope}"))
        .challenging(format!("Bearer realm=\"smsgw\", error=\"insufficient_scope\", scope=\"{scope}\""))
}

/// What a good token with neither of two scopes is answered where either will do.
fn lacking_both(scope: Scope, other: Scope) -> Problem {
    Problem::new(Code::Forbidden, format!("this needs a token with the scope {scope} or {other}"))
        .challenging(format!("Bearer realm=\"smsgw\", error=\"insufficient_scope\", scope=\"{scope}\""))
}

/// Where a request comes from and where it goes to.
pub(crate) struct Origin<'a> {
    /// The address of the peer, where the server says.
    address: Option<IpAddr>,
    method: &'a Method,
    path: Option<&'a MatchedPath>,
}

impl<'a> Origin<'a> {
    fn of(parts: &'a Parts) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Self {
            address: peer.map(|ConnectInfo(peer)| peer.ip()),
            method: &parts.method,
            path: parts.extensions.get::<MatchedPath>(),
        }
    }

    /// The pattern of the route: what a caller writes into a path or a query does not belong into a log.
    fn route(&self) -> String {
        format!("{} {}", self.method, self.path.map_or("unknown", MatchedPath::as_str))
    }
}

/// What stands in the place of a token.
pub(crate) enum Presented<'a> {
    /// Something that may be one.
    Token(&'a str),
    /// Nothing of that kind: why, and what it is answered.
    Nothing(&'static str, Problem),
}

/// The token of a request.
fn presented(headers: &HeaderMap) -> Result<Presented<'_>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        let problem =
            Problem::new(Code::Unauthorized, "send the header Authorization: Bearer, followed by a token");
        return Ok(Presented::Nothing("no token", problem.challenging("Bearer realm=\"smsgw\"")));
    };
    if values.next().is_some() {
        return Err(Problem::new(Code::InvalidHeader, "send the header Authorization once"));
    }
    let (scheme, token) = value.to_str().unwrap_or_default().split_once(' ').unwrap_or_default();
    Ok(match scheme.eq_ignore_ascii_case("bearer") {
        true => Presented::Token(token.trim_start_matches(' ')),
        false => Presented::Nothing("no bearer token", tokens::refused()),
    })
}
