//! The journal on disk: an append-only file of JSON lines, or nothing but memory.
//!
//! Lines are collected and written at one `commit`, which returns when they would survive a power cut. What
//! depends on them (an acknowledgement, the radio, a report) comes after it. A start writes the file anew
//! with only what still matters, and so does a commit that finds it grown far beyond that.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::ledger::Ledger;
use super::record::Record;

/// Lines beyond twice the needed ones before the file is written anew.
const SLACK: usize = 10_000;

/// The ledger and the lines that make it last.
#[derive(Debug)]
pub(super) struct Journal {
    ledger: Ledger,
    disk: Option<Disk>,
}

#[derive(Debug)]
struct Disk {
    path: PathBuf,
    /// Taken out while a thread of the blocking pool writes; gone for good when that failed or was given up.
    file: Option<File>,
    buffer: Vec<u8>,
    lines: usize,
}

impl Journal {
    /// Opens a file, or starts an empty ledger in memory, and brings in what the file says.
    pub(super) fn open(path: Option<&Path>, remember: usize) -> io::Result<Self> {
        let mut ledger = Ledger::new(remember);
        let Some(path) = path else { return Ok(Self { ledger, disk: None }) };
        // Locked while it is read, so that two devices never send from one journal.
        let old = open_locked(path, false)?;
        replay(&old, &mut ledger)?;
        let (file, lines) = rewrite(path, &ledger.snapshot())?;
        let disk = Disk { path: path.to_owned(), file: Some(file), buffer: Vec::new(), lines };
        Ok(Self { ledger, disk: Some(disk) })
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether what it holds outlives the process.
    pub(super) fn is_durable(&self) -> bool {
        self.disk.is_some()
    }

    /// See [`Ledger::next`].
    pub(super) fn next(&mut self) -> Option<crate::wire::Sms> {
        self.ledger.next()
    }

    /// Takes a line into account; it is safe only after the next [`commit`](Self::commit).
    pub(super) fn record(&mut self, record: Record) {
        if let Some(disk) = &mut self.disk {
            write_line(&mut disk.buffer, &record);
            disk.lines += 1;
        }
        self.ledger.apply(record);
    }

    /// Makes all recorded lines safe. After an error, or when it was dropped half way, the journal is unusable.
    pub(super) async fn commit(&mut self) -> io::Result<()> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        if disk.buffer.is_empty() {
            return Ok(());
        }
        let buffer = std::mem::take(&mut disk.buffer);
        let Some(file) = disk.file.take() else { return Err(io::Error::other("an earlier write failed")) };
        let snapshot = (disk.lines > 2 * self.ledger.size() + SLACK).then(|| self.ledger.snapshot());
        let path = disk.path.clone();
        let written = tokio::task::spawn_blocking(move || match snapshot {
            Some(snapshot) => rewrite(&path, &snapshot).map(|(file, lines)| (file, Some(lines))),
            None => {
                (&file).write_all(&buffer)?;
                file.sync_data()?;
                Ok((file, None))
            }
        });
        let (file, lines) = written.await.map_err(io::Error::other)??;
        disk.file = Some(file);
        disk.lines = lines.unwrap_or(disk.lines);
        Ok(())
    }
}

fn write_line(buffer: &mut Vec<u8>, record: &Record) {
    buffer.extend_from_slice(&crate::wire::encode(record));
    buffer.push(b'\n');
}

/// A line that cannot be read is one that a crash or a full disk cut short, so nothing was built on it.
fn replay(mut file: &File, ledger: &mut Ledger) -> io::Result<()> {
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let mut torn = 0_u32;
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(record) => ledger.apply(record),
            Err(_) => torn += 1,
        }
    }
    if torn > 0 {
        tracing::warn!(torn, "the journal has lines that were cut short; they are left out");
    }
    Ok(())
}

/// Puts a new file with these lines in the place of the old one, whole or not at all.
fn rewrite(path: &Path, lines: &[Record]) -> io::Result<(File, usize)> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut buffer = Vec::new();
    lines.iter().for_each(|record| write_line(&mut buffer, record));
    let file = open_locked(&new, true)?;
    (&file).write_all(&buffer)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    sync_directory(path)?;
    Ok((file, lines.len()))
}

fn open_locked(path: &Path, empty: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // It holds numbers and texts until they are sent.
        options.mode(0o600);
    }
    let file = options.open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another device uses this journal"));
        }
        Err(TryLockError::Error(e)) => return Err(e),
    }
    if empty {
        file.set_len(0)?;
    }
    Ok(file)
}

/// The rename itself must last too. Only Unix lets a directory be opened for that.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
