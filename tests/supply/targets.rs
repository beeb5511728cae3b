//! The fuzz targets: each can be run, and has something to start from.

use std::collections::BTreeSet;
use std::path::Path;

use super::table;

fn names(directory: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = std::fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
}

#[test]
fn every_fuzz_target_is_built_and_has_a_corpus() {
    let targets = names("fuzz/fuzz_targets");
    assert_eq!(names("fuzz/corpus"), targets);
    let manifest = table("fuzz/Cargo.toml");
    let built = manifest["bin"].as_array().expect("binaries").iter();
    let built: BTreeSet<String> = built.map(|bin| bin["name"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(built, targets);
    for target in targets {
        assert!(!names(&format!("fuzz/corpus/{target}")).is_empty(), "{target} has no corpus");
    }
}
