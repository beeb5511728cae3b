//! When devices were last heard of, as a batch tells it: the same in every SQL store.

use std::collections::HashMap;

use smsgw_core::device::Sim;
use smsgw_core::id::DeviceId;
use smsgw_core::time::Timestamp;

/// What a batch says of one device, taken together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) at: Timestamp,
    pub(crate) sims: Option<(Timestamp, Vec<Sim>)>,
}

/// What remains of `seen` when it is taken in order and nothing counts that is earlier than what came before it.
pub(crate) fn latest(seen: &[(DeviceId, Timestamp, Option<Vec<Sim>>)]) -> Vec<(DeviceId, Heard)> {
    let mut latest: HashMap<DeviceId, Heard> = HashMap::new();
    for (id, at, sims) in seen {
        let heard = latest.entry(*id).or_insert(Heard { at: *at, sims: None });
        if *at >= heard.at {
            heard.at = *at;
            heard.sims = sims.clone().map(|sims| (*at, sims)).or(heard.sims.take());
        }
    }
    latest.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_batch_says_the_latest_counts() {
        let id = DeviceId::from(uuid::Uuid::from_u128(1));
        let at = Timestamp::from_micros;
        let sims = |slot| Some(vec![Sim { slot, number: None, carrier: None }]);
        let seen = [(id, at(2), sims(1)), (id, at(1), sims(2)), (id, at(3), None)];
        let heard = Heard { at: at(3), sims: Some((at(2), sims(1).expect("one"))) };
        assert_eq!(latest(&seen), [(id, heard)]);
    }
}
