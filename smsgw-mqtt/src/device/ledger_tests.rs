//! What lines add up to, and that a snapshot of them adds up to the same.

use super::*;
use crate::wire::Report;

fn sms(id: &str, attempt: u32) -> Sms {
    Sms { attempt, to: "+34600111222".into(), body: "hi".into(), ..spent(id, attempt) }
}

fn reported(report_id: &str, id: &str, state: ReportState, attempt: u32) -> Record {
    let report = Report {
        report_id: report_id.into(),
        id: id.into(),
        attempt: None,
        state,
        segment: None,
        code: (state == ReportState::Failed).then(|| "no_service".into()),
        at: "2026-01-02T03:04:05Z".into(),
    };
    Record::Reported(Reported { report, attempt, awaits: false })
}

fn ledger(remember: usize, lines: Vec<Record>) -> Ledger {
    let mut ledger = Ledger::new(remember);
    lines.into_iter().for_each(|line| ledger.apply(line));
    ledger
}

/// Everything that a device asks of a ledger.
fn view(ledger: &mut Ledger, ids: &[&str]) -> String {
    let known: Vec<_> = ids
        .iter()
        .map(|id| (ledger.known(id), ledger.attempt(id), ledger.is_sent(id), ledger.open_of(id)))
        .collect();
    let open: Vec<_> = ledger.open().map(|(id, up)| (id.clone(), up.clone())).collect();
    let next = ledger.next().map(|sms| (sms.id, sms.body));
    format!("{known:?} {open:?} {next:?} {:?} {:?} {}", ledger.started(), ledger.waiting(), ledger.backlog())
}

#[test]
fn an_id_is_taken_once() {
    let mut ledger = ledger(9, vec![Record::Taken(sms("a", 1))]);
    assert_eq!(ledger.judge(&sms("a", 1)), Verdict::Repeat);
    assert_eq!(ledger.judge(&sms("a", 2)), Verdict::Repeat);
    ledger.apply(Record::Taken(sms("a", 1)));
    assert_eq!(ledger.backlog(), 1);
    ledger.apply(Record::Started("a".into()));
    assert_eq!((ledger.backlog(), ledger.next()), (0, None));
    for state in [ReportState::Sent, ReportState::Delivered] {
        ledger.apply(reported("r", "a", state, 1));
        assert_eq!(ledger.judge(&sms("a", 2)), Verdict::Repeat, "{state:?}");
    }
}

#[test]
fn only_a_sure_failure_and_a_new_attempt_are_sent_again() {
    let lines = || vec![Record::Taken(sms("a", 1)), Record::Started("a".into())];
    for (state, again) in [
        (ReportState::Failed, Verdict::Take),
        (ReportState::Unknown, Verdict::Repeat),
        (ReportState::Sent, Verdict::Repeat),
    ] {
        let mut ledger = ledger(9, lines());
        ledger.apply(reported("r", "a", state, 1));
        assert_eq!(ledger.judge(&sms("a", 1)), Verdict::Repeat, "{state:?}");
        assert_eq!(ledger.judge(&sms("a", 2)), Verdict::Repeat, "{state:?}: the gateway may not know yet");
        ledger.apply(Record::Receipt(vec!["r".into()]));
        assert_eq!(ledger.judge(&sms("a", 1)), Verdict::Repeat, "{state:?}");
        assert_eq!(ledger.judge(&sms("a", 2)), again, "{state:?}");
    }
    let mut ledger = ledger(9, lines());
    ledger.apply(reported("r1", "a", ReportState::Failed, 1));
    ledger.apply(Record::Receipt(vec!["r1".into()]));
    ledger.apply(Record::Taken(sms("a", 2)));
    assert!(!ledger.is_past_recall("a") && !ledger.is_past_recall("unseen"));
    ledger.apply(reported("r1", "a", ReportState::Failed, 1));
    assert_eq!(ledger.known("a"), Some(Known::Acknowledged), "an old report does not end a new attempt");
}

#[test]
fn what_failed_for_good_is_not_tried_again() {
    let Record::Reported(mut last) = reported("r", "a", ReportState::Failed, 1) else { return };
    last.report.code = Some("invalid_number".into());
    let lines = vec![Record::Taken(sms("a", 1)), Record::Reported(last), Record::Receipt(vec!["r".into()])];
    assert_eq!(ledger(9, lines).judge(&sms("a", 2)), Verdict::Repeat);
}

