use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smsgw_core::audit::{Act, AuditAction, AuditLog};
use smsgw_core::auth::{Authenticator, Failures, Principal, Refusal};
use smsgw_core::id::AccountId;
use smsgw_core::key::{Credential, KeyId};
use smsgw_core::time::Timestamp;

use super::{Origin, Presented};
use crate::problem::{Code, Problem};

/// How long a token that was good is taken for good without a look into the store: the delay of what another gateway
/// has revoked.
const TRUST: Duration = Duration::from_secs(1);
/// How many tokens are remembered.
const REMEMBERED: usize = 4_096;

/// Checks tokens, and remembers the good ones for a moment: a client sends the same one with every request.
pub(crate) struct Tokens {
    authenticator: Authenticator,
    audit: AuditLog,
    failures: Failures,
    /// Written by whoever checked a token against the store, or ended one.
    good: Mutex<Good>,
}

#[derive(Default)]
struct Good {
    /// By SHA-256, so that no token lies in memory and looking one up tells nothing of another.
    entries: HashMap<[u8; 32], (Principal, Instant)>,
    /// How often tokens were forgotten. What was asked of the store before that is no longer to be trusted.
    forgotten: u64,
}

impl Tokens {
    /// Checks with `authenticator`, and notes in `audit` what it refuses.
    pub(crate) fn new(authenticator: Authenticator, audit: AuditLog) -> Self {
        Self { authenticator, audit, failures: Failures::new(), good: Mutex::default() }
    }

    /// Whom the token acts for.
    pub(crate) async fn check(
        &self,
        presented: Presented<'_>,
        origin: &Origin<'_>,
    ) -> Result<Principal, Problem> {
        let text = match presented {
            Presented::Token(text) => text,
            Presented::Nothing(why, problem) => {
                // Who presents nothing tries nothing: it is noted as the others are, and never sent away for a while.
                self.note(origin, None, why);
                return Err(problem);
            }
        };
        // What is no token at all never gets as far as the store.
        let credential = match Credential::parse(text) {
            Ok(credential) => credential,
            Err(error) => return Err(self.refuse(origin, None, Refusal::from(error))),
        };
        let id = Some(credential.id());
        let now = self.authenticator.now();
        if let Some(pause) = self.failures.pause(origin.address, id, now) {
            return Err(too_many(pause));
        }
        let digest = *credential.digest().as_bytes();
        if let Some(principal) = self.remembered(&digest, now, Instant::now()) {
            return Ok(principal);
        }
        let forgotten = self.good().forgotten;
        match self.authenticator.token(text).await? {
            Ok(principal) => {
                self.remember(digest, principal, forgotten, Instant::now());
                Ok(principal)
            }
            Err(refusal) => Err(self.refuse(origin, id, refusal)),
        }
    }

    /// Trusts the tokens of an account no longer, or one of them: the store is asked again.
    pub(crate) fn forget(&self, account: AccountId, token: Option<KeyId>) {
        let mut good = self.good();
        good.forgotten = good.forgotten.wrapping_add(1);
        good.entries.retain(|_, (principal, _)| {
            principal.account != account || token.is_some_and(|token| principal.token != token)
        });
    }

    /// Counts and notes what is refused, until it is too much; then says so.
    fn refuse(&self, origin: &Origin<'_>, id: Option<KeyId>, why: impl std::fmt::Display) -> Problem {
        self.note(origin, id, why).map_or_else(refused, too_many)
    }

    /// Counts and notes what is refused. Answers how long nothing is checked, where that was so before.
    fn note(&self, origin: &Origin<'_>, id: Option<KeyId>, why: impl std::fmt::Display) -> Option<Duration> {
        let now = self.authenticator.now();
        let begins = self.failures.count(origin.address, id, now);
        if !begins && let Some(pause) = self.failures.pause(origin.address, id, now) {
            return Some(pause);
        }
        let why = if begins { format!("{why}; too many failures") } else { why.to_string() };
        self.audit.note(Act {
            credential: id,
            target: Some(origin.route()),
            origin: origin.address,
            ..Act::refused(AuditAction::Authenticate, why)
        });
        None
    }

