#![cfg_attr(feature = "sqlite", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "sqlite"),
    doc = "Stores of the smsgw SMS gateway, a feature each; none is on by itself."
)]

#[cfg(feature = "sqlite")]
pub mod sqlite;
