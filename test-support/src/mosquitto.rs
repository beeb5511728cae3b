use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::Missing;
use crate::missing::{find, sbin};
use crate::process::tied;
use crate::server::{Server, life};

/// A Mosquitto broker.
#[derive(Debug)]
pub struct Mosquitto {
    server: Server,
    program: PathBuf,
}

/// Where a broker is to be, for those who write its configuration.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Place<'a> {
    /// The port that it must listen on.
    pub port: u16,
    /// A directory of its own, for password files, certificates and the like.
    pub directory: &'a Path,
}

life!(Mosquitto);

impl Mosquitto {
    /// Starts one that lets everybody in, without TLS.
    ///
    /// # Errors
    /// Where it is not installed or does not start.
    pub fn start() -> Result<Self, Missing> {
        Self::start_with(|place| format!("listener {} 127.0.0.1\nallow_anonymous true\n", place.port))
    }

    /// Starts one with a configuration of the caller's, which must have a `listener` on the port of the place. Where it
    /// is not said otherwise, what it keeps is kept in its directory and written there every second.
    ///
    /// # Errors
    /// Where it is not installed or does not start.
    pub fn start_with(configuration: impl FnOnce(Place<'_>) -> String) -> Result<Self, Missing> {
        let program = find("mosquitto", &sbin(), "mosquitto")?;
        let server = Server::new("mosquitto", Signal::KILL, Signal::TERM)?;
        let directory = server.directory.path();
        let own = configuration(Place { port: server.port.number(), directory });
        let mut text = format!("pid_file {}\n", directory.join("pid").display());
        let defaults = [
            // As root it would become the user `mosquitto`, who may not enter the directory.
            ("user", "root".to_owned()),
            ("persistence", "true".to_owned()),
            ("persistence_location", format!("{}/", directory.display())),
            ("autosave_on_changes", "true".to_owned()),
            ("autosave_interval", "1".to_owned()),
            ("log_dest", "stdout".to_owned()),
        ];
        for (key, value) in defaults {
            if !own.lines().any(|line| line.split_whitespace().next() == Some(key)) {
                text.push_str(&format!("{key} {value}\n"));
            }
        }
        text.push_str(&own);
        fs::write(directory.join("mosquitto.conf"), text)
            .map_err(|error| Missing(format!("cannot configure mosquitto: {error}")))?;
        let mosquitto = Self { server, program };
        mosquitto.start_again()?;
        Ok(mosquitto)
    }

    /// Where it is, as `mqtt://127.0.0.1:21234`.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port())
    }

    fn command(&self) -> Command {
        let mut command = tied(&self.program, None);
        command.arg("-c").arg(self.directory().join("mosquitto.conf"));
        command
    }

    /// It listens when it has read all that it keeps.
    fn answers(server: &Server, _: u32) -> bool {
        std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, server.port.number())).is_ok()
    }
}
