//! The device's rules, without a broker or a radio.

use super::*;
use crate::device::radio::RadioError;

type Outcome_ = Result<(), Box<dyn std::error::Error>>;

fn desk() -> std::io::Result<Desk> {
    Ok(Desk::new(Journal::open(None, 99)?, 2, Instant::now()))
}

fn sms(id: &str, expires_at: Option<&str>) -> Sms {
    Sms {
        id: id.into(),
        to: "+34600111222".into(),
        body: "hi".into(),
        sim: None,
        segments: 1,
        expires_at: expires_at.map(Into::into),
        attempt: 1,
    }
}

/// A `send` for which there is room.
fn take(desk: &mut Desk, sms: Sms, now: Instant) {
    if let Some(pending) = desk.arrived(sms, now) {
        desk.take(pending, now);
    }
}

/// What would be published at `now`: state and code of each report.
fn said(desk: &mut Desk, now: Instant) -> Vec<(ReportState, Option<String>)> {
    reports(desk, now).into_iter().map(|report| (report.state, report.code)).collect()
}

fn reports(desk: &mut Desk, now: Instant) -> Vec<Report> {
    let mut said = Vec::new();
    while let Some(payload) = desk.outbox.due(now).cloned() {
        if let Ok(Up::Report(report)) = Up::parse(&payload) {
            said.push(report);
        }
        desk.outbox.said(now);
    }
    said
}

fn done(id: &str, result: Result<Outcome, RadioError>) -> Done {
    Done { id: id.into(), result }
}

#[test]
fn a_quick_radio_says_sent_and_a_slow_one_acknowledged_first() -> Outcome_ {
    let now = Instant::now();
    let mut desk = desk()?;
    take(&mut desk, sms("quick", None), now);
    assert!(desk.start(now).is_some());
    desk.done(done("quick", Ok(Outcome::Sent)), now);
    assert_eq!(said(&mut desk, now + GRACE), [(ReportState::Sent, None)]);

    take(&mut desk, sms("slow", None), now);
    assert!(desk.start(now).is_some());
    assert_eq!(said(&mut desk, now), []);
    assert_eq!(said(&mut desk, now + GRACE), [(ReportState::Acknowledged, None)]);
    Ok(())
}

#[test]
fn too_late_is_never_sent() -> Outcome_ {
    let now = Instant::now();
    let mut desk = desk()?;
    take(&mut desk, sms("late", Some("2020-01-01T00:00:00Z")), now);
    take(&mut desk, sms("odd", Some("soon")), now);
    take(&mut desk, sms("good", Some("2999-01-01T00:00:00Z")), now);
    assert_eq!(desk.start(now).map(|sms| sms.id).as_deref(), Some("good"));
    let mut codes: Vec<_> = said(&mut desk, now).into_iter().filter_map(|(_, code)| code).collect();
    codes.sort();
    assert_eq!(codes, ["bad_expires_at", "expired"]);
    Ok(())
}

#[test]
fn what_is_ordered_twice_is_sent_once_and_its_last_report_repeated() -> Outcome_ {
    let now = Instant::now();
    let mut desk = desk()?;
    take(&mut desk, sms("m", None), now);
    assert!(desk.start(now).is_some());
    take(&mut desk, sms("m", None), now);
    assert_eq!(said(&mut desk, now), [(ReportState::Acknowledged, None)], "while it is in the radio");
    desk.done(done("m", Err(RadioError::new("no_service"))), now);
    let first = reports(&mut desk, now);
    take(&mut desk, sms("m", None), now);
    assert_eq!(reports(&mut desk, now), first, "without a receipt, the same report");
    desk.receipt(vec![first[0].report_id.clone()]);
    take(&mut desk, sms("m", None), now);
    let again = reports(&mut desk, now);
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].report_id, first[0].report_id, "with one, a new report of the same");
    assert_eq!(
        (again[0].state, &again[0].code, &again[0].at),
        (first[0].state, &first[0].code, &first[0].at)
    );
    assert!(desk.start(now).is_none());
    Ok(())
}

#[test]
fn cancel_wins_only_before_the_radio() -> Outcome_ {
    let now = Instant::now();
    let mut desk = desk()?;
    let canceled = (ReportState::Failed, Some("canceled".to_owned()));
    take(&mut desk, sms("a", None), now);
    take(&mut desk, sms("b", None), now);
    assert_eq!(desk.start(now).map(|sms| sms.id).as_deref(), Some("a"));
    desk.cancel("b", now);
    desk.cancel("unseen", now);
    assert_eq!(said(&mut desk, now), [canceled.clone(), canceled]);
    desk.cancel("a", now);
    assert_eq!(said(&mut desk, now), [(ReportState::Acknowledged, None)]);
    take(&mut desk, sms("unseen", None), now);
    assert!(desk.start(now).is_none());
    Ok(())
}

