use redis::Value;
use smsgw_core::queue::{Leased, Receipt, Settlement};

use super::keys::LINES;
use crate::packed::unpack;

/// The bits of the parts of [`Receipt::entry`]: the entry's milliseconds, its number within them, how often it was
/// taken.
const SEQUENCE_BITS: u32 = 48;
const DELIVERY_BITS: u32 = 32;
const SEQUENCE_MASK: u128 = (1 << SEQUENCE_BITS) - 1;
const DELIVERY_MASK: u128 = (1 << DELIVERY_BITS) - 1;

/// A lease, as Redis knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    /// Which of [`LINES`].
    pub(super) line: usize,
    milliseconds: u64,
    sequence: u64,
    /// The count of deliveries: whoever takes the entry over raises it.
    pub(super) deliveries: u32,
}

impl Lease {
    fn new(line: usize, id: &[u8], deliveries: u32) -> Option<Self> {
        let (milliseconds, sequence) = std::str::from_utf8(id).ok()?.split_once('-')?;
        let lease = Self {
            line,
            milliseconds: milliseconds.parse().ok()?,
            sequence: sequence.parse().ok()?,
            deliveries,
        };
        // The rest must fit as well: a year of five digits, and more entries a millisecond than Redis can add.
        (u128::from(lease.sequence) <= SEQUENCE_MASK && lease.milliseconds >> 48 == 0).then_some(lease)
    }

    /// The lease that `receipt` names, if it is of the handle numbered `handle`.
    pub(super) fn of(receipt: Receipt, handle: u64) -> Option<Self> {
        let entry = receipt.entry;
        let part = |bits: u128| u64::try_from(bits).ok();
        (receipt.source >> 1 == handle).then_some(Self {
            line: usize::from(receipt.source & 1 == 1),
            milliseconds: part(entry >> (SEQUENCE_BITS + DELIVERY_BITS))?,
            sequence: part((entry >> DELIVERY_BITS) & SEQUENCE_MASK)?,
            deliveries: u32::try_from(entry & DELIVERY_MASK).ok()?,
        })
    }

    pub(super) fn receipt(self, handle: u64) -> Receipt {
        let entry = u128::from(self.milliseconds) << (SEQUENCE_BITS + DELIVERY_BITS)
            | u128::from(self.sequence) << DELIVERY_BITS
            | u128::from(self.deliveries);
        Receipt { source: handle << 1 | self.line as u64, entry }
    }

    pub(super) fn id(self) -> String {
        format!("{}-{}", self.milliseconds, self.sequence)
    }

    /// The digit for `settle.lua`.
    pub(super) fn digit(self, settlement: Settlement) -> char {
        match (self.line, settlement) {
            (0, Settlement::Done) => '0',
            (0, Settlement::Release) => '2',
            (_, Settlement::Done) => '1',
            (_, Settlement::Release) => '3',
        }
    }
}

/// What was taken: jobs to hand over, and entries that are none and must go.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) jobs: Vec<Leased>,
    pub(super) foreign: Vec<Receipt>,
}

impl Taken {
    fn add(&mut self, handle: u64, line: usize, id: &[u8], deliveries: u32, job: &[u8]) {
        let Some(lease) = Lease::new(line, id, deliveries) else { return };
        let receipt = lease.receipt(handle);
        match LINES.get(line).and_then(|priority| unpack(job, *priority)) {
            Some(job) => self.jobs.push(Leased { job, receipt }),
            None => self.foreign.push(receipt),
        }
    }

    /// Reads what `take.lua` answers.
    pub(super) fn from_script(handle: u64, reply: &Value) -> Self {
        let mut taken = Self::default();
        let Value::Array(values) = reply else { return taken };
        for entry in values.chunks_exact(4) {
            if let [Value::Int(line), Value::BulkString(id), Value::Int(deliveries), Value::BulkString(job)] =
                entry
                && let (Ok(line), Ok(deliveries)) = (usize::try_from(*line - 1), u32::try_from(*deliveries))
            {
                taken.add(handle, line, id, deliveries, job);
            }
        }
        taken
    }

    /// Reads what XREADGROUP answers: for each stream its name and entries, each an id and a list of fields.
    pub(super) fn from_read(handle: u64, keys: &[String; 2], reply: &Value) -> Self {
        let mut taken = Self::default();
        let Value::Array(streams) = reply else { return taken };
        for stream in streams {
            let Value::Array(stream) = stream else { continue };
            let [Value::BulkString(name), Value::Array(entries)] = &stream[..] else { continue };
            let Some(line) = keys.iter().position(|key| key.as_bytes() == name) else { continue };
            for entry in entries {
                if let Value::Array(entry) = entry
                    && let [Value::BulkString(id), Value::Array(fields)] = &entry[..]
                {
                    let job = match &fields[..] {
                        [_, Value::BulkString(job)] => job.as_slice(),
                        _ => &[],
                    };
                    taken.add(handle, line, id, 1, job);
                }
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_names_its_lease() {
        let handle = (1 << 63) - 1;
        for (line, id, deliveries) in [(0, "0-1", 1), (1, "281474976710655-281474976710655", u32::MAX)] {
            let lease = Lease::new(line, id.as_bytes(), deliveries).expect("an id");
            assert_eq!(lease.id(), id);
            assert_eq!(Lease::of(lease.receipt(handle), handle), Some(lease));
            assert_eq!(Lease::of(lease.receipt(handle), handle - 1), None);
        }
        for id in ["", "1", "1-", "-1", "x-1", "281474976710656-0", "0-281474976710656"] {
            assert_eq!(Lease::new(0, id.as_bytes(), 1), None, "{id}");
        }
    }
}
