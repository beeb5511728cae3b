use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Once;

use crate::Missing;

/// What the names of our directories begin with.
const PREFIX: &str = "smsgw-test-";
/// Held locked in each by its owner, so that the next process can tell what was left behind.
const LOCK: &str = ".lock";

/// A private directory that is removed with its value, and by the next process where this one was killed.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    pub(crate) fn new(name: &str) -> Result<Self, Missing> {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep);
        let made = || -> io::Result<Self> {
            // Kept: `drop` and the sweep remove it, and a static is never dropped.
            let path = tempfile::Builder::new().prefix(&format!("{PREFIX}{name}-")).tempdir()?.keep();
            let lock = File::create(path.join(LOCK))?;
            lock.try_lock()?;
            Ok(Self { path, _lock: lock })
        };
        made().map_err(|error| Missing(format!("cannot make a temporary directory: {error}")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets `owner` write in it: programs that do not run as root run as somebody else then.
    pub(crate) fn give_to(&self, owner: Owner) -> io::Result<()> {
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700))?;
        chown(&self.path, Some(owner.user), Some(owner.group))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes `path`, which a server that is just dying may still write to.
fn remove(path: &Path) {
    for _ in 0..10 {
        if fs::remove_dir_all(path).is_ok() || !path.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Removes the directories of processes that were killed.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        // Without a lock file it is being made just now.
        if is_ours && File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok()) {
            remove(&entry.path());
        }
    }
}

/// Who a program runs as where it may not run as root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

impl Owner {
    /// The first of `names` that this machine knows.
    pub(crate) fn find(names: &[&str]) -> Option<Self> {
        let users = fs::read_to_string("/etc/passwd").ok()?;
        let user = |name: &&str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(*name))?;
            let mut numbers = line.split(':').skip(2).map_while(|number| number.parse().ok());
            Some(Self { user: numbers.next()?, group: numbers.next()? })
        };
        names.iter().find_map(user)
    }
}