#[test]
fn what_failed_and_is_canceled_is_not_tried_again() -> Outcome_ {
    let now = Instant::now();
    let mut desk = desk()?;
    take(&mut desk, sms("a", None), now);
    assert!(desk.start(now).is_some());
    desk.done(done("a", Err(RadioError::new("no_service"))), now);
    desk.cancel("a", now);
    assert!(said(&mut desk, now).contains(&(ReportState::Failed, Some("canceled".to_owned()))));
    for report in desk.journal.ledger().open_of("a") {
        desk.receipt(vec![report]);
    }
    take(&mut desk, Sms { attempt: 2, ..sms("a", None) }, now);
    assert!(desk.start(now).is_none());
    Ok(())
}

#[test]
fn a_report_names_the_attempt_that_it_is_about() -> Outcome_ {
    let now = Instant::now();
    let mut desk = desk()?;
    let said = |desk: &mut Desk| -> Vec<_> {
        reports(desk, now + GRACE).into_iter().map(|report| (report.state, report.attempt)).collect()
    };
    for attempt in [1, 3] {
        take(&mut desk, Sms { attempt, ..sms("a", None) }, now);
        assert!(desk.start(now).is_some());
        assert_eq!(said(&mut desk), [(ReportState::Acknowledged, Some(attempt))]);
        desk.done(done("a", Err(RadioError::new("no_service"))), now);
        assert_eq!(said(&mut desk), [(ReportState::Failed, Some(attempt))]);
        desk.receipt(desk.journal.ledger().open_of("a"));
    }
    take(&mut desk, sms("a", None), now);
    assert_eq!(said(&mut desk), [(ReportState::Failed, Some(3))], "whatever the one that asks");
    desk.receipt(desk.journal.ledger().open_of("a"));
    desk.cancel("a", now);
    assert_eq!(said(&mut desk), [(ReportState::Failed, None)], "it is about them all");
    take(&mut desk, Sms { attempt: 0, ..sms("without", None) }, now);
    assert!(desk.start(now).is_some());
    desk.done(done("without", Ok(Outcome::DeliveredAfter(Duration::ZERO))), now);
    desk.deliver(now);
    assert_eq!(said(&mut desk), [(ReportState::Sent, None), (ReportState::Delivered, None)]);
    Ok(())
}

#[test]
fn delivery_follows_sent_and_nothing_else() -> Outcome_ {
    let now = Instant::now();
    let later = now + Duration::from_secs(3);
    let mut desk = desk()?;
    desk.delivery("unseen", &Delivery::Delivered, now);
    take(&mut desk, sms("a", None), now);
    assert!(desk.start(now).is_some());
    desk.done(done("a", Ok(Outcome::DeliveredAfter(Duration::from_secs(3)))), now);
    desk.deliver(now);
    assert_eq!(said(&mut desk, now), [(ReportState::Sent, None)]);
    assert_eq!(desk.next_delivery(), Some(later));
    desk.deliver(later);
    desk.delivery("a", &Delivery::Undelivered("late".into()), later);
    assert!(said(&mut desk, later).contains(&(ReportState::Delivered, None)));
    assert_eq!(desk.journal.ledger().known("a"), Some(Known::Reporting));
    Ok(())
}

#[test]
fn it_takes_no_more_than_it_has_room_for() -> Outcome_ {
    let now = Instant::now();
    let mut desk = desk()?;
    take(&mut desk, sms("a", None), now);
    assert!(desk.has_room());
    take(&mut desk, sms("b", None), now);
    assert!(!desk.has_room());
    assert!(desk.start(now).is_some());
    assert!(desk.has_room());
    Ok(())
}

#[tokio::test]
async fn a_restart_reports_unknown_and_goes_on() -> Outcome_ {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("journal");
    let now = Instant::now();
    let mut desk = Desk::new(Journal::open(Some(&path), 99)?, 9, now);
    take(&mut desk, sms("radio", None), now);
    take(&mut desk, sms("next", None), now);
    assert!(desk.start(now).is_some());
    desk.journal.commit().await?;
    drop(desk);

    let mut desk = Desk::new(Journal::open(Some(&path), 99)?, 9, now);
    assert_eq!(
        said(&mut desk, now),
        [(ReportState::Unknown, Some("interrupted".to_owned())), (ReportState::Acknowledged, None)]
    );
    take(&mut desk, sms("radio", None), now);
    assert_eq!(desk.start(now).map(|sms| sms.id).as_deref(), Some("next"));
    desk.done(done("next", Ok(Outcome::DeliveredAfter(Duration::from_secs(60)))), now);
    desk.journal.commit().await?;
    drop(desk);

    let mut desk = Desk::new(Journal::open(Some(&path), 99)?, 9, now);
    desk.deliver(now);
    let states: Vec<_> = said(&mut desk, now).into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, [ReportState::Unknown, ReportState::Sent, ReportState::Delivered]);
    Ok(())
}

#[test]
fn a_code_is_safe_to_store_and_to_log() {
    assert_eq!(clean("no_service"), "no_service");
    assert_eq!(clean("\u{1b}[31mCMS ERROR\n: 38"), "[31mCMSERROR:38");
    assert_eq!(clean(&"x".repeat(1_000_000)).len(), CODE);
    assert_eq!(clean("\u{202e}é"), "radio_error");
}
