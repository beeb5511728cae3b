use std::fmt;
use std::path::{Path, PathBuf};

/// Why a server, or another program, cannot be had: what to install, or what it said when it did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

impl Missing {
    /// Whether `SMSGW_TEST_REQUIRE` says that the server must be there: then its absence is a failure.
    pub fn is_required(&self) -> bool {
        let names = std::env::var("SMSGW_TEST_REQUIRE").unwrap_or_default();
        let package = |name| match name {
            "postgres" => "postgresql",
            "redis" => "redis-server",
            "amqp" => "rabbitmq-server",
            "mqtt" => "mosquitto",
            other => other,
        };
        names.split(',').filter(|name| !name.is_empty()).any(|name| self.0.contains(package(name)))
    }
}

/// Finds a program on `PATH` and then in `places`, where Debian puts those that are not on every `PATH`.
pub(crate) fn find(program: &str, places: &[PathBuf], package: &str) -> Result<PathBuf, Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |directory: &Path| Some(directory.join(program)).filter(|file| file.is_file());
    std::env::split_paths(&path)
        .find_map(|directory| is_there(&directory))
        .or_else(|| places.iter().find_map(|directory| is_there(directory)))
        .ok_or_else(|| Missing(format!("there is no {program}: apt-get install {package}")))
}

/// Debian's places that hold for all programs.
pub(crate) fn sbin() -> Vec<PathBuf> {
    vec!["/usr/sbin".into(), "/usr/local/sbin".into(), "/sbin".into()]
}
