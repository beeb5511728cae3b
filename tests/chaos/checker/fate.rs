//! What became of each message: lost, sent twice, stuck, in the wrong hands.

use std::collections::{HashMap, HashSet};

use super::{Rules, Verdict};
use crate::logs::{Answer, Event, Logs, Row};

type Histories<'a> = HashMap<&'a str, Vec<&'a Event>>;

pub(super) fn check(logs: &Logs, rules: Rules, histories: &Histories<'_>, verdict: &mut Verdict) {
    let rows: HashMap<&str, &Row> = logs.rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let mut on_air: HashMap<&str, usize> = HashMap::new();
    for aired in &logs.aired {
        *on_air.entry(&aired.id).or_default() += 1;
    }
    let accepted = answers(logs, verdict);
    for id in &accepted {
        match rows.get(id.as_str()) {
            None => verdict.lost.push(format!("{id} was accepted and is not in the database")),
            Some(row) => judge(row, on_air.contains_key(id.as_str()), rules, verdict),
        }
    }
    twice(logs, &on_air, verdict);
    owners(logs, &rows, histories, verdict);
}

/// What clients were told: the ids of all that was accepted, once each.
fn answers(logs: &Logs, verdict: &mut Verdict) -> Vec<String> {
    let mut ids: HashMap<(&str, &str), Option<&str>> = HashMap::new();
    for asked in &logs.asked {
        let known = ids.entry((&asked.account, &asked.key)).or_default();
        match &asked.answer {
            Answer::Accepted(id) => match known {
                Some(first) if *first != id => {
                    verdict.doubled.push(format!("{} was answered {first}, then {id}", asked.key));
                }
                _ => *known = Some(id),
            },
            Answer::Refused(_) => verdict.refused += 1,
            Answer::Unreached => verdict.unreached += 1,
            Answer::Broken => verdict.broken += 1,
        }
    }
    let unanswered = ids.iter().filter(|(_, id)| id.is_none());
    verdict.stuck.extend(unanswered.map(|((_, key), _)| format!("the request {key} was never accepted")));
    let ids: HashSet<&str> = ids.into_values().flatten().collect();
    verdict.accepted = ids.len();
    ids.into_iter().map(str::to_owned).collect()
}

/// An accepted message, by its last state. All phones of a run report deliveries.
fn judge(row: &Row, was_aired: bool, rules: Rules, verdict: &mut Verdict) {
    let Row { id, state, .. } = row;
    match state.as_str() {
        "delivered" if was_aired => {}
        "delivered" => verdict.lost.push(format!("{id} is {state} and no radio sent it")),
        "unknown" if rules.phones_die => verdict.unknown += 1,
        "failed" | "expired" | "undelivered" | "canceled" | "unknown" => {
            verdict.lost.push(format!("{id} ended as {state}"));
        }
        _ => verdict.stuck.push(format!("{id} is still {state}")),
    }
}

/// By id, and by text: two ids with one text reach the same person twice.
fn twice(logs: &Logs, on_air: &HashMap<&str, usize>, verdict: &mut Verdict) {
    let again = on_air.iter().filter(|(_, times)| **times > 1);
    verdict.duplicates.extend(again.map(|(id, times)| format!("{id} went over the air {times} times")));
    let mut texts: HashMap<&str, &str> = HashMap::new();
    for aired in &logs.aired {
        let first = texts.entry(&aired.body).or_insert(&aired.id);
        if *first != aired.id {
            verdict.duplicates.push(format!("{first} and {} went over the air with one text", aired.id));
        }
    }
    let mut requests: HashMap<(&str, &str), &str> = HashMap::new();
    for row in &logs.rows {
        if let Some(first) = requests.insert((&row.account, &row.body), &row.id) {
            verdict.doubled.push(format!("{first} and {} are of one request", row.id));
        }
    }
}

/// Whose messages they are, and which devices had them.
fn owners(logs: &Logs, rows: &HashMap<&str, &Row>, histories: &Histories<'_>, verdict: &mut Verdict) {
    let senders: HashMap<&str, &str> =
        logs.asked.iter().map(|a| (a.body.as_str(), a.account.as_str())).collect();
    for row in &logs.rows {
        if senders.get(row.body.as_str()) != Some(&row.account.as_str()) {
            verdict.foreign.push(format!("{} belongs to {}, who did not send it", row.id, row.account));
        }
    }
    let accounts: HashMap<&str, &str> = logs.devices.iter().map(|(d, a)| (d.as_str(), a.as_str())).collect();
    for aired in &logs.aired {
        let (id, device) = (aired.id.as_str(), aired.device.as_str());
        let Some(row) = rows.get(id) else {
            verdict.foreign.push(format!("{device} sent {id}, which is not in the database"));
            continue;
        };
        if row.body != aired.body {
            verdict.foreign.push(format!("{device} sent {id} with another text"));
        }
        if accounts.get(device) != Some(&row.account.as_str()) {
            verdict.foreign.push(format!("{device} sent {id}, of another account"));
        }
        let given =
            histories.get(id).into_iter().flatten().any(|event| event.device.as_deref() == Some(device));
        if !given && row.device.as_deref() != Some(device) {
            verdict.foreign.push(format!("{device} sent {id}, which it was not given"));
        }
    }
}
