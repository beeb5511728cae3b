//! What [`MessageStore::advance`](crate::store::MessageStore::advance) promises to devices.

use std::sync::Arc;

use super::StoreFixture;
use super::ground::{Ground, LEASE, MOMENT, SHORT, applied};
use crate::conformance::Stage;
use crate::message::{Failure, NewMessage};
use crate::state::{Change, Fence, REPORT_GRACE, Report, ReportState, State, Transition};
use crate::store::Advanced;

pub(super) async fn report_moves_a_message_forward(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    let before = ground.now();
    let steps = [
        (ReportState::Acknowledged, State::Dispatched, State::Acknowledged),
        (ReportState::Sent, State::Acknowledged, State::Sent),
        (ReportState::Delivered, State::Sent, State::Delivered),
    ];
    for (report, from, to) in steps {
        let moved = applied(ground.report(id, report).await);
        assert_eq!((moved.id, moved.account, moved.device), (id, ground.account, Some(ground.device)));
        assert_eq!((moved.from, moved.to), (from, to));
        ground.elapse(MOMENT).await;
    }
    let message = ground.read(id).await;
    let (sent, delivered) =
        (message.sent_at.expect("was sent"), message.delivered_at.expect("was delivered"));
    assert!(before <= sent && sent < delivered && delivered <= ground.now(), "{before} {sent} {delivered}");
    assert_eq!((message.failure, message.reason), (None, None));
}

pub(super) async fn report_may_jump_ahead(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    let moved = applied(ground.report(id, ReportState::Delivered).await);
    assert_eq!((moved.from, moved.to), (State::Dispatched, State::Delivered));
    assert!(ground.read(id).await.delivered_at.is_some());
    for late in [ReportState::Acknowledged, ReportState::Sent] {
        assert_eq!(ground.report(id, late).await, Advanced::Recorded, "{late:?}");
    }
    assert_eq!(ground.state(id).await, State::Delivered);
}

pub(super) async fn report_overtakes_the_dispatcher(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.claimed().await;
    let moved = applied(ground.report(id, ReportState::Sent).await);
    assert_eq!((moved.from, moved.to), (State::Sending, State::Sent));
    assert_eq!(ground.dispatch(id, 1).await, Advanced::Unchanged, "a report has overtaken it");
    assert_eq!(ground.state(id).await, State::Sent);
    // The report of a claim that ran out counts as well: its device has the message.
    let lost = ground.claimed().await;
    ground.elapse(LEASE).await;
    ground.due(false).await;
    let moved = applied(ground.report(lost, ReportState::Acknowledged).await);
    assert_eq!((moved.from, moved.to), (State::Queued, State::Acknowledged));
    assert!(ground.claim(lost).await.is_none(), "its device has it");
}

pub(super) async fn failure_is_kept(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    for text in ["invalid_number", "said in words: ñ\u{202e}"] {
        let failure = Failure::from_device(text);
        let id = ground.dispatched().await;
        let report = Report {
            id: ground.id(),
            state: ReportState::Failed,
            failure: Some(failure.clone()),
            attempt: None,
        };
        applied(ground.advance(id, Fence::Device(ground.device), Change::Reported(report)).await);
        let message = ground.read(id).await;
        assert_eq!((message.state, message.failure.as_ref()), (State::Failed, Some(&failure)));
        let events = ground.store.events(ground.account, id).await.expect("events").expect("is there");
        assert_eq!(events.last().and_then(|event| event.code.as_ref()), Some(&failure.code));
    }
}

pub(super) async fn repeated_report_is_unchanged(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    let change = ground.reported(ReportState::Sent);
    let fence = Fence::Device(ground.device);
    applied(ground.advance(id, fence, change.clone()).await);
    let (before, history) = (ground.read(id).await, ground.history(id).await);
    let again = Transition { id, fence, change };
    let outcomes = ground.store.advance(&vec![again.clone(); 1_000]).await.expect("advance");
    assert_eq!(outcomes, vec![Advanced::Unchanged; 1_000]);
    assert_eq!(ground.read(id).await, before);
    assert_eq!(ground.history(id).await, history, "one effect, one event");
    // The same report of another message is another report.
    let other = ground.dispatched().await;
    applied(ground.advance(other, fence, again.change).await);
}

