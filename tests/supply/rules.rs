//! `deny.toml` itself.

use super::table;

#[test]
fn every_exception_has_a_reason_and_a_day() {
    let rules = table("deny.toml");
    for ignored in rules["advisories"]["ignore"].as_array().expect("a list") {
        let reason = ignored.get("reason").and_then(toml::Value::as_str).unwrap_or_default();
        let (day, why) = reason.split_once(": ").unwrap_or_default();
        let is_day = time::Date::parse(day, &time::format_description::well_known::Iso8601::DATE).is_ok();
        assert!(is_day && why.len() > 20, "{ignored}: expected `YYYY-MM-DD: why it does not touch us`");
    }
    for banned in rules["bans"]["deny"].as_array().expect("a list") {
        assert!(banned.get("reason").is_some(), "{banned}: no reason");
    }
}
