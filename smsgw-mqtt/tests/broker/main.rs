//! The embedded broker over real sockets, with clients that know nothing of it.

#[cfg(feature = "tls")]
#[path = "../mosquitto/certificates.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod certificates;
mod client;
mod events;
mod ground;
mod life;
mod login;
mod logs;
mod publish;
mod sessions;
mod subscribe;
#[cfg(feature = "tls")]
mod tls;
