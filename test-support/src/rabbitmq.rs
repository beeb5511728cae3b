use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Missing;
use crate::missing::{find, sbin};
use crate::port::Port;
use crate::process::{Process, tied};
use crate::server::{Server, asks, life};

/// A RabbitMQ node, with the user `guest`, no plugins, and a name server of its own.
#[derive(Debug)]
pub struct RabbitMq {
    server: Server,
    program: PathBuf,
    /// Erlang's name server. Nodes would start one for all of the machine, and leave it behind.
    _names: Process,
    names_port: Port,
    node_port: Port,
}

life!(RabbitMq);

impl RabbitMq {
    /// Starts one, which takes some seconds.
    ///
    /// # Errors
    /// Where it is not installed or does not start.
    pub fn start() -> Result<Self, Missing> {
        // Not the program on the PATH, which becomes the user `rabbitmq` on Debian.
        let own = [PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server")];
        let program = match own.into_iter().find(|file| file.is_file()) {
            Some(program) => program,
            None => find("rabbitmq-server", &sbin(), "rabbitmq-server")?,
        };
        let epmd = find("epmd", &[], "rabbitmq-server")?;
        let server = Server::new("rabbitmq", Signal::KILL, Signal::TERM)?;
        let (names_port, node_port) = (Port::free()?, Port::free()?);
        let mut names = tied(&epmd, None);
        names.args(["-address", "127.0.0.1", "-port", &names_port.number().to_string()]);
        names.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let failed = |error: std::io::Error| Missing(format!("cannot start RabbitMQ: {error}"));
        let names = Process::spawn(names).map_err(failed)?;
        listens(names_port.number())?;
        let directory = server.directory.path();
        fs::write(directory.join("plugins"), "[].\n").map_err(failed)?;
        // The smallest that it accepts of what it would otherwise size by the machine.
        let configuration = "log.console.level = warning\nlog.file = false\nlog.console = true\n\
             vm_memory_high_watermark.absolute = 512MB\ndisk_free_limit.absolute = 1MB\n";
        fs::write(directory.join("rabbitmq.conf"), configuration).map_err(failed)?;
        let rabbitmq = Self { server, program, _names: names, names_port, node_port };
        rabbitmq.start_again()?;
        Ok(rabbitmq)
    }

    /// Where it is, as `amqp://guest:guest@127.0.0.1:21234/%2f`.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port())
    }

    /// Runs `rabbitmqctl` with `arguments` on the node, and returns what it prints.
    ///
    /// # Errors
    /// Where it fails; with what it said.
    pub fn control(&self, arguments: &[&str]) -> Result<String, Missing> {
        let mut command = Command::new(self.program.with_file_name("rabbitmqctl"));
        self.configure(&mut command);
        let output = command.args(["--quiet", "--node", &self.node()]).args(arguments).output();
        let output = output.map_err(|error| Missing(format!("cannot run rabbitmqctl: {error}")))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(Missing(String::from_utf8_lossy(&output.stderr).into_owned())),
        }
    }

    fn node(&self) -> String {
        format!("smsgw-{}@localhost", self.port())
    }

    fn configure(&self, command: &mut Command) {
        let directory = self.directory();
        let file = |name: &str| directory.join(name);
        let paths: [(&str, &Path); 6] = [
            ("HOME", directory),
            ("RABBITMQ_MNESIA_BASE", &file("data")),
            ("RABBITMQ_LOG_BASE", &file("logs")),
            ("RABBITMQ_CONFIG_FILE", &file("rabbitmq.conf")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", &file("plugins")),
            // The machine's own settings.
            ("RABBITMQ_CONF_ENV_FILE", Path::new("/dev/null")),
        ];
        command.envs(paths);
        command.envs([
            ("RABBITMQ_NODENAME", self.node()),
            ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
            ("RABBITMQ_NODE_PORT", self.port().to_string()),
            ("RABBITMQ_DIST_PORT", self.node_port.number().to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            ("ERL_EPMD_PORT", self.names_port.number().to_string()),
            // Only so does the script become the node, rather than start it: the kernel kills what we have started.
            ("RABBITMQ_ALLOW_INPUT", "1".to_owned()),
            // Two schedulers that sleep when there is nothing to do.
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-noinput +S 2:2 +SDio 2 +A 8 +sbwt none +sbwtdcpu none +sbwtdio none".to_owned(),
            ),
        ]);
    }

    fn command(&self) -> Command {
        let mut command = tied(&self.program, None);
        self.configure(&mut command);
        command.current_dir(self.directory());
        command
    }

    /// It listens when all else is started.
    fn answers(server: &Server, _: u32) -> bool {
        // AMQP 0-9-1, answered by the frame of `connection.start`.
        asks(server.port.number(), b"AMQP\x00\x00\x09\x01", b"\x01\x00\x00")
    }
}

fn listens(port: u16) -> Result<(), Missing> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).is_err() {
        if Instant::now() > deadline {
            return Err(Missing("Erlang's name server does not start".into()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
