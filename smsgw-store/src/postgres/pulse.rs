//! Whether the server answers. While it does not, calls fail soon instead of each waiting in vain: whoever waits behind
//! others, as for a connection or for the commit before his, would wait for all of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::classify::is_silence;

/// How long a call waits for a server that is away: it may be back at any moment.
const GRACE: Duration = Duration::from_millis(100);
/// A server that has answered nobody for so long, while somebody waited as long as he may, is away.
const QUIET: Duration = Duration::from_millis(800);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    /// A connection broke, or one call had no answer. It is being asked; calls go through.
    Suspected,
    /// It does not answer. It is asked until it does.
    Away,
}

/// What all calls over a pool know of the server. Wherever it is not well, somebody asks it.
#[derive(Debug)]
pub(super) struct Pulse {
    state: watch::Sender<State>,
    /// When it last answered, written by every call.
    answered: Mutex<Instant>,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self { state: watch::Sender::new(State::Well), answered: Mutex::new(Instant::now()) }
    }

    /// Lets a call through, soon, or never: then `false`.
    pub(super) async fn lets_through(&self) -> bool {
        let mut state = self.state.subscribe();
        let back = state.wait_for(|state| *state != State::Away);
        timeout(GRACE, back).await.is_ok()
    }

    /// The server has answered something, and be it an error.
    pub(super) fn answered(&self) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// A call has had no answer; `waited` as long as it may. Says whether somebody must ask the server now.
    #[must_use]
    pub(super) fn silent(&self, waited: bool) -> bool {
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let is_away = waited && answered.elapsed() > QUIET;
        let mut must_ask = false;
        self.state.send_if_modified(|state| {
            must_ask = *state == State::Well;
            let next = if is_away || *state == State::Away { State::Away } else { State::Suspected };
            std::mem::replace(state, next) != next
        });
        must_ask
    }

    /// Asks the server once, over a connection of its own, and says whether it has answered.
    pub(super) async fn ask(&self, pool: &PgPool, limit: Duration) -> bool {
        let options = pool.connect_options();
        let asked = timeout(limit, async {
            let mut conn = PgConnection::connect_with(&options).await?;
            conn.ping().await.map(|()| conn)
        });
        let has_answered = match asked.await {
            Ok(Ok(conn)) => {
                // It may fail as it likes: the answer was there.
                _ = timeout(GRACE, conn.close()).await;
                true
            }
            // A refusal is an answer: calls go through, and hear it themselves.
            Ok(Err(error)) => !is_silence(&error),
            Err(_) => false,
        };
        if has_answered {
            self.answered();
        }
        self.state.send_replace(if has_answered { State::Well } else { State::Away });
        has_answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that answered so long ago for the last time.
    fn answered(ago: Duration) -> Pulse {
        let pulse = Pulse::new();
        if let Some(at) = Instant::now().checked_sub(ago) {
            *pulse.answered.lock().unwrap_or_else(PoisonError::into_inner) = at;
        }
        pulse
    }

    #[tokio::test]
    async fn who_has_answered_others_meanwhile_is_not_away() {
        let pulse = answered(QUIET * 2);
        pulse.answered();
        assert!(pulse.silent(true), "it is asked all the same");
        assert!(pulse.lets_through().await);
    }

    #[tokio::test]
    async fn who_answers_nobody_is_away_and_one_asks() {
        let pulse = answered(QUIET * 2);
        assert!(pulse.silent(false), "a connection that breaks is no proof");
        assert!(pulse.lets_through().await);
        assert!(!pulse.silent(true), "somebody asks already");
        assert!(!pulse.lets_through().await);
        assert!(!pulse.silent(false) && !pulse.lets_through().await, "it stays away until it answers");
    }
}
