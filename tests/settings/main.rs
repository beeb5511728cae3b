//! The settings of the gateway and its subcommands, over the real program: where a value comes from, what is refused and
//! how, what `certs`, `token` and `check` do, and the scripts of `deploy/`.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod certs;
mod check;
mod deploy;
mod https;
mod owner;
mod place;
mod refused;
mod results;
mod secret;
mod sources;
mod tls;
mod token;
