#![doc = include_str!("../README.md")]

mod auth;
mod fields;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod json;
mod page;
mod problem;
mod router;
mod routes;
mod schema;
mod serve;
mod views;

pub use router::{openapi, router};
pub use serve::serve;
