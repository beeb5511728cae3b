use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};

use crate::Missing;

/// Below the range from which the kernel takes the ports of outgoing connections: a port of that range can be taken
/// while its server is down, by a client that tries to connect to it.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A port of 127.0.0.1 that is ours until the value is dropped, whether or not somebody listens on it.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    /// Locked: no other test process takes the number meanwhile.
    _lock: File,
}

impl Port {
    pub(crate) fn free() -> Result<Self, Missing> {
        let user = rustix::process::getuid().as_raw();
        let directory = std::env::temp_dir().join(format!("smsgw-ports-{user}"));
        fs::create_dir_all(&directory)
            .map_err(|error| Missing(format!("cannot make {}: {error}", directory.display())))?;
        for _ in 0..1_000 {
            let number = fastrand::u16(RANGE);
            let Ok(lock) = File::create(directory.join(number.to_string())) else { continue };
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _lock: lock });
            }
        }
        Err(Missing(format!("no free port in {RANGE:?}")))
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}
