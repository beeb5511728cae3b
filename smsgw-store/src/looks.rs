//! When a message is to be looked at, as the tables of both SQL stores have it.

use smsgw_core::state::State;
use smsgw_core::time::Timestamp;

/// The columns `check_at` and `requeue_at` of a message that the rules want looked at at `check_at`.
///
/// A queued message may wait long for its turn, and thousands with it. As long as their queue has not run dry they
/// need looking at only at the end of their lives, and must not stand in the way of those that are due.
pub(crate) fn looks(
    state: State,
    check_at: Option<Timestamp>,
    expires_at: Timestamp,
) -> (Option<Timestamp>, Option<Timestamp>) {
    if state == State::Queued { (Some(expires_at), check_at) } else { (check_at, None) }
}
