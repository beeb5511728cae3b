//! The database file, before SQLite sees it: whom it belongs to, and what is wrong with it in plain words.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use smsgw_core::error::{Error, ErrorKind, Result};

use super::classify::BACKEND;

/// Makes the file where there is none, for its owner's eyes only. SQLite gives its log the mode of the database.
///
/// The path comes back absolute, so that SQLite reads none as a URI or as `:memory:`.
pub(super) fn prepare(path: &Path) -> Result<PathBuf> {
    let file = absolute(path)?;
    if let Some(directory) = file.parent() {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(directory).map_err(|error| unusable(path, &error))?;
    }
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(true).write(true).create(true).truncate(false);
    options.open(&file).map_err(|error| unusable(path, &error))?;
    Ok(file)
}

/// The path as [`prepare`] makes it, where there is a file.
pub(super) fn existing(path: &Path) -> Result<Option<PathBuf>> {
    let file = absolute(path)?;
    Ok(file.exists().then_some(file))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    let file = std::path::absolute(path).map_err(|error| unusable(path, &error))?;
    match file.is_dir() {
        true => Err(invalid(format!("{} is a directory; name a file in it", path.display()))),
        false => Ok(file),
    }
}

/// What to say of a file that is something else.
pub(super) fn no_database(path: &Path) -> Error {
    invalid(format!("{} is not a SQLite database; name another file, or move this one away", path.display()))
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(ErrorKind::Unavailable, BACKEND, "open")
                .with_detail(format!("there is no room for {path}; make room on its disk"))
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            invalid(format!("{path} cannot be written; name a place that this user may write to"))
        }
        _ => invalid(format!("{path} cannot be made ({error}); name a file on a local disk")),
    }
}

fn invalid(detail: String) -> Error {
    Error::new(ErrorKind::Invalid, BACKEND, "open").with_detail(detail)
}
