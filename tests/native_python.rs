//! The native client in Python: journal, reports, and a command that stands for `termux-sms-send` or `gammu`.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

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