    fn remembered(&self, digest: &[u8; 32], now: Timestamp, instant: Instant) -> Option<Principal> {
        let good = self.good();
        let (principal, until) = good.entries.get(digest)?;
        (instant < *until && principal.ends_at.is_none_or(|end| now < end)).then_some(*principal)
    }

    fn remember(&self, digest: [u8; 32], principal: Principal, forgotten: u64, instant: Instant) {
        let mut good = self.good();
        if good.forgotten != forgotten {
            return;
        }
        if good.entries.len() >= REMEMBERED {
            good.entries.retain(|_, (_, until)| instant < *until);
        }
        if good.entries.len() < REMEMBERED {
            good.entries.insert(digest, (principal, instant + TRUST));
        }
    }

    fn good(&self) -> MutexGuard<'_, Good> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same for every token that opens nothing, whatever the reason.
pub(super) fn refused() -> Problem {
    Problem::new(
        Code::Unauthorized,
        "the token opens nothing here: it is mistyped, unknown, expired or revoked",
    )
    .challenging("Bearer realm=\"smsgw\", error=\"invalid_token\"")
}

fn too_many(pause: Duration) -> Problem {
    Problem::new(Code::TooManyFailures, "send a good token, and after the time in the header Retry-After")
        .after(pause)
}

#[cfg(test)]
mod tests {
    use smsgw_core::account::{Role, Scopes};
    use smsgw_core::memory::MemoryStore;
    use smsgw_core::time::SystemClock;
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn tokens() -> Tokens {
        let audit = AuditLog::new(MemoryStore::new(), SystemClock);
        Tokens::new(Authenticator::new(MemoryStore::new(), SystemClock), audit)
    }

    fn principal(account: u128, token: u8) -> Principal {
        Principal {
            account: Uuid::from_u128(account).into(),
            token: KeyId::from_bytes([token; 10]),
            scopes: Scopes::USER,
            role: Role::User,
            ends_at: None,
        }
    }

    #[test]
    fn a_token_is_trusted_for_a_second_and_memory_is_bounded() {
        let (tokens, principal) = (tokens(), principal(1, 0));
        let start = Instant::now();
        for index in 0..REMEMBERED + 10 {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&index.to_be_bytes());
            tokens.remember(digest, principal, 0, start);
        }
        assert_eq!(tokens.remembered(&[0; 32], NOW, start), Some(principal));
        assert_eq!(tokens.remembered(&[0; 32], NOW, start + TRUST), None);
        assert_eq!(tokens.good().entries.len(), REMEMBERED);
        tokens.remember([1; 32], principal, 0, start + TRUST);
        assert_eq!(tokens.good().entries.len(), 1);
    }

    #[test]
    fn a_token_is_trusted_no_longer_than_it_lives() {
        let (tokens, start) = (tokens(), Instant::now());
        let end = NOW + Duration::from_millis(500);
        tokens.remember([1; 32], Principal { ends_at: Some(end), ..principal(1, 1) }, 0, start);
        assert!(tokens.remembered(&[1; 32], NOW + Duration::from_millis(499), start).is_some());
        assert_eq!(tokens.remembered(&[1; 32], end, start), None, "at the instant of its expiry");
    }

    #[test]
    fn what_is_forgotten_is_not_remembered_from_before() {
        let (tokens, start) = (tokens(), Instant::now());
        for (token, account) in [(1, 1), (2, 1), (3, 2)] {
            tokens.remember([token; 32], principal(account, token), 0, start);
        }
        let left = || [1, 2, 3].map(|token| tokens.remembered(&[token; 32], NOW, start).is_some());
        tokens.forget(principal(1, 1).account, Some(principal(1, 1).token));
        assert_eq!(left(), [false, true, true]);
        tokens.remember([1; 32], principal(1, 1), 0, start);
        assert_eq!(left(), [false, true, true], "the store was asked before it was revoked");
        tokens.forget(principal(1, 1).account, None);
        assert_eq!(left(), [false, false, true]);
        tokens.remember([1; 32], principal(1, 1), 2, start);
        assert_eq!(left(), [true, false, true]);
    }
}
