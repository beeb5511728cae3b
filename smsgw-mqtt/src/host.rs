//! How hosts are written.

/// An IPv6 address without the brackets that keep it from a port in an address; other hosts as they are. So rumqttc and
/// certificates want it.
pub(crate) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn only_brackets_go() {
        for (written, expected) in [
            ("[::1]", "::1"),
            ("::1", "::1"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[", "["),
        ] {
            assert_eq!(bare(written), expected);
        }
    }
}
