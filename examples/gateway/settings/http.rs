//! Where and how applications reach the gateway.

use std::net::{Ipv4Addr, SocketAddr};

use smsgw::http::{ServeConfig, ServeTls};

use super::build::{self, Part};
use super::files;
use super::names::{
    ALLOW_INSECURE, HTTP_ADDR, HTTP_MAX_CONNECTIONS, HTTP_MAX_CONNECTIONS_PER_ADDRESS, HTTP_TLS_CERT,
    HTTP_TLS_KEY,
};
use super::reader::Reader;

pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
    pub(crate) serve: ServeConfig,
}

impl Http {
    /// What the address of the API starts with.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.serve.tls.is_some() { "https" } else { "http" }
    }
}

pub(super) fn read(reader: &mut Reader, allow_insecure: bool) -> Http {
    let listen = reader.address(HTTP_ADDR).unwrap_or((Ipv4Addr::LOCALHOST, 8000).into());
    let has_tls = reader.has(HTTP_TLS_CERT) || reader.has(HTTP_TLS_KEY);
    if !listen.ip().is_loopback() && !allow_insecure && !has_tls {
        let why = format!(
            "other machines would reach {listen} unencrypted; set {} to want that, HTTP_TLS_CERT and HTTP_TLS_KEY to \
             listen with TLS, or have a proxy with TLS in front of 127.0.0.1",
            ALLOW_INSECURE.with_flag()
        );
        reader.refuse(HTTP_ADDR, why);
    }
    let mut serve = ServeConfig::default();
    serve.max_connections = reader.read(HTTP_MAX_CONNECTIONS, count).unwrap_or(serve.max_connections);
    serve.max_connections_per_address =
        reader.read(HTTP_MAX_CONNECTIONS_PER_ADDRESS, count).unwrap_or(serve.max_connections_per_address);
    reader.pair(HTTP_TLS_CERT, HTTP_TLS_KEY);
    let cert = reader.read(HTTP_TLS_CERT, files::readable);
    let key = reader.read(HTTP_TLS_KEY, files::private);
    if let (Some(cert), Some(key)) = (cert, key) {
        serve = serve.with_tls(ServeTls::new(cert, key));
        match (build::has(Part::Tls), serve.check()) {
            (Err(why), _) => reader.refuse(HTTP_TLS_CERT, why),
            (Ok(()), Err(error)) => {
                reader.refuse(HTTP_TLS_CERT, error.detail().unwrap_or("the files for TLS cannot be used"));
            }
            _ => {}
        }
    }
    Http { listen, serve }
}

fn count(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("expected a whole number from 1")
}
