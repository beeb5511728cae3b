//! The embedded broker over real sockets, with clients that know nothing of it.

mod client;
mod events;
mod ground;
mod life;
mod login;
mod logs;
mod publish;
mod sessions;
mod subscribe;
