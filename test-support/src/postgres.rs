use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::Missing;
use crate::directory::Owner;
use crate::missing::find;
use crate::process::tied;
use crate::server::{Server, life};

/// A PostgreSQL server, with the super user `smsgw`, who needs no password, and the database `postgres`.
///
/// It does not wait for the disk (`fsync = off`), which loses nothing as long as the machine runs. It refuses to run as
/// root, so it runs as `postgres` or `nobody` there.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    program: PathBuf,
    owner: Option<Owner>,
    settings: Vec<String>,
}

life!(Postgres);

impl Postgres {
    /// Starts one.
    ///
    /// # Errors
    /// Where it is not installed or does not start.
    pub fn start() -> Result<Self, Missing> {
        Self::start_with(&[])
    }

    /// Starts one with more settings, as in its configuration: `["fsync=on"]`.
    ///
    /// # Errors
    /// Where it is not installed or does not start.
    pub fn start_with(settings: &[&str]) -> Result<Self, Missing> {
        // The newest that Debian has; `postgres` and `initdb` must be of one version, so they come from one place.
        let initdb = find("initdb", &places(), "postgresql")?;
        let initdb = fs::canonicalize(&initdb).unwrap_or(initdb);
        let program = initdb.with_file_name("postgres");
        let owner = match rustix::process::geteuid().is_root() {
            true => Some(Owner::find(&["postgres", "nobody"]).ok_or_else(|| {
                Missing("PostgreSQL does not run as root, and there is no user postgres or nobody".into())
            })?),
            false => None,
        };
        let server = Server::new("postgres", Signal::QUIT, Signal::INT)?;
        let failed = |why: String| Missing(format!("cannot make a PostgreSQL database: {why}"));
        if let Some(owner) = owner {
            server.directory.give_to(owner).map_err(|error| failed(error.to_string()))?;
        }
        let mut make = tied(&initdb, owner);
        make.arg("-D").arg(server.directory.path().join("data"));
        make.args([
            "-U",
            "smsgw",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
            "--no-instructions",
        ]);
        let made = make.current_dir("/").stdin(Stdio::null()).output();
        let made = made.map_err(|error| failed(error.to_string()))?;
        if !made.status.success() {
            return Err(failed(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        let settings = settings.iter().map(|text| (*text).to_owned()).collect();
        let postgres = Self { server, program, owner, settings };
        postgres.start_again()?;
        Ok(postgres)
    }

    /// Where it is, as `postgres://smsgw@127.0.0.1:21234/postgres`.
    pub fn url(&self) -> String {
        format!("postgres://smsgw@127.0.0.1:{}/postgres", self.port())
    }

    fn command(&self) -> Command {
        let mut command = tied(&self.program, self.owner);
        command.current_dir("/");
        command.arg("-D").arg(self.directory().join("data")).arg("-k").arg(self.directory());
        command.args(["-p", &self.port().to_string()]);
        let own = ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=200", "shared_buffers=32MB"];
        for setting in own.into_iter().chain(self.settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        command
    }

    /// By the file in which it says so: the first line is the number of its process, the eighth its state.
    fn answers(server: &Server, process: u32) -> bool {
        let file = server.directory.path().join("data/postmaster.pid");
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.first() == Some(&process.to_string().as_str()) && lines.get(7) == Some(&"ready")
    }
}

/// Where Debian has it: a directory for each version, the newest first.
fn places() -> Vec<PathBuf> {
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
    places.sort_by_key(|path| std::cmp::Reverse(version(path)));
    places.into_iter().map(|path| path.join("bin")).collect()
}
