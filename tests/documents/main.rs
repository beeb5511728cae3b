//! What the documents show is so: every block of code in them is compiled, run, or held against the programs and files that
//! it names.

#[path = "../support/mod.rs"]
mod support;

mod blocks;
mod links;
mod shell;

use blocks::{Block, all, root};
use serde_json::Value;
use shell::Shell;
use smsgw_test_support::Missing;
use support::{Process, example};

/// What a block may be, and what becomes of it.
#[test]
fn every_block_is_of_a_kind_that_is_checked() {
    let blocks = all();
    assert!(blocks.len() > 20, "only {} blocks", blocks.len());
    let shell = Shell::default();
    for block in &blocks {
        match block.language.as_str() {
            "rust" | "" => block.is_compiled(),
            "json" => block.is_json(),
            "toml" => drop(
                toml::from_str::<toml::Table>(&block.text).unwrap_or_else(|error| panic!("{block}: {error}")),
            ),
            "sh" => shell.check(block),
            "yaml" => block.is_of_prometheus(),
            // What is printed, drawn or asked of a program that is not here.
            "text" | "ini" | "hcl" => {}
            other => panic!("{block}: nothing checks {other}"),
        }
    }
}

impl Block {
    /// Rust is compiled, and run, by the documentation of the crate that has the document in it; or it is a part of a test of ours.
    fn is_compiled(&self) {
        let crate_dir = self.path.parent().expect("a directory");
        let library = std::fs::read_to_string(crate_dir.join("src/lib.rs")).unwrap_or_default();
        let name = self.path.file_name().expect("a file").to_string_lossy();
        let is_doctest = library.contains(&format!("include_str!(\"../{name}\")"));
        let test = std::fs::read_to_string(root().join("tests/custom_queue.rs")).expect("a test");
        assert!(is_doctest || test.contains(&self.flush_left()), "{self}: nothing compiles it");
    }

    /// Its text without what a list before it indents all lines by.
    fn flush_left(&self) -> String {
        let indent = self.text.len() - self.text.trim_start().len();
        let lines = self.text.lines().map(|line| line.get(indent..).unwrap_or_default());
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// A part of Prometheus' configuration, which its own tool reads, where it is there.
    fn is_of_prometheus(&self) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(&file, &self.text).expect("written");
        let mut promtool = std::process::Command::new("promtool");
        match promtool.args(["check", "config", "--syntax-only"]).arg(file.path()).output() {
            Ok(said) => assert!(said.status.success(), "{self}: {}", String::from_utf8_lossy(&said.stderr)),
            Err(_) => {
                let missing = Missing("there is no promtool: apt-get install prometheus".into());
                assert!(!missing.is_required(), "{missing}");
            }
        }
    }

    /// One document a line, or one in all.
    fn is_json(&self) {
        for document in serde_json::Deserializer::from_str(&self.text).into_iter::<Value>() {
            document.unwrap_or_else(|error| panic!("{self}: {error}"));
        }
    }
}

#[test]
fn the_gateway_says_at_its_start_what_the_readme_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = std::process::Command::new(example("gateway"));
    command.arg("--data").arg(dir.path().join("demo")).args([
        "--http",
        "127.0.0.1:0",
        "--mqtt",
        "127.0.0.1:0",
    ]);
    let gateway = Process::start(command.stderr(std::process::Stdio::null()));
    let said = gateway.lines_until("  curl ");
    for readme in ["README.md", "README.es.md"] {
        let shown = all()
            .into_iter()
            .find(|block| block.path == root().join(readme) && block.text.starts_with("smsgw is ready"))
            .unwrap_or_else(|| panic!("{readme} does not show it"));
        let shown: Vec<&str> = shown.text.lines().collect();
        assert_eq!(said.len(), shown.len(), "{readme}: {said:?}");
        for (said, shown) in said.iter().zip(shown) {
            assert_eq!(without_what_varies(said), without_what_varies(shown), "{readme}");
        }
    }
}

/// A line without its ports and its token.
fn without_what_varies(line: &str) -> String {
    let mut plain = String::new();
    for (index, part) in line.split("127.0.0.1:").enumerate() {
        plain.push_str(if index == 0 { part } else { part.trim_start_matches(|c: char| c.is_ascii_digit()) });
    }
    let mut parts = plain.split("sgw_tok_");
    let before = parts.next().unwrap_or_default().to_owned();
    parts.fold(before, |text, part| {
        text + part.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '…')
    })
}
