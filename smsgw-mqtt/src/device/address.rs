//! The broker's address as people write it.

use super::error::DeviceError;

/// MQTT's registered ports (IANA): for plain TCP, and with TLS.
const PORTS: [u16; 2] = [1883, 8883];

/// A host, with brackets where it is an IPv6 address, and a port.
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
        if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
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
            ("mqtt://[::1]", "[::1]", 1883, false),
            ("mqtt://[::1]:65535", "[::1]", 65535, false),
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
            "mqtt://a b",
        ] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }
}
