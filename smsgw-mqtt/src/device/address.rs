//! The broker's address as people write it.

use std::net::Ipv6Addr;

use super::error::DeviceError;
use crate::host::bare;

/// MQTT's registered ports (IANA): for plain TCP, and with TLS.
const PORTS: [u16; 2] = [1883, 8883];

/// A host, without brackets where it is an IPv6 address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_tls: bool,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, DeviceError> {
        let wrong = |why| Err(DeviceError::Address(why));
        let (is_tls, rest) = match url.split_once("://") {
            Some(("mqtt" | "tcp", rest)) => (false, rest),
            Some(("mqtts" | "ssl", rest)) => (true, rest),
            Some(_) => return wrong("the scheme is neither mqtt nor mqtts"),
            None => return wrong("it has no scheme"),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return wrong("the id and the key are given apart from it");
        }
        if rest.contains(['/', '?', '#']) || rest.contains(char::is_whitespace) {
            return wrong("something follows the port");
        }
        let (host, port) = match rest.rsplit_once(':') {
            // A colon inside brackets belongs to an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        if host.is_empty() {
            return wrong("it has no host");
        }
        let is_bracketed = bare(host) != host;
        let host = bare(host);
        // A zone may follow the address.
        let address = host.split_once('%').map_or(host, |(address, _)| address);
        if is_bracketed && address.parse::<Ipv6Addr>().is_err() {
            return wrong("what is in brackets is no IPv6 address");
        }
        if !is_bracketed && host.contains([':', '[', ']']) {
            return wrong("an IPv6 address goes into brackets");
        }
        let port = match port.map(str::parse) {
            None => PORTS[usize::from(is_tls)],
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return wrong("the port is not a number from 1 to 65535"),
        };
        Ok(Self { host: host.to_owned(), port, is_tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        for (url, host, port, is_tls) in [
            ("mqtt://localhost", "localhost", 1883, false),
            ("mqtt://127.0.0.1:2883/", "127.0.0.1", 2883, false),
            ("tcp://broker.example:1", "broker.example", 1, false),
            ("mqtt://[::1]", "::1", 1883, false),
            ("mqtt://[::1]:65535", "::1", 65535, false),
            ("mqtt://[fe80::1%eth0]/", "fe80::1%eth0", 1883, false),
            ("mqtts://[2001:db8::1]", "2001:db8::1", 8883, true),
            ("mqtts://localhost", "localhost", 8883, true),
            ("ssl://localhost:1", "localhost", 1, true),
        ] {
            let address = Address::parse(url).ok();
            assert_eq!(address, Some(Address { host: host.to_owned(), port, is_tls }), "{url}");
        }
    }

    #[test]
    fn the_rest_is_refused() {
        for url in [
            "",
            "localhost",
            "localhost:1883",
            "http://x",
            "mqtts://",
            "mqtt://",
            "mqtt://:1883",
            "mqtt://x:0",
            "mqtt://x:65536",
            "mqtt://x:port",
            "mqtt://u:p@x",
            "mqtt://x/y",
            "mqtt://::1",
            "mqtt://[localhost]",
            "mqtt://[::1",
            "mqtt://[]:1883",
            "mqtt://a b",
        ] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }
}
