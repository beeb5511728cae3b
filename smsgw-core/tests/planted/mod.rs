//! Backends with a bug each.

mod queue;
mod store;
mod transport;

pub(crate) use queue::Leaky;
pub(crate) use store::Unfenced;
pub(crate) use transport::Shuffled;
