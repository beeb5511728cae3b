//! When to say which report again: at once, after 1 s, doubling to 60 s, until its receipt comes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);

/// Orders by time, then by age: the counter is unique.
type Slot = (Instant, u64);

struct Letter {
    payload: Bytes,
    report_id: String,
    /// Set on an `acknowledged`, which whatever is reported next of the message implies.
    acknowledges: Option<String>,
    /// The age, which stays while the time moves on.
    order: u64,
    delay: Duration,
}

/// Reports that have no receipt yet.
#[derive(Default)]
pub(super) struct Outbox {
    letters: BTreeMap<Slot, Letter>,
    by_report: HashMap<String, Slot>,
    acknowledged: HashMap<String, String>,
    count: u64,
}

impl Outbox {
    /// Adds a report, to be said first at `due`.
    pub(super) fn post(&mut self, report_id: String, payload: Bytes, due: Instant) {
        self.insert(report_id, payload, due, None);
    }

    /// Adds the `acknowledged` of a message, unless one is on its way. It waits for `due`, so that a quick
    /// radio's next report can take its place.
    pub(super) fn post_acknowledged(&mut self, id: &str, report_id: String, payload: Bytes, due: Instant) {
        if self.acknowledged.contains_key(id) {
            return;
        }
        self.acknowledged.insert(id.to_owned(), report_id.clone());
        self.insert(report_id, payload, due, Some(id.to_owned()));
    }

    fn insert(&mut self, report_id: String, payload: Bytes, due: Instant, acknowledges: Option<String>) {
        self.count += 1;
        let slot = (due, self.count);
        self.by_report.insert(report_id.clone(), slot);
        self.letters
            .insert(slot, Letter { payload, report_id, acknowledges, order: self.count, delay: FIRST });
    }

    /// Drops the `acknowledged` of a message: something later is known of it.
    pub(super) fn supersede(&mut self, id: &str) {
        if let Some(report_id) = self.acknowledged.get(id).cloned() {
            self.receipt(&report_id);
        }
    }

    /// Drops a report that the gateway has stored. Unknown ids do nothing.
    pub(super) fn receipt(&mut self, report_id: &str) {
        if let Some(slot) = self.by_report.remove(report_id)
            && let Some(letter) = self.letters.remove(&slot)
            && let Some(id) = letter.acknowledges
        {
            self.acknowledged.remove(&id);
        }
    }

    /// Makes a report due now.
    pub(super) fn hurry(&mut self, report_id: &str, now: Instant) {
        if let Some(slot) = self.by_report.get_mut(report_id)
            && let Some(letter) = self.letters.remove(slot)
        {
            *slot = (now, letter.order);
            self.letters.insert(*slot, letter);
        }
    }

    /// The oldest report that is due, if any.
    pub(super) fn due(&self, now: Instant) -> Option<&Bytes> {
        self.letters.first_key_value().filter(|((due, _), _)| *due <= now).map(|(_, letter)| &letter.payload)
    }

    /// Notes that what [`due`](Self::due) gave is on its way.
    pub(super) fn said(&mut self, now: Instant) {
        if let Some((_, mut letter)) = self.letters.pop_first() {
            let slot = (now + letter.delay, letter.order);
            letter.delay = (letter.delay * 2).min(LAST);
            self.by_report.insert(letter.report_id.clone(), slot);
            self.letters.insert(slot, letter);
        }
    }

    /// When the next report is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.letters.first_key_value().map(|((due, _), _)| *due)
    }

    /// Makes every report due, oldest first: a new connection knows nothing of the old one's publishes.
    pub(super) fn rewind(&mut self, now: Instant) {
        let mut letters: Vec<Letter> = std::mem::take(&mut self.letters).into_values().collect();
        letters.sort_unstable_by_key(|letter| letter.order);
        for mut letter in letters {
            letter.delay = FIRST;
            let slot = (now, letter.order);
            self.by_report.insert(letter.report_id.clone(), slot);
            self.letters.insert(slot, letter);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(now: Instant, ids: &[&'static str]) -> Outbox {
        let mut outbox = Outbox::default();
        for id in ids {
            outbox.post((*id).to_owned(), Bytes::from_static(id.as_bytes()), now);
        }
        outbox
    }

    fn drain(outbox: &mut Outbox, now: Instant) -> Vec<Bytes> {
        let mut said = Vec::new();
        while let Some(payload) = outbox.due(now).cloned() {
            said.push(payload);
            outbox.said(now);
        }
        said
    }

    #[test]
    fn repeats_double_to_a_minute_and_end_with_the_receipt() {
        let mut now = Instant::now();
        let mut outbox = outbox(now, &["a"]);
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(drain(&mut outbox, now), ["a"]);
            assert_eq!(outbox.next(), Some(now + Duration::from_secs(wait)));
            now += Duration::from_secs(wait);
        }
        outbox.receipt("a");
        outbox.receipt("a");
        assert_eq!((outbox.len(), outbox.next()), (0, None));
    }

    #[test]
    fn a_new_connection_says_all_again_in_the_first_order() {
        let now = Instant::now();
        let mut outbox = outbox(now, &["a", "b", "c"]);
        outbox.said(now);
        assert_eq!(drain(&mut outbox, now), ["b", "c"]);
        outbox.rewind(now);
        assert_eq!(drain(&mut outbox, now), ["a", "b", "c"]);
    }

    #[test]
    fn a_quick_radio_makes_acknowledged_needless() {
        let now = Instant::now();
        let mut outbox = outbox(now, &[]);
        let later = now + Duration::from_millis(10);
        outbox.post_acknowledged("m", "r1".into(), Bytes::from_static(b"ack"), later);
        outbox.post_acknowledged("m", "r2".into(), Bytes::from_static(b"ack"), later);
        assert_eq!(outbox.len(), 1);
        assert_eq!(outbox.due(now), None);
        outbox.supersede("m");
        assert_eq!(outbox.len(), 0);
    }
}
