use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::Missing;
use crate::missing::{find, sbin};
use crate::process::tied;
use crate::server::{Server, life};

/// Where Debian keeps the dynamic security plugin.
const PLUGIN: &str = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so";

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
    /// The account that may administer a broker of [`Mosquitto::start_with_accounts`].
    pub const USER: &'static str = "gateway";
    /// Its password.
    pub const PASSWORD: &'static str = "correct";

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

    /// Starts one that lets in whom its dynamic security plugin knows: [`Self::USER`] alone at first. It is set up as
    /// the documentation of `smsgw_mqtt::provision` says, by its one command, with these lines in its configuration. Its
    /// accounts are in `accounts.json` in its directory.
    ///
    /// # Errors
    /// Where it, its plugin or `mosquitto_ctrl` is not installed, or where it does not start.
    pub fn start_with_accounts(settings: &str) -> Result<Self, Missing> {
        if !Path::new(PLUGIN).exists() {
            return Err(Missing(format!("there is no {PLUGIN}: apt-get install mosquitto")));
        }
        let mut failed = None;
        let started = Self::start_with(|place| {
            let file = place.directory.join("accounts.json");
            let mut init = Command::new("mosquitto_ctrl");
            init.args(["dynsec", "init"]).arg(&file).args([Self::USER, Self::PASSWORD]);
            failed = init.output().err();
            // With `max_queued_messages 0`, 2.0.11 ends the connection of whoever publishes what it may not.
            format!(
                "per_listener_settings false\nallow_anonymous false\nset_tcp_nodelay true\n\
                 max_inflight_messages 1000\nmax_queued_messages 100000\npersistence false\nlog_dest stderr\n\
                 plugin {PLUGIN}\nplugin_opt_config_file {}\nlistener {} 127.0.0.1\n{settings}",
                file.display(),
                place.port
            )
        });
        match failed {
            Some(error) => {
                Err(Missing(format!("cannot run mosquitto_ctrl: {error}; apt-get install mosquitto")))
            }
            None => started,
        }
    }

    /// Gives the plugin of such a broker a command, as an operator does: `["listRoles"]`. Answers
    /// what is said.
    ///
    /// # Errors
    /// What `mosquitto_ctrl` says is wrong.
    pub fn control(&self, words: &[&str]) -> Result<String, Missing> {
        let port = self.port().to_string();
        let output = Command::new("mosquitto_ctrl")
            .args(["-h", "127.0.0.1", "-p", &port, "-u", Self::USER, "-P", Self::PASSWORD, "dynsec"])
            .args(words)
            .output()
            .map_err(|error| Missing(format!("cannot run mosquitto_ctrl: {error}")))?;
        let wrong = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || wrong.contains("rror") {
            return Err(Missing(format!("mosquitto_ctrl {words:?}: {wrong}")));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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
