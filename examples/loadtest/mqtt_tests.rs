//! Byte for byte against the standard, and what is written is read again.

use super::*;

#[test]
fn a_connect_is_as_the_standard_has_it() {
    let mut out = Vec::new();
    connect(&mut out, "d", "u", "p", 60, Some(("t", b"w")));
    let expected = b"\x10\x23\0\x04MQTT\x05\xEC\0\x3C\x08\x11\0\x09\x3A\x80\x21\0\x40\0\x01d\0\0\x01t\0\x01w\0\x01u\0\x01p";
    assert_eq!(out, expected);
    out.clear();
    connect(&mut out, "d", "u", "p", 0, None);
    assert_eq!(out, b"\x10\x1C\0\x04MQTT\x05\xC0\0\0\x08\x11\0\x09\x3A\x80\x21\0\x40\0\x01d\0\x01u\0\x01p");
}

#[test]
fn the_rest_is_as_the_standard_has_it() {
    let mut out = Vec::new();
    subscribe(&mut out, 7, "a/b");
    assert_eq!(out, b"\x82\x09\0\x07\0\0\x03a/b\x01");
    out.clear();
    puback(&mut out, 258);
    assert_eq!(out, b"\x40\x02\x01\x02");
}

#[test]
fn what_is_published_is_read_again_however_long_it_is() {
    for length in [0, 1, 120, 121, 122, 16_376, 16_377, 16_378, 2_097_200] {
        let payload = vec![b'x'; length];
        let mut out = Vec::new();
        publish(&mut out, 9, "a", length == 1, &payload);
        let whole = out.len();
        assert_eq!(next(&out[..whole - 1]), None, "{length}");
        out.push(PUBACK);
        let packet = Packet::Publish { topic: b"a", packet_id: Some(9), payload: &payload };
        assert_eq!(next(&out), Some((packet, whole)), "{length}");
    }
}

#[test]
fn what_a_broker_says_is_read() {
    for (bytes, packet) in [
        (&b"\x20\x03\0\x86\0"[..], Packet::ConnAck { reason: 0x86 }),
        (b"\x20\x06\x01\0\x03\x21\0\x14", Packet::ConnAck { reason: 0 }),
        (b"\x90\x04\0\x01\0\x01", Packet::SubAck { reason: 1 }),
        (b"\x90\x08\0\x01\x04\x1F\0\x01x\x87", Packet::SubAck { reason: 0x87 }),
        (b"\x30\x06\0\x01t\0ok", Packet::Publish { topic: b"t", packet_id: None, payload: b"ok" }),
        (
            b"\x3B\x0A\0\x01t\x01\x02\x02\x01\0ok",
            Packet::Publish { topic: b"t", packet_id: Some(258), payload: b"ok" },
        ),
        (b"\x40\x02\0\x05", Packet::PubAck { packet_id: 5, reason: 0 }),
        (b"\x40\x03\0\x05\x10", Packet::PubAck { packet_id: 5, reason: 0x10 }),
        (b"\xE0\0", Packet::Disconnect { reason: 0 }),
        (b"\xE0\x02\x8E\0", Packet::Disconnect { reason: 0x8E }),
        (b"\xD0\0", Packet::Other),
    ] {
        assert_eq!(next(bytes), Some((packet, bytes.len())), "{bytes:x?}");
        for cut in 0..bytes.len() {
            assert_eq!(next(&bytes[..cut]), None, "{bytes:x?} up to {cut}");
        }
    }
}

#[test]
fn what_is_no_mqtt_is_malformed() {
    for bytes in [
        &b"\x30\xFF\xFF\xFF\xFF\x01"[..],
        b"\x30\x02\0\x05",
        b"\x32\x03\0\x01t",
        b"\x30\x04\0\x01t\x09",
        b"\x40\x01\0",
        b"\x20\x01\0",
        b"\x90\x03\0\x01\0",
    ] {
        assert_eq!(next(bytes), Some((Packet::Malformed, bytes.len())), "{bytes:x?}");
    }
}
