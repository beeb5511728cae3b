//! Two gateways in one process, without HTTP: each has its own store, broker and phone, and neither knows the other.
//!
//! ```text
//! cargo run --example embed
//! ```
#![allow(clippy::print_stdout, reason = "a program speaks to its user")]

use std::error::Error;
use std::time::Duration;

use smsgw::auth::Authenticator;
use smsgw::gateway::{Gateway, NewDevice, Running, Submitted};
use smsgw::id::AccountId;
use smsgw::memory::{MemoryQueue, MemoryStore};
use smsgw::message::{Body, NewMessage};
use smsgw::mqtt::broker::{Broker, BrokerConfig};
use smsgw::mqtt::device::{Device, Outcome, Radio, RadioError, Sms};
use smsgw::mqtt::transport::MqttTransport;
use smsgw::state::State;
use smsgw::time::SystemClock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A gateway with its broker and one phone.
struct Office {
    name: &'static str,
    running: Running,
    broker: Broker,
    account: AccountId,
    phone: JoinHandle<()>,
    switch_off: CancellationToken,
}

/// A radio that says whose it is.
struct Spoken(&'static str);

#[async_trait::async_trait]
impl Radio for Spoken {
    async fn transmit(&mut self, sms: &Sms) -> Result<Outcome, RadioError> {
        println!("the phone of {} sends: {}", self.0, sms.body);
        Ok(Outcome::DeliveredAfter(Duration::ZERO))
    }
}

impl Office {
    async fn open(name: &'static str) -> Result<Self, Box<dyn Error>> {
        let store = MemoryStore::new();
        let authenticator = Authenticator::new(store.clone(), SystemClock);
        let broker = Broker::start(BrokerConfig::new("127.0.0.1:0".parse()?), authenticator).await?;
        let gateway = Gateway::builder(store, MemoryQueue::new(), MqttTransport::embedded(&broker)).build();
        let running = gateway.start().await?;

        let handle = running.handle();
        let account = handle.ensure_account(name).await?.id;
        let new = NewDevice::new("phone");
        let device = handle.create_device(account, new).await?;
        let (key, _) = handle.create_key(account, device.id, None).await?.ok_or("the new device is gone")?;

        let url = format!("mqtt://{}", broker.local_addr());
        let phone = Device::builder(&url, device.id.to_string(), key.expose().to_owned()).build()?;
        let switch_off = CancellationToken::new();
        let off = switch_off.clone().cancelled_owned();
        let phone = tokio::spawn(async move {
            // Its journal is in memory, so there is no file that could fail.
            let _ = phone.run(Spoken(name), off).await;
        });
        Ok(Self { name, running, broker, account, phone, switch_off })
    }

    /// Sends one message and waits until it is delivered.
    async fn send(&self, text: &str) -> Result<(), Box<dyn Error>> {
        let handle = self.running.handle();
        let mut changes = handle.observe();
        let message = NewMessage::new(self.account, "+5351234567".parse()?, Body::new(text)?);
        let outcomes = handle.submit(vec![message]).await?;
        let [Submitted::Accepted(message)] = &outcomes[..] else { return Err("not accepted".into()) };
        while changes.recv().await?.to != State::Delivered {}
        println!("{}: {} is delivered", self.name, message.id);
        Ok(())
    }

    async fn close(self) -> Result<(), Box<dyn Error>> {
        self.switch_off.cancel();
        self.phone.await?;
        self.running.drain(Duration::from_secs(5)).await?;
        self.broker.close().await;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (north, south) = (Office::open("north").await?, Office::open("south").await?);
    north.send("hello from the north").await?;
    south.send("hello from the south").await?;
    // Each has its one message, and not the other's.
    for office in [&north, &south] {
        let handle = office.running.handle();
        let all = handle.messages(&smsgw::store::MessageQuery::new(office.account, 10)).await?;
        println!("{} has {} message", office.name, all.items.len());
    }
    north.close().await?;
    south.close().await
}
