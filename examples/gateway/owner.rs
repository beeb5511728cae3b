//! To whom a new SQLite file belongs when root makes it, as by `gateway token` before a service's first start.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use rustix::fs::OFlags;

/// Made by root in a directory of another user's, a new database is that user's. SQLite itself gives its log and index
/// the owner of the database, so they stay open to a service that already runs.
pub(crate) fn prepare(database: &Path) -> Result<(), String> {
    let directory = database.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let made = match directory.metadata() {
        Ok(owner) if owner.uid() != 0 && rustix::process::geteuid().is_root() => {
            given(database, owner.uid(), owner.gid())
        }
        // Where there is no directory, what makes it says what is wrong with that.
        _ => Ok(()),
    };
    made.map_err(|error| {
        format!(
            "cannot give {} to the owner of its directory ({error}); run this as that user",
            database.display()
        )
    })
}

/// Makes the file where there is none.
fn given(path: &Path, user: u32, group: u32) -> io::Result<()> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match left(path) {
            Some(file) => fchown(file, Some(user), Some(group)),
            None => Ok(()),
        },
        made => fchown(made?, Some(user), Some(group)),
    }
}

/// The file as one left it that was killed before it gave it away: root's, and empty. The owner of the directory can
/// give this name to any other file, so what has a second name, or is reached by a link, stays root's.
fn left(path: &Path) -> Option<fs::File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path).ok()?;
    let found = file.metadata().ok()?;
    let is_left = found.is_file() && found.len() == 0 && found.uid() == 0 && found.nlink() == 1;
    is_left.then_some(file)
}
