//! The native client in Python: journal, reports, and a command that stands for `termux-sms-send` or `gammu`.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use support::{Gateway, Process, eventually, python};
use tempfile::tempdir;

#[test]
fn it_runs_a_command_for_each_message_with_the_text_on_its_standard_input() {
    let dir = tempdir().expect("a directory");
    let gateway = Gateway::start(&dir.path().join("demo"), &["--devices", "0"]);
    let sent = dir.path().join("sent");
    let script = dir.path().join("send");
    std::fs::write(&script, format!("#!/bin/sh\n{{ echo \"to $1\"; cat; echo; }} >>{}\n", sent.display()))
        .expect("written");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).expect("executable");
    let body = "a: $(touch /tmp/never) `id` \"quoted\" ñ 👋";
    for paho in ["1", "2"] {
        let (device, key) = gateway.device("native");
        let mut command = python(paho, "native_client.py");
        command.args([&gateway.mqtt, &device, &key, "--exec", &format!("{} {{to}}", script.display())]);
        command.arg("--journal").arg(dir.path().join(format!("{device}.journal"))).stderr(Stdio::inherit());
        let _client = Process::start(&mut command);
        let id = gateway.submit("+5351234567", body);
        gateway.reaches(&id, "sent");
        let text = eventually("the command has run", || std::fs::read_to_string(&sent).ok());
        assert_eq!(text, format!("to +5351234567\n{body}\n"));
        std::fs::remove_file(&sent).expect("removed");
    }
}

/// A device that only hears what it is told, and the reports that it would say now.
const DEVICE: &str = r#"
import os, sys
from types import SimpleNamespace
import native_client

args = SimpleNamespace(id="device", key="key", journal=os.path.join(sys.argv[1], "journal"), exec="")

def send(device, attempt=1, id="m"):
    device.hear({"type": "send", "id": id, "to": "+5351234567", "body": "hola", "attempt": attempt})

def said(device):
    due = [device.journal.open[id] for id, (due, wait) in device.repeats.items() if due == 0]
    device.repeats = {id: (1, wait) for id, (due, wait) in device.repeats.items()}
    return [(report["report_id"], report["state"], report.get("code"), report.get("attempt")) for report in due]

def stored(device, *reports):
    device.hear({"type": "receipt", "report_ids": [report[0] for report in reports]})

def fails(device, code="no_service", id="m"):
    device.journal.write("started", id)
    device.report(id, "failed", code)
"#;

/// Runs a part of the client by itself.
fn runs(script: &str) {
    let dir = tempdir().expect("a directory");
    for paho in ["1", "2"] {
        let client = python(paho, "native_client.py");
        let place = std::path::Path::new(client.get_args().next().expect("the script")).parent();
        let mut command = Command::new(client.get_program());
        command.env("PYTHONPATH", place.expect("its directory")).env("PYTHONDONTWRITEBYTECODE", "1");
        let journal = dir.path().join(paho);
        std::fs::create_dir(&journal).expect("a directory");
        let done = command.args(["-c", &format!("{DEVICE}{script}")]).arg(journal).output().expect("runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

#[test]
fn what_is_ordered_again_is_reported_under_the_same_id_until_its_receipt_comes() {
    runs(
        r#"
device = native_client.Device(args)
send(device)
acknowledged = said(device)
assert [report[1:] for report in acknowledged] == [("acknowledged", None, 1)], acknowledged
send(device)
assert said(device) == acknowledged
fails(device)
failed = said(device)
assert [report[1:] for report in failed] == [("failed", "no_service", 1)], failed
for again in range(2):
    send(device, attempt=2)
    assert said(device) == failed, "not a second failure, nor a step back"
device = native_client.Device(args)
send(device, attempt=2)
assert said(device) == failed, "nor after a start"
stored(device, *failed)
send(device)
again = said(device)
assert [report[1:] for report in again] == [report[1:] for report in failed] and again[0][0] != failed[0][0], again
stored(device, *again)
send(device, attempt=2)
assert [report[1:] for report in said(device)] == [("acknowledged", None, 2)]
for again in range(2):
    device.hear({"type": "cancel", "id": "m"})
    canceled = said(device)
    assert [report[1:] for report in canceled] == [("failed", "canceled", None)], canceled
assert device.journal.open.keys() == {canceled[0][0]}, device.journal.open
"#,
    );
}

#[test]
fn a_command_says_by_its_exit_code_whether_to_try_again() {
    runs(
        r#"
device = native_client.Device(args)
for code, outcome in [(0, ("sent", None)), (75, ("failed", "temporary")), (1, ("failed", "exit_1"))]:
    args.exec = f"sh -c 'exit {code}'"
    assert device.transmit({"to": "+5351234567", "body": "hola", "sim": None}) == outcome, outcome
assert "temporary" in native_client.PASSING
"#,
    );
}
