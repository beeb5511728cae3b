//! Layers: wrappers that implement the trait of what they wrap, so that they stack and any backend takes them.

mod fault;

pub use fault::{Fault, FaultPlan};
