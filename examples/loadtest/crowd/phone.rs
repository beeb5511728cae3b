//! A native device that only stands there: it connects, says who it is, and acknowledges what it is given.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Result;
use crate::mqtt::{self, Packet};

pub(crate) struct Phone {
    stream: TcpStream,
    received: Vec<u8>,
    out: Vec<u8>,
}

impl Phone {
    /// Connects, and comes back when the broker has its presence and its hello.
    pub(crate) async fn connect(port: u16, id: &str) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let mut phone = Self { stream, received: Vec::new(), out: Vec::new() };
        let presence = format!("smsgw/v1/{id}/presence");
        let will = Some((presence.as_str(), &br#"{"online":false}"#[..]));
        mqtt::connect(&mut phone.out, id, id, "not asked for", 0, will);
        mqtt::subscribe(&mut phone.out, 1, &format!("smsgw/v1/{id}/down"));
        mqtt::publish(&mut phone.out, 2, &presence, true, br#"{"online":true}"#);
        let hello = br#"{"type":"hello","agent":"loadtest","protocol":1,"sims":[{"slot":1}]}"#;
        mqtt::publish(&mut phone.out, 3, &format!("smsgw/v1/{id}/up"), false, hello);
        let mut taken = 0;
        while taken < 2 {
            taken += phone.turn().await?;
        }
        Ok(phone)
    }

    /// Stays until the connection ends, which is an error.
    pub(crate) async fn stay(mut self) -> Result<()> {
        loop {
            self.turn().await?;
        }
    }

    /// Writes what is to be said, and reads. How much of what was published is acknowledged.
    async fn turn(&mut self) -> Result<usize> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        if self.stream.read_buf(&mut self.received).await? == 0 {
            return Err("the broker ends the connection".into());
        }
        let (mut read, mut taken) = (0, 0);
        while let Some((packet, length)) = mqtt::next(&self.received[read..]) {
            read += length;
            match packet {
                Packet::ConnAck { reason } | Packet::SubAck { reason } | Packet::PubAck { reason, .. }
                    if reason >= 0x80 =>
                {
                    return Err(format!("the broker refuses: {reason:#x}").into());
                }
                Packet::PubAck { .. } => taken += 1,
                Packet::Publish { packet_id: Some(id), .. } => mqtt::puback(&mut self.out, id),
                Packet::Disconnect { reason } => {
                    return Err(format!("the broker says goodbye: {reason:#x}").into());
                }
                Packet::Malformed => return Err("the broker does not speak MQTT".into()),
                Packet::ConnAck { .. }
                | Packet::SubAck { .. }
                | Packet::Publish { packet_id: None, .. }
                | Packet::Other => {}
            }
        }
        self.received.drain(..read);
        Ok(taken)
    }
}
