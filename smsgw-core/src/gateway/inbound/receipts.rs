//! Tells devices what of theirs is stored. The first receipt goes at once; what is stored soon after it goes in one.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::gateway::Shared;
use crate::id::{DeviceId, ReportId};
use crate::transport::{Address, Command, Downlink};

/// The time between two receipts for one device. A device repeats what it has no receipt for after many seconds only.
const APART: Duration = Duration::from_millis(200);

/// What is stored and not yet receipted. It holds what devices have said within [`APART`], no more.
#[derive(Default)]
pub(super) struct Receipts {
    /// Of each device that had a receipt within [`APART`], what was stored since then.
    stored: HashMap<DeviceId, Vec<ReportId>>,
    /// When each of these may have the next, the earliest first.
    turns: VecDeque<(Instant, DeviceId)>,
    /// Devices that had none.
    now: Vec<(DeviceId, ReportId)>,
}

impl Receipts {
    pub(super) fn add(&mut self, stored: Vec<(DeviceId, ReportId)>) {
        for (device, report) in stored {
            match self.stored.get_mut(&device) {
                Some(reports) => reports.push(report),
                None => self.now.push((device, report)),
            }
        }
    }

    /// The receipts whose time has come, one a device; `all` of them where nobody waits any more.
    pub(super) fn take_due(&mut self, now: Instant, all: bool) -> Vec<Downlink> {
        let mut due = Vec::new();
        while let Some((_, device)) = self.turns.pop_front_if(|(at, _)| all || *at <= now) {
            let reports = self.stored.remove(&device).unwrap_or_default();
            self.now.extend(reports.into_iter().map(|report| (device, report)));
        }
        self.now.sort_by_key(|(device, _)| *device);
        for reports in self.now.chunk_by(|a, b| a.0 == b.0) {
            let device = reports[0].0;
            let ids = reports.iter().map(|(_, report)| *report).collect();
            due.push(Downlink { address: Address::Native(device), command: Command::Receipt(ids) });
            self.stored.insert(device, Vec::new());
            self.turns.push_back((now + APART, device));
        }
        self.now.clear();
        due
    }

    /// Ends when the next is due, or all are; never where none is.
    pub(super) async fn due(&self, shared: &Shared) {
        let Some((at, _)) = self.turns.front() else { return std::future::pending().await };
        if !shared.stop.is_cancelled() {
            let wait = tokio::time::sleep_until(*at);
            tokio::select! {
                () = wait => {}
                () = shared.stop.cancelled() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn device(n: u128) -> DeviceId {
        Uuid::from_u128(n).into()
    }

    fn report(n: u128) -> ReportId {
        Uuid::from_u128(n).into()
    }

    fn ids(due: &[Downlink]) -> Vec<(Address, Vec<ReportId>)> {
        let ids = |downlink: &Downlink| match &downlink.command {
            Command::Receipt(ids) => (downlink.address.clone(), ids.clone()),
            _ => panic!("a receipt"),
        };
        due.iter().map(ids).collect()
    }

    #[test]
    fn the_first_goes_at_once_and_the_next_together() {
        let (mut receipts, start) = (Receipts::default(), Instant::now());
        receipts.add(vec![(device(1), report(1)), (device(2), report(2)), (device(1), report(3))]);
        let first = ids(&receipts.take_due(start, false));
        assert_eq!(first[0], (Address::Native(device(1)), vec![report(1), report(3)]));
        assert_eq!(first[1], (Address::Native(device(2)), vec![report(2)]));
        receipts.add(vec![(device(1), report(4))]);
        receipts.add(vec![(device(1), report(5)), (device(3), report(6))]);
        let other = ids(&receipts.take_due(start + APART / 2, false));
        assert_eq!(other, [(Address::Native(device(3)), vec![report(6)])]);
        let later = ids(&receipts.take_due(start + APART, false));
        assert_eq!(later, [(Address::Native(device(1)), vec![report(4), report(5)])]);
        receipts.add(vec![(device(2), report(7))]);
        let alone = ids(&receipts.take_due(start + APART, false));
        assert_eq!(alone, [(Address::Native(device(2)), vec![report(7)])], "it had none for long enough");
    }

    #[test]
    fn nothing_is_kept_of_devices_that_say_nothing_more() {
        let (mut receipts, start) = (Receipts::default(), Instant::now());
        receipts.add(vec![(device(1), report(1))]);
        assert_eq!(receipts.take_due(start, false).len(), 1);
        assert!(receipts.take_due(start + APART, false).is_empty());
        assert!(receipts.stored.is_empty() && receipts.turns.is_empty());
    }

    #[test]
    fn at_the_end_nobody_waits() {
        let (mut receipts, start) = (Receipts::default(), Instant::now());
        receipts.add(vec![(device(1), report(1))]);
        assert_eq!(receipts.take_due(start, false).len(), 1);
        receipts.add(vec![(device(1), report(2))]);
        assert_eq!(receipts.take_due(start, true).len(), 1);
    }
}
