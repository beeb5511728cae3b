//! The checker is shown bugs, one at a time, and must name each; and a clean run, of which it must say nothing.

use std::time::Duration;

use libtest_mimic::Trial;

use super::{RECLAIM_WITHIN, Rules, Verdict, check};
use crate::logs::{Aired, Answer, Asked, Event, Logs, Micros, Outage, Row, Sign};

const SECOND: Micros = 1_000_000;

fn event(message: &str, at: Micros, attempt: u32, state: &str) -> Event {
    let device = (state != "queued").then(|| "phone".to_owned());
    Event { message: message.into(), at: at * SECOND, device, attempt, applied: true, state: state.into() }
}

fn asked(at: Micros, key: &str, answer: Answer) -> Asked {
    Asked {
        at: at * SECOND,
        took: Duration::from_millis(20),
        account: "north".into(),
        key: key.into(),
        body: format!("text of {key}"),
        answer,
    }
}

/// Two messages. The first had no answer at once, and was in the hands of a gateway that died.
fn clean() -> Logs {
    let mut logs = Logs::default();
    logs.asked.push(asked(1, "one", Answer::Broken));
    logs.asked.push(asked(2, "one", Answer::Accepted("m1".into())));
    logs.asked.push(asked(40, "two", Answer::Accepted("m2".into())));
    for (id, key) in [("m1", "one"), ("m2", "two")] {
        logs.rows.push(Row {
            id: id.into(),
            account: "north".into(),
            device: Some("phone".into()),
            state: "delivered".into(),
            body: format!("text of {key}"),
        });
        logs.aired.push(Aired {
            at: 42 * SECOND,
            device: "phone".into(),
            id: id.into(),
            body: format!("text of {key}"),
        });
    }
    let first = [(1, 0, "queued"), (2, 1, "sending"), (33, 1, "queued"), (34, 2, "sending")];
    let steps = [(35, 2, "dispatched"), (43, 2, "acknowledged"), (43, 2, "sent"), (44, 2, "delivered")];
    logs.events
        .extend(first.iter().chain(&steps).map(|(at, attempt, state)| event("m1", *at, *attempt, state)));
    let second = [(40, 0, "queued"), (41, 1, "sending"), (43, 1, "sent"), (44, 1, "delivered")];
    logs.events.extend(second.iter().map(|(at, attempt, state)| event("m2", *at, *attempt, state)));
    logs.devices = vec![("phone".into(), "north".into()), ("other".into(), "south".into())];
    logs.deaths.push(3 * SECOND);
    logs.outages.push(Outage { what: "broker".into(), until: 38 * SECOND, sign: Sign::Aired });
    logs
}

type Plant = fn(&mut Logs);
type Found = fn(&Verdict) -> usize;

/// Each bug, and the list in which it must show.
const BUGS: [(&str, Plant, Found); 14] = [
    ("an_accepted_message_without_a_row", |logs| drop(logs.rows.remove(1)), |v| v.lost.len()),
    ("a_message_that_no_radio_sent", |logs| drop(logs.aired.remove(0)), |v| v.lost.len()),
    ("a_message_that_was_given_up", |logs| logs.rows[0].state = "failed".into(), |v| v.lost.len()),
    (
        "a_message_that_went_out_twice",
        |logs| {
            let again = logs.aired[0].clone();
            logs.aired.push(again);
        },
        |v| v.duplicates.len(),
    ),
    ("two_messages_with_one_text", |logs| logs.aired[1].body = "text of one".into(), |v| v.duplicates.len()),
    ("a_message_that_is_never_done", |logs| logs.rows[1].state = "dispatched".into(), |v| v.stuck.len()),
    (
        "a_request_without_an_answer",
        |logs| logs.asked.push(asked(45, "three", Answer::Broken)),
        |v| v.stuck.len(),
    ),
    (
        "a_state_that_went_back",
        |logs| logs.events.push(event("m1", 45, 2, "dispatched")),
        |v| v.backwards.len(),
    ),
    (
        "a_claim_of_what_another_holds",
        |logs| logs.events[2] = event("m1", 33, 2, "sending"),
        |v| v.backwards.len(),
    ),
    (
        "a_late_word_of_an_older_attempt",
        |logs| logs.events[4] = event("m1", 35, 1, "dispatched"),
        |v| v.backwards.len(),
    ),
    (
        "a_phone_that_was_not_given_the_message",
        |logs| {
            logs.devices.push(("second".into(), "north".into()));
            logs.aired[0].device = "second".into();
        },
        |v| v.foreign.len(),
    ),
    ("a_phone_of_another_account", |logs| logs.aired[0].device = "other".into(), |v| v.foreign.len()),
    (
        "one_key_and_two_ids",
        |logs| logs.asked.push(asked(3, "one", Answer::Accepted("m2".into()))),
        |v| v.doubled.len(),
    ),
    (
        "a_message_that_lay_too_long",
        |logs| {
            logs.events
                .iter_mut()
                .filter(|event| event.at >= 33 * SECOND)
                .for_each(|event| event.at += 6 * SECOND)
        },
        |v| v.late.len(),
    ),
];

const RULES: Rules = Rules { phones_die: false, reclaim_within: Some(RECLAIM_WITHIN) };

/// A test for each bug, and one of the clean run.
pub(crate) fn trials() -> Vec<Trial> {
    let flags = BUGS.into_iter().map(|(name, plant, found)| {
        Trial::test(format!("checker::flags::{name}"), move || {
            let mut logs = clean();
            plant(&mut logs);
            let verdict = check(&logs, RULES);
            if found(&verdict) == 0 { Err(format!("not flagged: {verdict:?}").into()) } else { Ok(()) }
        })
    });
    let passes = Trial::test("checker::passes_a_clean_run", || {
        let verdict = check(&clean(), RULES);
        let figures = (verdict.accepted, verdict.reclaim.longest(), verdict.recovery[0].1.longest());
        if !verdict.problems().is_empty() || figures != (2, Some(30.0), Some(4.0)) {
            return Err(format!("{verdict:?}").into());
        }
        Ok(())
    });
    let mercy = Trial::test("checker::a_phone_that_dies_need_not_know", || {
        let mut logs = clean();
        logs.rows[0].state = "unknown".into();
        let strict = check(&logs, RULES).lost.len();
        let mild = check(&logs, Rules { phones_die: true, ..RULES }).lost.len();
        if (strict, mild) == (1, 0) { Ok(()) } else { Err(format!("{strict}, {mild}").into()) }
    });
    flags.chain([passes, mercy]).collect()
}
