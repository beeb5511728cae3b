//! The secret under which keys are sealed: what the operator gives, or one that is made at the first start and kept.

use std::error::Error;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretString};
use smsgw::seal::{MIN_SECRET, Sealer};

use crate::settings::{Settings, StoreUrl};

pub(crate) fn sealer(settings: &Settings) -> Result<Sealer, Box<dyn Error>> {
    let secret = match &settings.secret {
        Some(secret) => secret.clone(),
        None => {
            if matches!(settings.store, StoreUrl::Postgres(_)) {
                let path = settings.secret_file();
                tracing::warn!(
                    "the secret in {} is this gateway's own: those that share its database need the same, as \
                     API_SECRET_KEY",
                    path.display()
                );
            }
            kept(&settings.secret_file())?
        }
    };
    Ok(Sealer::new(secret.expose_secret().as_bytes())?)
}

/// Reads the file, and makes it where there is none.
fn kept(path: &Path) -> Result<SecretString, Box<dyn Error>> {
    if let Some(secret) = read(path)? {
        return Ok(secret);
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    let failed = |error: std::io::Error| format!("cannot make {} ({error}); see --data DIR", path.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let mut bytes = [0; MIN_SECRET];
    getrandom::fill(&mut bytes)?;
    // Whole or not at all: another gateway that starts at the same time reads it.
    let half = path.with_extension(format!("key.{}", std::process::id()));
    let written =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half).and_then(|mut file| {
            file.write_all(HEXLOWER.encode(&bytes).as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            match fs::hard_link(&half, path) {
                // The other one was first.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            }
        });
    let _ = fs::remove_file(&half);
    written.map_err(failed)?;
    read(path)?.ok_or_else(|| format!("{} is gone again", path.display()).into())
}

/// Checks as for one that is given; the settings have seen to who may read it.
pub(crate) fn read(path: &Path) -> Result<Option<SecretString>, String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read ({error})", path.display())),
        Ok(text) if text.trim().len() >= MIN_SECRET => Ok(Some(text.trim().into())),
        Ok(_) => Err(format!(
            "{} holds no secret of {MIN_SECRET} bytes or more; restore it from a backup, or delete it, and devices of \
             the original protocol need new keys",
            path.display()
        )),
    }
}
