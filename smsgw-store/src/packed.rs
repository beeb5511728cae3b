//! A job in as few bytes as it takes: what the queues keep.

use smsgw_core::message::Priority;
use smsgw_core::queue::Job;
use uuid::Uuid;

/// The bytes of one id.
const ID: usize = 16;

/// The ids of the message, the account and, where there is one, the device. The priority is told by where a job lies.
pub(crate) fn pack(job: &Job) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(3 * ID);
    bytes.extend_from_slice(job.id.as_uuid().as_bytes());
    bytes.extend_from_slice(job.account.as_uuid().as_bytes());
    if let Some(device) = job.device {
        bytes.extend_from_slice(device.as_uuid().as_bytes());
    }
    bytes
}

/// Reads what [`pack`] wrote; `None` where somebody else did.
pub(crate) fn unpack(bytes: &[u8], priority: Priority) -> Option<Job> {
    let (ids, rest) = bytes.as_chunks::<ID>();
    let id = |at: usize| ids.get(at).copied().map(Uuid::from_bytes);
    if !rest.is_empty() || ids.len() > 3 {
        return None;
    }
    Some(Job { id: id(0)?.into(), account: id(1)?.into(), priority, device: id(2).map(Into::into) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_and_nothing_else_does() {
        let id = |number: u128| Uuid::from_u128(number);
        for device in [None, Some(id(3).into())] {
            let job = Job { id: id(1).into(), account: id(2).into(), priority: Priority::High, device };
            assert_eq!(unpack(&pack(&job), Priority::High), Some(job));
        }
        for length in [0, 1, 16, 31, 33, 47, 49, 64] {
            assert_eq!(unpack(&vec![7; length], Priority::Normal), None, "{length}");
        }
    }
}
