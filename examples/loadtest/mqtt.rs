//! MQTT 5 as a simulated device needs it: packets written into a buffer and read out of one, QoS 1, no allocation.

/// MQTT 5 Session Expiry Interval and Receive Maximum: what `smsgw::mqtt::device` asks for.
const SESSION_SECONDS: u32 = 7 * 24 * 3600;
const RECEIVE_MAXIMUM: u16 = 64;
/// Control packet types in the first byte, MQTT 5.0 section 2.1.2.
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const DISCONNECT: u8 = 0xE0;
/// The flags of [`PUBLISH`].
const QOS_1: u8 = 0x02;
const QOS: u8 = 0x06;

/// What a broker says. Properties are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    ConnAck {
        reason: u8,
    },
    SubAck {
        reason: u8,
    },
    Publish {
        topic: &'a [u8],
        /// There with QoS 1: it is to be acknowledged.
        packet_id: Option<u16>,
        payload: &'a [u8],
    },
    PubAck {
        packet_id: u16,
        reason: u8,
    },
    Disconnect {
        reason: u8,
    },
    /// Whole, and of no concern to a device.
    Other,
    /// No MQTT: the connection is of no more use.
    Malformed,
}

/// A CONNECT that keeps its session. `keep_alive` is in seconds, 0 for never; the will is retained, QoS 1.
pub(crate) fn connect(
    out: &mut Vec<u8>,
    client_id: &str,
    user: &str,
    password: &str,
    keep_alive: u16,
    will: Option<(&str, &[u8])>,
) {
    let properties = 5 + 3;
    let will_length = will.map_or(0, |(topic, payload)| 1 + 2 + topic.len() + 2 + payload.len());
    let strings = 2 + client_id.len() + 2 + user.len() + 2 + password.len();
    head(out, CONNECT, 10 + 1 + properties + will_length + strings);
    text(out, b"MQTT");
    // Protocol version 5; user name and password; with a will: there, QoS 1, retained.
    out.extend_from_slice(&[5, if will.is_some() { 0xC0 | 0x2C } else { 0xC0 }]);
    out.extend_from_slice(&keep_alive.to_be_bytes());
    out.extend_from_slice(&[properties as u8, 0x11]);
    out.extend_from_slice(&SESSION_SECONDS.to_be_bytes());
    out.push(0x21);
    out.extend_from_slice(&RECEIVE_MAXIMUM.to_be_bytes());
    text(out, client_id.as_bytes());
    if let Some((topic, payload)) = will {
        out.push(0);
        text(out, topic.as_bytes());
        text(out, payload);
    }
    text(out, user.as_bytes());
    text(out, password.as_bytes());
}

/// A SUBSCRIBE to one filter at QoS 1.
pub(crate) fn subscribe(out: &mut Vec<u8>, packet_id: u16, filter: &str) {
    head(out, SUBSCRIBE, 2 + 1 + 2 + filter.len() + 1);
    out.extend_from_slice(&packet_id.to_be_bytes());
    out.push(0);
    text(out, filter.as_bytes());
    out.push(1);
}

/// A PUBLISH at QoS 1.
pub(crate) fn publish(out: &mut Vec<u8>, packet_id: u16, topic: &str, retain: bool, payload: &[u8]) {
    head(out, PUBLISH | QOS_1 | u8::from(retain), 2 + topic.len() + 2 + 1 + payload.len());
    text(out, topic.as_bytes());
    out.extend_from_slice(&packet_id.to_be_bytes());
    out.push(0);
    out.extend_from_slice(payload);
}

/// A PUBACK: success.
pub(crate) fn puback(out: &mut Vec<u8>, packet_id: u16) {
    head(out, PUBACK, 2);
    out.extend_from_slice(&packet_id.to_be_bytes());
}

/// The first packet in `buffer` and its length; nothing while it is not all there.
pub(crate) fn next(buffer: &[u8]) -> Option<(Packet<'_>, usize)> {
    let first = *buffer.first()?;
    let mut length = buffer.get(1..)?;
    let remaining = match varint(&mut length) {
        Some(remaining) => remaining,
        None if length.len() < 4 => return None,
        None => return Some((Packet::Malformed, buffer.len())),
    };
    let body = length.get(..remaining)?;
    let consumed = buffer.len() - length.len() + remaining;
    Some((packet(first, body).unwrap_or(Packet::Malformed), consumed))
}

fn packet(first: u8, mut body: &[u8]) -> Option<Packet<'_>> {
    let body = &mut body;
    Some(match first & 0xF0 {
        PUBLISH => {
            let length = u16(body)?;
            let topic = bytes(body, length.into())?;
            let packet_id = if first & QOS == 0 { None } else { Some(u16(body)?) };
            skip_properties(body)?;
            Packet::Publish { topic, packet_id, payload: body }
        }
        PUBACK => Packet::PubAck { packet_id: u16(body)?, reason: body.first().copied().unwrap_or(0) },
        CONNACK => Packet::ConnAck { reason: *body.get(1)? },
        SUBACK => {
            u16(body)?;
            skip_properties(body)?;
            Packet::SubAck { reason: *body.first()? }
        }
        DISCONNECT => Packet::Disconnect { reason: body.first().copied().unwrap_or(0) },
        _ => Packet::Other,
    })
}

/// The fixed header. The lengths here are far below MQTT's 256 MiB.
fn head(out: &mut Vec<u8>, first: u8, mut remaining: usize) {
    out.push(first);
    while remaining >= 0x80 {
        out.push((remaining & 0x7F) as u8 | 0x80);
        remaining >>= 7;
    }
    out.push(remaining as u8);
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text);
}

/// A variable byte integer; leaves `from` where it was when there is none.
fn varint(from: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for (at, byte) in from.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            *from = &from[at + 1..];
            return Some(value);
        }
    }
    None
}

fn bytes<'a>(from: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(count)?;
    *from = rest;
    Some(taken)
}

fn u16(from: &mut &[u8]) -> Option<u16> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u16::from_be_bytes(*taken))
}

fn skip_properties(from: &mut &[u8]) -> Option<()> {
    let length = varint(from)?;
    bytes(from, length).map(|_| ())
}

#[cfg(test)]
#[path = "mqtt_tests.rs"]
mod tests;
