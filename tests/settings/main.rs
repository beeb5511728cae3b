//! The settings of the gateway and its subcommands, over the real program: where a value comes from, what is refused and
//! how, and what `certs`, `token` and `check` do.

#[path = "../support/mod.rs"]
mod support;

mod certs;
mod check;
mod place;
mod refused;
mod sources;
mod tls;
mod token;
