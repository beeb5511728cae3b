//! A queue of one's own: accounts take turns, so that one that submits a million messages does not hold up the rest.
//!
//! A [`Queue`] carries ids and may forget them, since the store is the truth; so a page of plain Rust is enough.
//! What the trait asks is in its documentation, and `smsgw_core::conformance` checks it: `tests/custom_queue.rs` runs
//! the whole suite on this file.
//!
//! ```text
//! cargo run --example custom_queue
//! ```
#![allow(clippy::print_stdout, reason = "a program speaks to its user")]

use std::error::Error;
use std::time::Duration;

use smsgw::gateway::{Gateway, NewDevice};
use smsgw::memory::{MemoryStore, MemoryTransport};
use smsgw::message::{Body, NewMessage};
use smsgw::transport::Command;

#[path = "custom_queue/turns.rs"]
mod turns;

use turns::TurnsQueue;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let transport = MemoryTransport::new();
    // One message at a time, so that the order in which they leave is the order of the queue.
    let gateway =
        Gateway::builder(MemoryStore::new(), TurnsQueue::new(Duration::from_secs(30)), transport.clone())
            .batch(1)
            .batches_in_flight(1)
            .build();
    let running = gateway.start().await?;
    let handle = running.handle();

    let mut phones = Vec::new();
    for (name, messages) in [("busy", 6), ("quiet", 2)] {
        let account = handle.ensure_account(name).await?.id;
        let new = NewDevice::new(name);
        let device = handle.create_device(account, new).await?;
        phones.push(transport.connect(device.id).await);
        let batch = (1..=messages)
            .map(|n| Ok(NewMessage::new(account, "+5351234567".parse()?, Body::new(format!("{name} {n}"))?)))
            .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        handle.submit(batch).await?;
    }
    for (phone, messages) in phones.iter_mut().zip([6, 2]) {
        for _ in 0..messages {
            if let Some(Command::Send { message, .. }) = phone.command().await {
                println!("sent: {}", message.body.expose());
            }
        }
    }
    running.drain(Duration::from_secs(5)).await?;
    Ok(())
}
