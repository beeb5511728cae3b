//! The gateway on the parts that its operators run: PostgreSQL, Redis or RabbitMQ, and Mosquitto with TLS, configured as
//! `deploy/` says and by the names of the Python gateway's settings. All of them are real and private to this test.

#[path = "../support/mod.rs"]
mod support;

mod deployment;
mod open_broker;
mod original_client;
mod original_settings;
mod two_gateways;
