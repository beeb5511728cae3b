//! Who is calling: bearer tokens, as RFC 6750 writes them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use smsgw_core::auth::{Authenticator, Principal};
use smsgw_core::id::AccountId;
use smsgw_core::key::Credential;

use crate::problem::{Code, Problem};
use crate::router::Api;

/// How long a token that was good is taken for good without a look into the store: the delay of a revocation.
const TRUST: Duration = Duration::from_secs(1);
/// How many tokens are remembered.
const REMEMBERED: usize = 4_096;

/// Whoever sent a request with a good token.
pub(crate) struct Caller {
    /// The account that it acts for.
    pub(crate) account: AccountId,
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let principal = api.tokens.check(presented(&parts.headers)?).await?;
        Ok(Self { account: principal.account })
    }
}

/// The token of a request.
fn presented(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        let problem =
            Problem::new(Code::Unauthorized, "send the header Authorization: Bearer, followed by a token");
        return Err(problem.challenging("Bearer realm=\"smsgw\""));
    };
    if values.next().is_some() {
        return Err(Problem::new(Code::InvalidHeader, "send the header Authorization once"));
    }
    let (scheme, token) = value.to_str().unwrap_or_default().split_once(' ').unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim_start_matches(' ')) } else { Err(refused()) }
}

/// The same for every token that opens nothing, whatever the reason.
fn refused() -> Problem {
    Problem::new(
        Code::Unauthorized,
        "the token opens nothing here: it is mistyped, unknown, expired or revoked",
    )
    .challenging("Bearer realm=\"smsgw\", error=\"invalid_token\"")
}

/// Checks tokens, and remembers the good ones for a moment: a client sends the same one with every request.
pub(crate) struct Tokens {
    authenticator: Authenticator,
    /// Written by whoever checked a token against the store. By SHA-256, so that no token lies in memory and looking
    /// one up tells nothing of another.
    good: Mutex<HashMap<[u8; 32], (Principal, Instant)>>,
}

impl Tokens {
    /// Checks with `authenticator`.
    pub(crate) fn new(authenticator: Authenticator) -> Self {
        Self { authenticator, good: Mutex::default() }
    }

    async fn check(&self, presented: &str) -> Result<Principal, Problem> {
        // What is no token at all never gets as far as the store.
        let Ok(credential) = Credential::parse(presented) else { return Err(refused()) };
        let digest = *credential.digest().as_bytes();
        if let Some(principal) = self.remembered(&digest, Instant::now()) {
            return Ok(principal);
        }
        match self.authenticator.token(presented).await? {
            Ok(principal) => {
                self.remember(digest, principal, Instant::now());
                Ok(principal)
            }
            Err(refusal) => {
                tracing::debug!(token = %credential.id(), %refusal, "refused a token");
                Err(refused())
            }
        }
    }

    fn remembered(&self, digest: &[u8; 32], now: Instant) -> Option<Principal> {
        let good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.get(digest).filter(|(_, until)| now < *until).map(|(principal, _)| *principal)
    }

    fn remember(&self, digest: [u8; 32], principal: Principal, now: Instant) {
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if good.len() >= REMEMBERED {
            good.retain(|_, (_, until)| now < *until);
        }
        if good.len() < REMEMBERED {
            good.insert(digest, (principal, now + TRUST));
        }
    }
}

#[cfg(test)]
mod tests {
    use smsgw_core::key::KeyId;
    use smsgw_core::memory::MemoryStore;
    use smsgw_core::time::SystemClock;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_token_is_trusted_for_a_second_and_memory_is_bounded() {
        let tokens = Tokens::new(Authenticator::new(MemoryStore::new(), SystemClock));
        let principal = Principal { account: Uuid::from_u128(1).into(), token: KeyId::from_bytes([0; 10]) };
        let start = Instant::now();
        for index in 0..REMEMBERED + 10 {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&index.to_be_bytes());
            tokens.remember(digest, principal, start);
        }
        assert_eq!(tokens.remembered(&[0; 32], start), Some(principal));
        assert_eq!(tokens.remembered(&[0; 32], start + TRUST), None);
        assert_eq!(tokens.good.lock().map(|good| good.len()).ok(), Some(REMEMBERED));
        tokens.remember([1; 32], principal, start + TRUST);
        assert_eq!(tokens.good.lock().map(|good| good.len()).ok(), Some(1));
    }
}
