//! The disk under SQLite is full, and then is not.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use serde_json::Value;
use smsgw_test_support::Missing;

use crate::process::{api, is_ready};
use crate::suite::{LOADED, READY, measured, plain};
use crate::support::{Gateway, PATIENCE, Process, example};

pub(crate) fn trials() -> Vec<Trial> {
    vec![plain("disk::full_and_emptied", full)]
}

/// A gateway whose data is on a disk of 8 MiB that nobody else sees; it goes with the process.
fn on_a_small_disk(dir: &Path) -> Result<Gateway, Missing> {
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        unshare.arg("--map-root-user");
    }
    let may = unshare.args(["mount", "-t", "tmpfs", "none"]).arg(dir).output();
    if !may.is_ok_and(|output| output.status.success()) {
        return Err(Missing("a disk of its own cannot be had here: run as root".into()));
    }
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["sh", "-c", "mount -t tmpfs -o size=8m none \"$0\" && exec \"$@\""]).arg(dir);
    command.arg(example("gateway")).arg("--data").arg(dir.join("demo"));
    command.args(["--json", "--devices", "0", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]);
    let log = dir.with_extension("log");
    let process = Process::start(command.stderr(File::create(&log).expect("a log file")));
    let ready: Value = serde_json::from_str(&process.line(PATIENCE).expect("a first line")).expect("JSON");
    let text = |name: &str| ready[name].as_str().expect("a string").to_owned();
    let (http, mqtt, token) = (text("http"), text("mqtt"), text("token"));
    Ok(Gateway { process, http, mqtt, token, devices: Vec::new(), log })
}

/// Takes all the room that is left.
fn fill(path: &Path) {
    let mut file = File::create(path).expect("room for a name");
    let mut chunk: &[u8] = &[0; 4_096];
    while !chunk.is_empty() {
        match file.write_all(chunk) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => chunk = &chunk[chunk.len().div_ceil(2)..],
            Err(error) => panic!("{error}"),
        }
    }
}

fn full() -> Result<(), Missing> {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = dir.path().join("disk");
    std::fs::create_dir(&disk).expect("a directory");
    let gateway = on_a_small_disk(&disk)?;
    is_ready(&gateway);
    let api = api(&gateway);
    let mut accepted: Vec<String> = (0..10).map(|n| api.accepted(&format!("before {n}"))).collect();
    let disk = PathBuf::from(format!("/proc/{}/root{}", gateway.process.child.id(), disk.display()));
    let filler = disk.join("filler");
    fill(&filler);
    let (mut refused, mut next) = (0, 0);
    // A little room is left in what the database has already.
    while refused < 20 {
        let answer = api.submit(&format!("full {next}"), &"x".repeat(1_000));
        next += 1;
        match answer.status {
            202 => accepted.push(answer.body["id"].as_str().expect("an id").to_owned()),
            503 => {
                assert!(answer.says_when, "{answer:?}");
                refused += 1;
            }
            _ => panic!("{answer:?}"),
        }
        assert!(next < 20_000, "it is not full");
    }
    // What was refused is not there, and what is there can be read.
    let (status, _) = gateway.get(&format!("/messages/{}", accepted[0]));
    assert_eq!(status, 200);
    std::fs::remove_file(&filler).expect("room again");
    let back = Instant::now();
    loop {
        let answer = api.submit("again", "hola");
        if answer.status == 202 {
            accepted.push(answer.body["id"].as_str().expect("an id").to_owned());
            break;
        }
        assert!(back.elapsed() < READY + LOADED, "{answer:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    measured("a message accepted once there is room", back.elapsed());
    is_ready(&gateway);
    for id in &accepted {
        assert_eq!(gateway.get(&format!("/messages/{id}")).0, 200, "{id} was accepted");
    }
    Ok(())
}
