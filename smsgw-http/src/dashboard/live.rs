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
use smsgw_core::gateway::{Event as Happening, EventStream, Handle, Streamed};
use smsgw_core::id::{AccountId, MessageId};
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
        events: api.handle.events(visitor.account, None),
        next: Instant::now(),
        end: Instant::now() + LIFE,
        leaving: leaving.map_or_else(CancellationToken::new, |Extension(Leaving(leaving))| leaving),
        handle: api.handle.clone(),
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
    handle: Handle,
    account: AccountId,
    message: Option<MessageId>,
    events: EventStream,
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
                heard = self.events.next() => heard,
                () = sleep_until(self.end) => return false,
                () = self.leaving.cancelled() => return false,
            };
            match heard {
                Some(Streamed::Event(_, Happening::Message(moved))) if self.concerns(moved.id) => break,
                Some(Streamed::Event(..)) => {}
                // What was missed may have been ours.
                Some(Streamed::Missed(_)) => break,
                None => return false,
            }
        }
        sleep_until(self.next).await;
        // What came meanwhile is said with it.
        self.events = self.handle.events(self.account, None);
        self.next = Instant::now() + PACE;
        true
    }

    fn concerns(&self, id: MessageId) -> bool {
        self.message.is_none_or(|message| message == id)
    }
}
