//! The messages that this store has written last, as they are then: whoever changes one of them next need not read it first.
//!
//! Each change is written only where the row is still the version that was decided about, so one that somebody else has
//! changed meanwhile is found out then, and read. What is decided without a write is decided on what was read just now.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use smsgw_core::id::MessageId;
use smsgw_core::state::State;

use super::rows::Held;

/// Messages of a generation; two are kept. Those on their way within a second or two at full speed.
const GENERATION: usize = 8_192;

#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<MessageId, Held>,
    old: HashMap<MessageId, Held>,
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out those of `ids` that are known: what becomes of them is remembered again when it is written.
    pub(super) fn take<'i>(&self, ids: impl IntoIterator<Item = &'i MessageId>) -> HashMap<MessageId, Held> {
        let mut generations = self.lock();
        let Generations { young, old } = &mut *generations;
        ids.into_iter().filter_map(|id| Some((*id, young.remove(id).or_else(|| old.remove(id))?))).collect()
    }

    /// Remembers messages that were written, where more is to become of them.
    pub(super) fn remember(&self, written: impl IntoIterator<Item = Held>) {
        let is_over = |held: &Held| held.head.state.is_terminal() || held.head.state == State::Sent;
        let mut generations = self.lock();
        for held in written.into_iter().filter(|held| !is_over(held)) {
            if generations.young.len() >= GENERATION {
                generations.old = mem::take(&mut generations.young);
            }
            generations.young.insert(held.id, held);
        }
    }
}
