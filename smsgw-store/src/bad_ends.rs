//! The states of messages that have come to a bad end. They are few among many and much asked for, so both SQL stores have
//! an index of them alone.

use smsgw_core::state::State;

/// As a list in SQL. PostgreSQL has it in its schema, as a generated column.
#[cfg(feature = "sqlite")]
macro_rules! bad_ends {
    () => {
        "('undelivered', 'failed', 'expired', 'canceled', 'unknown')"
    };
}
#[cfg(feature = "sqlite")]
pub(crate) use bad_ends;

/// Whether it is one of them.
pub(crate) fn is_bad_end(state: State) -> bool {
    state.is_terminal() && state != State::Delivered
}

#[cfg(feature = "sqlite")]
#[test]
fn sql_has_the_same_list() {
    let listed: Vec<String> =
        State::ALL.into_iter().filter(|state| is_bad_end(*state)).map(|state| format!("'{state}'")).collect();
    assert_eq!(bad_ends!(), format!("({})", listed.join(", ")));
}
