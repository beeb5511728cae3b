//! The files that settings name: whether they are there, and whether others may read what nobody else should.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A file that is there and can be read.
pub(super) fn readable(text: &str) -> Result<PathBuf, String> {
    if text.contains('\n') || text.contains("-----BEGIN") {
        return Err("expected the name of a file, not what is in it".into());
    }
    let path = PathBuf::from(text);
    let metadata = fs::metadata(&path).map_err(|error| format!("{text} cannot be read ({error})"))?;
    if metadata.is_dir() {
        return Err(format!("{text} is a directory; name a file in PEM format"));
    }
    fs::File::open(&path).map_err(|error| format!("{text} cannot be read ({error})"))?;
    Ok(path)
}

/// The same, for the eyes of its owner only.
pub(super) fn private(text: &str) -> Result<PathBuf, String> {
    let path = readable(text)?;
    for_its_owner_only(&path)?;
    Ok(path)
}

/// A file that is not there is fine.
pub(crate) fn for_its_owner_only(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o007 != 0 => {
            let path = path.display();
            Err(format!("others may read {path}, which holds a secret; chmod 600 {path}"))
        }
        _ => Ok(()),
    }
}
