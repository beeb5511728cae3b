use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::Missing;
use crate::missing::{find, sbin};
use crate::process::tied;
use crate::server::{Server, asks, life};

/// A Redis server. It writes nothing to the disk, so a restart loses all, unless its settings say otherwise.
#[derive(Debug)]
pub struct Redis {
    server: Server,
    program: PathBuf,
    settings: Vec<String>,
    is_sentinel: bool,
}

life!(Redis);

impl Redis {
    /// Starts one that keeps everything in memory.
    ///
    /// # Errors
    /// Where it is not installed or does not start.
    pub fn start() -> Result<Self, Missing> {
        Self::start_with(&[])
    }

    /// Starts one with more settings, as on its command line: `["--appendonly", "yes"]`.
    ///
    /// # Errors
    /// Where it is not installed or does not start.
    pub fn start_with(settings: &[&str]) -> Result<Self, Missing> {
        let redis = Self::new(settings.iter().map(|text| (*text).to_owned()).collect())?;
        redis.start_again()?;
        Ok(redis)
    }

    /// Starts a cluster of one node.
    ///
    /// # Errors
    /// Where it is not installed or does not start.
    pub fn start_cluster() -> Result<Self, Missing> {
        let redis = Self::start_with(&["--cluster-enabled", "yes"])?;
        let is_up = asks(redis.port(), b"CLUSTER ADDSLOTSRANGE 0 16383\r\n", b"+OK")
            && (0..500).any(|_| {
                std::thread::sleep(Duration::from_millis(10));
                // Answered only when the cluster has agreed on who has the slot.
                asks(redis.port(), b"GET nothing\r\n", b"$-1")
            });
        if is_up { Ok(redis) } else { Err(Missing("the Redis cluster does not come up".into())) }
    }

    /// Starts a sentinel that watches `primary` under a name of the caller's.
    ///
    /// # Errors
    /// Where it is not installed or does not start.
    pub fn start_sentinel(primary: &Self, name: &str) -> Result<Self, Missing> {
        let mut redis = Self::new(Vec::new())?;
        redis.is_sentinel = true;
        let (port, watched) = (redis.port(), primary.port());
        let directory = redis.directory();
        let configuration = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor {name} 127.0.0.1 {watched} 1\n",
            directory.display()
        );
        std::fs::write(directory.join("sentinel.conf"), configuration)
            .map_err(|error| Missing(format!("cannot configure a sentinel: {error}")))?;
        redis.start_again()?;
        Ok(redis)
    }

    fn new(settings: Vec<String>) -> Result<Self, Missing> {
        let program = find("redis-server", &sbin(), "redis-server")?;
        let server = Server::new("redis", Signal::KILL, Signal::TERM)?;
        Ok(Self { server, program, settings, is_sentinel: false })
    }

    /// Where it is, as `redis://127.0.0.1:21234`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    fn command(&self) -> Command {
        let mut command = tied(&self.program, None);
        if self.is_sentinel {
            command.arg(self.directory().join("sentinel.conf")).arg("--sentinel");
            return command;
        }
        command.args(["--bind", "127.0.0.1", "--port", &self.port().to_string(), "--daemonize", "no"]);
        command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(self.directory());
        command.args(&self.settings);
        command
    }

    fn answers(server: &Server, _: u32) -> bool {
        // Also where it wants a password first; while it loads its data, it says something else.
        let (number, ping) = (server.port.number(), b"PING\r\n");
        asks(number, ping, b"+PONG") || asks(number, ping, b"-NOAUTH")
    }
}
