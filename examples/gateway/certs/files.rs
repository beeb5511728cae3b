//! How the files come into their directory.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

pub(super) const PUBLIC: u32 = 0o644;
pub(super) const PRIVATE: u32 = 0o600;

pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) mode: u32,
}

/// Puts them beside what is there; where one of them is there already, none. `or` is what helps then.
pub(super) fn add(dir: &Path, files: &[File], or: &str) -> Result<(), String> {
    if let Some(File { name, .. }) = files.iter().find(|file| dir.join(file.name).symlink_metadata().is_ok())
    {
        return Err(format!("{} is there already; move it away, or {or}", dir.join(name).display()));
    }
    if !dir.is_dir() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| failed(dir, &error))?;
    }
    for File { name, text, mode } in files {
        let path = dir.join(name);
        write(&path, text, *mode).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

/// Puts each in the place of the one that is there, whole, and for whoever could read that.
pub(super) fn replace(dir: &Path, files: &[File]) -> Result<(), String> {
    for File { name, text, mode } in files {
        let (path, half) = (dir.join(name), dir.join(format!("{name}.new")));
        let replaced = match fs::remove_file(&half) {
            // What an earlier run has left there.
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => write(&half, text, *mode).and_then(|file| {
                if let Ok(old) = path.metadata() {
                    fchown(&file, Some(old.uid()), Some(old.gid()))?;
                    file.set_permissions(old.permissions())?;
                }
                fs::rename(&half, &path)
            }),
        };
        replaced.map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<fs::File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(file)
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("cannot write {} ({error}); name another --out", path.display())
}
