#![doc = include_str!("../README.md")]

mod acts;
mod auth;
mod config;
#[cfg(feature = "dashboard")]
mod dashboard;
mod fields;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod json;
mod metrics;
mod page;
mod problem;
mod rates;
mod router;
mod routes;
mod running;
mod schema;
mod serve;
mod views;

pub use config::{ApiConfig, DashboardConfig};
pub use router::{openapi, router, router_with};
pub use serve::{ServeConfig, ServeTls, serve, serve_with};
