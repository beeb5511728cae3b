//! Backends that live in the memory of one process: the reference for those that do not, and all that tests,
//! examples and small gateways need.

mod queue;
mod store;
mod transport;

pub use queue::{MemoryQueue, MemoryQueueBuilder};
pub use store::MemoryStore;
pub use transport::{MemoryDevice, MemoryTransport};
