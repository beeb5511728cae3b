//! Each feature pulls in what it needs and nothing else. `cargo tree` tells; the lock file keeps it so.

use std::process::Command;

/// The packages that `arguments` make `cargo` build for normal use.
fn packages(arguments: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let mut names: Vec<String> =
        text.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect();
    names.sort();
    names.dedup();
    names
}

const CLIENTS: [&str; 6] = ["lapin", "mqtt5", "redis", "rumqttc", "sqlx-postgres", "sqlx-sqlite"];

/// What `deny.toml` bans.
fn banned() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml");
    let text = std::fs::read_to_string(path).expect("deny.toml");
    let rules: toml::Table = text.parse().expect("TOML");
    let bans = rules["bans"]["deny"].as_array().expect("a list");
    bans.iter().map(|ban| ban["crate"].as_str().expect("a name").to_owned()).collect()
}

/// Asserts which of the backends' clients are there, and that nothing banned is.
fn has_only(arguments: &[&str], expected: &[&str]) {
    let packages = packages(arguments);
    let found: Vec<&str> = CLIENTS.into_iter().filter(|name| packages.iter().any(|p| p == name)).collect();
    assert_eq!(found, expected, "{arguments:?}");
    for banned in banned() {
        assert!(!packages.contains(&banned), "{banned} with {arguments:?}");
    }
}

#[test]
fn core_knows_no_network_and_no_database() {
    let core = packages(&["-p", "smsgw-core"]);
    for banned in ["axum", "hyper", "mio", "reqwest", "socket2", "rustls", "sqlx", "sqlx-core"] {
        assert!(!core.iter().any(|package| package == banned), "{banned}");
    }
    has_only(&["-p", "smsgw-core", "--all-features"], &[]);
    assert!(core.len() <= 50, "core has {} packages", core.len());
}

#[test]
fn each_store_pulls_in_its_own_client() {
    let store = |feature| ["-p", "smsgw-store", "--no-default-features", "--features", feature];
    has_only(&store("sqlite"), &["sqlx-sqlite"]);
    has_only(&store("postgres"), &["sqlx-postgres"]);
    has_only(&store("redis"), &["redis"]);
    has_only(&store("amqp"), &["lapin"]);
}

#[test]
fn traces_are_for_who_asks_for_them() {
    let traces = |names: &[String]| names.iter().filter(|name| name.contains("opentelemetry")).count();
    let (without, with) = (packages(&["-p", "smsgw"]), packages(&["-p", "smsgw", "--features", "otlp"]));
    assert!(traces(&without) == 0 && traces(&with) > 0);
    let more = with.len() - without.len();
    assert!(more <= 60, "{more} more packages");
}

#[test]
fn the_facade_pulls_in_what_its_features_name() {
    has_only(&["-p", "smsgw", "--no-default-features"], &[]);
    has_only(&["-p", "smsgw", "--no-default-features", "--features", "mqtt"], &["rumqttc"]);
    has_only(&["-p", "smsgw"], &["mqtt5", "rumqttc", "sqlx-sqlite"]);
    has_only(&["-p", "smsgw", "--all-features"], &CLIENTS);
    let quickstart = packages(&["-p", "smsgw"]).len();
    assert!(quickstart <= 300, "the quickstart has {quickstart} packages");
}