#[test]
fn what_was_cancelled_is_not_taken_whatever_its_attempt() {
    let early = ledger(9, vec![reported("r", "a", ReportState::Failed, FOREVER)]);
    assert_eq!(early.judge(&sms("a", 7)), Verdict::Repeat);
    let mut waiting =
        ledger(9, vec![Record::Taken(sms("a", 1)), reported("r", "a", ReportState::Failed, FOREVER)]);
    assert_eq!((waiting.next(), waiting.backlog()), (None, 0));
    assert_eq!(waiting.judge(&sms("a", 2)), Verdict::Repeat);
}

#[test]
fn the_oldest_finished_ids_are_forgotten_but_not_before_their_receipt() {
    let mut ledger = ledger(2, vec![reported("r-open", "open", ReportState::Sent, 1)]);
    for n in 0..10 {
        let id = format!("m{n}");
        ledger.apply(Record::Taken(sms(&id, 1)));
        ledger.apply(reported(&format!("r{n}"), &id, ReportState::Sent, 1));
        ledger.apply(Record::Receipt(vec![format!("r{n}")]));
    }
    assert_eq!(ledger.known("m0"), None);
    assert!(ledger.known("m9").is_some());
    assert_eq!(ledger.known("open"), Some(Known::Reporting));
    assert!(ledger.size() <= 4, "{}", ledger.size());
}

#[test]
fn a_snapshot_adds_up_to_the_same() {
    let ids = ["wait", "cancel", "radio", "sent", "both", "late", "again", "gone", "never"];
    let mut before = ledger(
        99,
        vec![
            Record::Taken(sms("cancel", 1)),
            Record::Taken(sms("wait", 1)),
            Record::Taken(sms("radio", 3)),
            Record::Started("radio".into()),
            reported("01", "sent", ReportState::Sent, 1),
            reported("02", "both", ReportState::Sent, 1),
            reported("03", "both", ReportState::Delivered, 1),
            reported("04", "late", ReportState::Sent, 1),
            reported("05", "late", ReportState::Delivered, 1),
            // `delivered` is stored, `sent` is still open: the snapshot must not go back to `sent`.
            Record::Receipt(vec!["05".into()]),
            Record::Taken(sms("again", 1)),
            reported("06", "again", ReportState::Failed, 1),
            Record::Receipt(vec!["06".into()]),
            Record::Taken(sms("again", 2)),
            reported("07", "gone", ReportState::Failed, 4),
            Record::Receipt(vec!["07".into(), "unheard of".into()]),
            reported("08", "cancel", ReportState::Failed, FOREVER),
        ],
    );
    let mut after = ledger(99, before.snapshot());
    assert_eq!(view(&mut after, &ids), view(&mut before, &ids));
    assert_eq!(after.known("late"), Some(Known::Reporting));
    let mut twice = ledger(99, after.snapshot());
    assert_eq!(view(&mut twice, &ids), view(&mut before, &ids));
}

#[test]
fn a_line_of_a_message_taken_is_a_fact_whatever_its_reports() {
    // So wrote an older version, which did not wait for the receipt.
    let mut before = ledger(
        9,
        vec![
            Record::Taken(sms("a", 1)),
            Record::Started("a".into()),
            reported("01", "a", ReportState::Failed, 1),
            Record::Taken(sms("a", 2)),
            Record::Started("a".into()),
            Record::Taken(sms("b", 1)),
            reported("02", "b", ReportState::Failed, 1),
            Record::Taken(sms("b", 2)),
        ],
    );
    assert_eq!((before.started(), before.waiting()), (vec!["a".to_owned()], vec!["b".to_owned()]));
    let ids = ["a", "b"];
    let mut after = ledger(9, before.snapshot());
    assert_eq!(view(&mut after, &ids), view(&mut before, &ids));
    assert_eq!((after.open_of("a"), after.open_of("b")), (vec!["01".to_owned()], vec!["02".to_owned()]));
    // The receipt of the first failure is not that of the second.
    after.apply(reported("03", "a", ReportState::Failed, 2));
    after.apply(Record::Receipt(vec!["01".into()]));
    assert_eq!(after.judge(&sms("a", 3)), Verdict::Repeat);
    after.apply(Record::Receipt(vec!["03".into()]));
    assert_eq!(after.judge(&sms("a", 3)), Verdict::Take);
}

#[test]
fn a_report_of_an_older_version_is_told_its_attempt() {
    for (attempt, told) in [(0, None), (2, Some(2)), (FOREVER, None)] {
        let ledger = ledger(9, vec![reported("r", "a", ReportState::Failed, attempt)]);
        let named: Vec<_> = ledger
            .open()
            .filter_map(|(_, up)| if let Up::Report(report) = up { Some(report.attempt) } else { None })
            .collect();
        assert_eq!(named, [told]);
    }
}
