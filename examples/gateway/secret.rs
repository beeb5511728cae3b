//! The secret under which keys are sealed: what the operator gives, or one that is made at the first start and kept.

use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretString};
use smsgw::pseudonym::Pseudonyms;
use smsgw::seal::{MIN_SECRET, Sealer};

use crate::settings::{Settings, StoreUrl};

const FILE: &str = "secret.key";

/// Where the secret is kept that nobody has given: beside a SQLite database, so that whoever moves or restores one has
/// the other too. Beside PostgreSQL there is no place, so there it is in the data directory.
///
/// It was once in the data directory always. One that is still there is read where it is, unless the database is new:
/// then nothing can be sealed under it, and it is another gateway's.
pub(crate) fn place(store: &StoreUrl, data: &Path) -> PathBuf {
    let before = data.join(FILE);
    let StoreUrl::Sqlite(database) = store else { return before };
    let beside = database.with_file_name(FILE);
    match !beside.exists() && database.exists() && before.exists() {
        true => before,
        false => beside,
    }
}

/// What is made of the secret: the seal of keys, and the pseudonyms of numbers.
pub(crate) fn uses(settings: &Settings) -> Result<(Sealer, Pseudonyms), Box<dyn Error>> {
    let secret = match &settings.secret {
        Some(secret) => secret.clone(),
        None => {
            advise(settings);
            kept(&settings.secret_file)?
        }
    };
    let secret = secret.expose_secret().as_bytes();
    let mut sealer = Sealer::new(secret)?;
    if let Some(previous) = &settings.previous_secret {
        sealer = sealer.with_previous(previous.expose_secret().as_bytes())?;
    }
    Ok((sealer, Pseudonyms::new(secret)))
}

/// Says where the secret is, where that is not the best of places.
fn advise(settings: &Settings) {
    let path = settings.secret_file.display();
    match &settings.store {
        StoreUrl::Postgres(_) => tracing::warn!(
            "the secret in {path} is this gateway's own: those that share its database need the same, as API_SECRET_KEY"
        ),
        StoreUrl::Sqlite(database) => {
            let beside = database.with_file_name(FILE);
            if beside != settings.secret_file {
                let beside = beside.display();
                tracing::warn!("the secret is in {path}; move it beside its database, to {beside}");
            }
        }
    }
}

/// Reads the file, and makes it where there is none.
fn kept(path: &Path) -> Result<SecretString, Box<dyn Error>> {
    if let Some(secret) = read(path)? {
        return Ok(secret);
    }
    let mut bytes = [0; MIN_SECRET];
    getrandom::fill(&mut bytes)?;
    let text = HEXLOWER.encode(&bytes);
    let failed =
        |error| format!("cannot make {} ({error}); set API_SECRET_KEY, or see --data DIR", path.display());
    make(path, &text).map_err(failed)?;
    // Not the one that was just made, where another gateway was first.
    read(path)?.ok_or_else(|| format!("{} is gone again", path.display()).into())
}

/// Makes the file, whole or not at all; one that is there already stays.
fn make(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    // By chance: what a crash has left behind under a process id is in the way of that id, which in a container is
    // always the same.
    let mut name = [0; 8];
    getrandom::fill(&mut name)?;
    let half = path.with_extension(format!("key.{}", HEXLOWER.encode(&name)));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
    let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&half, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let _ = fs::remove_file(&half);
    // Before any key is sealed under it.
    linked.and_then(|()| fs::File::open(directory)?.sync_all())
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
