//! Tells open pages that something has changed, so that they ask for it: a stream of server-sent events.
//!
//! A page hears at most twice a second that messages of its account have moved, however many have: it is told that there is
//! something to see, not what.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use smsgw_core::id::{AccountId, MessageId};
use smsgw_core::store::Moved;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::refusal::Refusal;
use super::session::Visitor;
use crate::auth::MessagesRead;
use crate::page::Parameters;
use crate::router::Api;
use crate::serve::Leaving;

/// The shortest time between two events.
const PACE: Duration = Duration::from_millis(500);
/// A stream ends then, and the browser asks again, with its token: one that was revoked hears no more.
const LIFE: Duration = Duration::from_secs(60);

/// `GET /dashboard/live`: the event `messages` where some message of the account has moved, or the one that is named.
pub(super) async fn stream(
    State(api): State<Api>,
    visitor: Visitor<MessagesRead>,
    leaving: Option<Extension<Leaving>>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let given = parameters.only(&["message"])?;
    let watch = Watch {
        account: visitor.account,
        message: given.parse("message")?,
        moves: api.handle.observe(),
        next: Instant::now(),
        end: Instant::now() + LIFE,
        leaving: leaving.map_or_else(CancellationToken::new, |Extension(Leaving(leaving))| leaving),
    };
    let events = unfold(watch, async |mut watch| {
        watch
            .moved()
            .await
            .then(|| (Ok::<_, Infallible>(Event::default().event("messages").data("moved")), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

struct Watch {
    account: AccountId,
    message: Option<MessageId>,
    moves: Receiver<Moved>,
    /// When something may be said again.
    next: Instant,
    end: Instant,
    leaving: CancellationToken,
}

impl Watch {
    /// Waits for something to say; false where the stream is over.
    async fn moved(&mut self) -> bool {
        loop {
            let heard = tokio::select! {
                heard = self.moves.recv() => heard,
                () = sleep_until(self.end) => return false,
                () = self.leaving.cancelled() => return false,
            };
            match heard {
                Ok(moved) if !self.concerns(&moved) => {}
                // What was missed may have been ours.
                Ok(_) | Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return false,
            }
        }
        sleep_until(self.next).await;
        // What came meanwhile is said with it.
        self.moves = self.moves.resubscribe();
        self.next = Instant::now() + PACE;
        true
    }

    fn concerns(&self, moved: &Moved) -> bool {
        moved.account == self.account && self.message.is_none_or(|message| message == moved.id)
    }
}
