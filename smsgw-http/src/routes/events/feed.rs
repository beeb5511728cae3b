//! The body of the answer: events in the words of the HTML standard, and a sign of life where nothing happens.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use serde::Serialize;
use smsgw_core::account::Scope;
use smsgw_core::gateway::{Event, EventId, EventStream, Streamed};
use smsgw_core::id::{DeviceId, MessageId};
use smsgw_core::state::State;
use smsgw_core::time::Timestamp;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::auth::Who;
use crate::router::Api;

/// How long nothing at all may be written.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often it is asked whether the token still opens anything.
const RECHECK: Duration = Duration::from_secs(5);

/// Where a feed begins.
pub(super) enum Start {
    /// With what comes.
    Now,
    /// Behind an event.
    After(EventId),
    /// Behind one that nobody knows.
    Unknown,
}

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Listener)>> + Send>>;

/// Writes as fast as its client reads; `None` after the end.
pub(super) struct Feed(Option<Next>);

impl Feed {
    pub(super) fn new(api: Api, who: Who, start: Start, leaving: CancellationToken) -> Self {
        let after = if let Start::After(id) = start { Some(id) } else { None };
        let events = api.handle.events(who.account, after);
        let now = Instant::now();
        let listener =
            Listener { api, who, events, leaving, quiet_until: now + KEEP_ALIVE, check_at: now + RECHECK };
        // Whoever comes back before anything has happened has an id to come back with.
        let mut first = format!("id: {}\n\n", listener.events.position());
        if matches!(start, Start::Unknown) {
            first = missed(listener.events.position());
        }
        Self(Some(Box::pin(async move { Some((first.into(), listener)) })))
    }
}

impl HttpBody for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = &mut self.0 else { return Poll::Ready(None) };
        let Poll::Ready(done) = next.as_mut().poll(cx) else { return Poll::Pending };
        let written = done.map(|(bytes, listener)| {
            let next: Next = Box::pin(listener.next());
            (bytes, next)
        });
        let (bytes, next) = written.unzip();
        self.0 = next;
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

struct Listener {
    api: Api,
    who: Who,
    events: EventStream,
    leaving: CancellationToken,
    quiet_until: Instant,
    check_at: Instant,
}

impl Listener {
    /// The next lines; nothing at the end.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            let lines = tokio::select! {
                biased;
                () = self.leaving.cancelled() => return None,
                () = sleep_until(self.check_at) => {
                    if !self.may_stay().await {
                        return None;
                    }
                    self.check_at = Instant::now() + RECHECK;
                    continue;
                }
                streamed = self.events.next() => self.write(streamed?),
                // With where it is, so that a listener whose account is quiet need not start again.
                () = sleep_until(self.quiet_until) => Some(format!(": quiet\nid: {}\n\n", self.events.position())),
            };
            let Some(lines) = lines else { continue };
            self.quiet_until = Instant::now() + KEEP_ALIVE;
            return Some((lines.into(), self));
        }
    }

    /// Whether the token opens anything still. Nobody is sent away because the store is.
    async fn may_stay(&self) -> bool {
        let now = self.api.handle.now();
        match self.api.handle.token(self.who.token).await {
            Ok(Some((token, account))) => {
                account.closed_at.is_none() && token.ends_at().is_none_or(|end| now < end)
            }
            Ok(None) => false,
            Err(_) => self.who.ends_at.is_none_or(|end| now < end),
        }
    }

    /// What is told of it, where the token lets it be told.
    fn write(&self, streamed: Streamed) -> Option<String> {
        match streamed {
            Streamed::Missed(id) => Some(missed(id)),
            Streamed::Event(id, Event::Message(moved)) if self.who.scopes.contains(Scope::MessagesRead) => {
                let data = MessageData {
                    id: moved.id,
                    state: moved.to,
                    reason: moved.reason.map(|reason| reason.as_str()),
                    device_id: moved.device,
                    at: moved.at,
                };
                Some(event(id, "message", &data))
            }
            Streamed::Event(id, Event::Device(change)) if self.who.scopes.contains(Scope::DevicesRead) => {
                Some(event(
                    id,
                    "device",
                    &DeviceData {
                        id: change.id,
                        online: change.online,
                        paused: change.paused,
                        at: change.at,
                    },
                ))
            }
            Streamed::Event(..) => None,
        }
    }
}

fn event(id: EventId, name: &str, data: &impl Serialize) -> String {
    // JSON on one line, as the format of such a stream wants it.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\nid: {id}\ndata: {data}\n\n")
}

fn missed(id: EventId) -> String {
    format!("event: missed\nid: {id}\ndata: {{}}\n\n")
}

#[derive(Serialize)]
struct MessageData {
    id: MessageId,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    device_id: Option<DeviceId>,
    at: Timestamp,
}

#[derive(Serialize)]
struct DeviceData {
    id: DeviceId,
    online: bool,
    paused: bool,
    at: Timestamp,
}
