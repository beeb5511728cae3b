#![cfg_attr(feature = "sqlite", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "sqlite"),
    doc = "Stores of the smsgw SMS gateway, a feature each; none is on by itself."
)]

#[cfg(feature = "amqp")]
pub mod amqp;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod bad_ends;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod erased;
#[cfg(any(feature = "amqp", feature = "redis"))]
mod handover;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod heard;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod known;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod looks;
#[cfg(any(feature = "amqp", feature = "redis"))]
mod packed;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod schema;
#[cfg(feature = "sqlite")]
pub mod sqlite;
