//! `make sbom` writes a bill that agrees with `Cargo.lock`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::table;

fn bill() -> Value {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("sbom.json");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/supply/sbom.py");
    let output = Command::new("/usr/bin/python3").arg(script).arg(&path).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&std::fs::read(path).expect("the bill")).expect("JSON")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("{name} is no list"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is no text"))
}

#[test]
fn the_bill_of_materials_is_whole() {
    let bill = bill();
    assert_eq!((text(&bill, "bomFormat"), text(&bill, "specVersion")), ("CycloneDX", "1.6"));

    // Every package that is downloaded, with the checksum that Cargo holds it against, and none besides.
    let lock = table("Cargo.lock");
    let locked: BTreeMap<(&str, &str), &str> = lock["package"]
        .as_array()
        .expect("packages")
        .iter()
        .filter_map(|package| {
            let of = |name: &str| package.get(name).and_then(toml::Value::as_str);
            Some(((of("name")?, of("version")?), of("checksum")?))
        })
        .collect();
    let components = list(&bill, "components");
    let listed: BTreeMap<(&str, &str), &str> = components
        .iter()
        .map(|part| ((text(part, "name"), text(part, "version")), text(&part["hashes"][0], "content")))
        .collect();
    assert_eq!(listed, locked);
    assert_eq!(components.len(), locked.len(), "a package is there twice");
    for part in components {
        assert!(!text(&part["licenses"][0], "expression").contains('/'), "{part}");
        assert!(text(part, "purl").starts_with("pkg:cargo/") && !text(part, "purl").contains('+'), "{part}");
    }

    // The graph names each part once, and nothing else.
    let subject = &bill["metadata"]["component"];
    let own = list(subject, "components");
    let parts: Vec<&Value> = components.iter().chain(own).chain([subject]).collect();
    let names: BTreeSet<&str> = parts.iter().map(|part| text(part, "bom-ref")).collect();
    assert_eq!(names.len(), parts.len(), "a bom-ref is there twice");
    let graph = list(&bill, "dependencies");
    let nodes: BTreeSet<&str> = graph.iter().map(|node| text(node, "ref")).collect();
    assert_eq!((nodes.len(), &nodes), (graph.len(), &names));
    for node in graph {
        for target in list(node, "dependsOn") {
            assert!(names.contains(target.as_str().expect("a name")), "{target} is no part");
        }
    }
}

#[test]
fn the_bill_tells_what_runs_from_what_tests() {
    let bill = bill();
    let scope = |name: &str| {
        let part = list(&bill, "components").iter().find(|part| text(part, "name") == name).expect("a part");
        text(part, "scope").to_owned()
    };
    assert_eq!(scope("proptest"), "excluded");
    // A library, what the example gateway reads its flags by, and a build script's package that is embedded.
    for used in ["tokio", "clap", "utoipa-swagger-ui-vendored"] {
        assert_eq!(scope(used), "required", "{used}");
    }
}