pub(super) async fn late_report_is_recorded_once(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    applied(ground.report(id, ReportState::Sent).await);
    let before = ground.read(id).await;
    let fence = Fence::Device(ground.device);
    let failure = Some(Failure::from_device("radio_off"));
    let late =
        Change::Reported(Report { id: ground.id(), state: ReportState::Failed, failure, attempt: None });
    assert_eq!(ground.advance(id, fence, late.clone()).await, Advanced::Recorded);
    assert_eq!(ground.advance(id, fence, late).await, Advanced::Unchanged, "it is in the history already");
    assert_eq!(ground.read(id).await, before, "a late report changes nothing");
    let events = ground.store.events(ground.account, id).await.expect("events").expect("is there");
    let last = events.last().expect("an event");
    assert_eq!((last.state, last.applied, last.code.as_deref()), (State::Failed, false, Some("radio_off")));
    assert_eq!(events.iter().filter(|event| !event.applied).count(), 1);
}

pub(super) async fn report_after_the_end_changes_nothing(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    for end in [ReportState::Delivered, ReportState::Undelivered, ReportState::Failed, ReportState::Unknown] {
        let id = ground.dispatched().await;
        applied(ground.report(id, end).await);
        let before = ground.read(id).await;
        for late in
            [ReportState::Acknowledged, ReportState::Sent, ReportState::Delivered, ReportState::Failed]
        {
            assert_eq!(ground.report(id, late).await, Advanced::Recorded, "{late:?} after {end:?}");
        }
        assert_eq!(ground.read(id).await, before, "a terminal state is final");
        assert_eq!(ground.dispatch(id, 1).await, Advanced::Unchanged);
        assert!(ground.claim(id).await.is_none());
    }
    let id = ground.submitted(NewMessage { ttl: SHORT, ..ground.request() }).await;
    ground.claim(id).await.expect("queued");
    applied(ground.dispatch(id, 1).await);
    ground.elapse(SHORT + REPORT_GRACE).await;
    ground.due(false).await;
    assert_eq!(ground.state(id).await, State::Expired);
    assert_eq!(ground.report(id, ReportState::Delivered).await, Advanced::Recorded);
    assert_eq!(ground.state(id).await, State::Expired);
}

pub(super) async fn report_of_another_device_is_foreign(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    let before = (ground.read(id).await, ground.history(id).await);
    let sibling = ground.new_device(ground.account).await;
    let stranger = ground.new_device(ground.new_account("second").await).await;
    for device in [sibling, stranger, ground.id()] {
        let change = ground.reported(ReportState::Delivered);
        assert_eq!(ground.advance(id, Fence::Device(device), change).await, Advanced::Foreign);
    }
    assert_eq!((ground.read(id).await, ground.history(id).await), before, "nothing is written");
    // A foreign report uses up no report id.
    let change = ground.reported(ReportState::Sent);
    assert_eq!(ground.advance(id, Fence::Device(sibling), change.clone()).await, Advanced::Foreign);
    applied(ground.advance(id, Fence::Device(ground.device), change).await);
}

pub(super) async fn report_of_an_unclaimed_message_is_foreign(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.submitted(NewMessage { device: Some(ground.device), ..ground.request() }).await;
    let before = ground.read(id).await;
    assert_eq!(ground.report(id, ReportState::Delivered).await, Advanced::Foreign);
    assert_eq!(ground.read(id).await, before);
}

pub(super) async fn report_of_an_unknown_message_is_missing(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    assert_eq!(ground.report(ground.id(), ReportState::Sent).await, Advanced::Missing);
    assert_eq!(ground.dispatch(ground.id(), 1).await, Advanced::Missing);
}

pub(super) async fn concurrent_repeats_of_a_report_apply_once(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let ids = [ground.dispatched().await, ground.dispatched().await, ground.dispatched().await];
    let fence = Fence::Device(ground.device);
    let batch = ids.map(|id| Transition { id, fence, change: ground.reported(ReportState::Delivered) });
    let mut tasks = Vec::new();
    for turn in 0..8 {
        let store = match ground.fixture.peer().await {
            Some(peer) if turn % 2 == 1 => peer,
            _ => Arc::clone(&ground.store),
        };
        let mut batch = batch.clone();
        // Overlapping batches in different orders: no deadlock may come of it.
        batch.rotate_left(turn % 3);
        tasks.push(tokio::spawn(async move { store.advance(&batch).await.expect("advance") }));
    }
    let mut count = 0;
    for task in tasks {
        let outcomes = task.await.expect("the task ends");
        count += outcomes.iter().filter(|outcome| matches!(outcome, Advanced::Applied(_))).count();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Advanced::Applied(_) | Advanced::Unchanged)));
    }
    assert_eq!(count, ids.len());
}
