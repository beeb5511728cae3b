//! The file: what a crash leaves in it, and what a start makes of that.

use super::*;
use crate::wire::Sms;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn taken(id: &str) -> Record {
    Record::Taken(Sms {
        id: id.into(),
        to: "+34600111222".into(),
        body: "línea 1\nlínea 2 😀".into(),
        sim: Some(2),
        segments: 1,
        expires_at: None,
        attempt: 1,
    })
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_start() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("journal");
    let mut journal = Journal::open(Some(&path), 9)?;
    journal.record(taken("a"));
    journal.commit().await?;
    journal.record(taken("not committed"));
    drop(journal);
    let mut journal = Journal::open(Some(&path), 9)?;
    assert_eq!(journal.ledger().waiting(), ["a"]);
    assert_eq!(journal.next().map(|sms| sms.body).as_deref(), Some("línea 1\nlínea 2 😀"));
    Ok(())
}

#[tokio::test]
async fn a_cut_at_any_byte_leaves_the_lines_before_it() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("journal");
    let mut whole = Vec::new();
    write_line(&mut whole, &taken("a"));
    let first = whole.len();
    write_line(&mut whole, &Record::Started("a".into()));
    for cut in first..whole.len() {
        std::fs::write(&path, &whole[..cut])?;
        let mut journal = Journal::open(Some(&path), 9)?;
        // The last byte is the newline: without it the line is whole.
        let started = usize::from(cut >= whole.len() - 1);
        assert_eq!(journal.ledger().started().len(), started, "cut at {cut}");
        journal.record(taken("b"));
        journal.commit().await?;
        drop(journal);
        assert!(Journal::open(Some(&path), 9)?.ledger().known("b").is_some(), "cut at {cut}");
    }
    Ok(())
}

#[test]
fn two_devices_do_not_share_a_journal() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("journal");
    let first = Journal::open(Some(&path), 9)?;
    assert!(Journal::open(Some(&path), 9).is_err());
    drop(first);
    assert!(Journal::open(Some(&path), 9).is_ok());
    Ok(())
}

#[tokio::test]
async fn a_grown_file_is_written_anew_and_goes_on() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("journal");
    let mut journal = Journal::open(Some(&path), 9)?;
    journal.record(taken("a"));
    for _ in 0..=SLACK + 10 {
        journal.record(Record::Receipt(vec!["r".into()]));
    }
    journal.commit().await?;
    assert_eq!(std::fs::read_to_string(&path)?.lines().count(), 1);
    journal.record(taken("b"));
    journal.commit().await?;
    drop(journal);
    assert_eq!(Journal::open(Some(&path), 9)?.ledger().waiting(), ["a", "b"]);
    Ok(())
}

#[cfg(unix)]
#[test]
fn others_cannot_read_it() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("journal");
    let _journal = Journal::open(Some(&path), 9)?;
    assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    Ok(())
}
