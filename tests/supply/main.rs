//! What goes into smsgw is known: the bill of materials is whole, and what `deny.toml` lets pass has a reason.

mod bill;
mod rules;
mod targets;

use std::path::Path;

/// A file of the repository.
fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A TOML file of the repository.
fn table(name: &str) -> toml::Table {
    file(name).parse().unwrap_or_else(|error| panic!("{name}: {error}"))
}
