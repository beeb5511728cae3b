//! `smsgw.toml`: the names in lower case, flat. It is ours alone, so an unknown name is a mistake.

use toml::de::{DeTable, DeValue};

use super::names;
use super::problem::Problem;
use super::sources::{Origin, Sources};

/// From this likeness on (1 is the same), a name is taken for a mistyped one.
const ALIKE: f64 = 0.8;

pub(super) fn read(file: &str, text: &str, sources: &mut Sources, problems: &mut Vec<Problem>) {
    let origin = |at: usize| Origin::Line {
        file: file.to_owned(),
        line: 1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count(),
    };
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        // Its Display would quote the line, and a secret with it.
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            return problems.push(Problem::at(origin(at), format!("not TOML: {}", error.message())));
        }
    };
    for (key, value) in table {
        let origin = origin(key.span().start);
        let key = key.into_inner();
        let Some(name) = names::ALL.into_iter().find(|name| name.name.to_ascii_lowercase() == key) else {
            problems.push(Problem::at(origin, unknown(&key)));
            continue;
        };
        match value.into_inner() {
            DeValue::String(text) => sources.offer(name, text.into_owned(), origin),
            DeValue::Integer(number) => sources.offer(name, number.to_string(), origin),
            DeValue::Boolean(is_true) => sources.offer(name, is_true.to_string(), origin),
            _ => {
                let why = format!("expected a text in quotes, as {key} = \"…\"");
                problems.push(Problem::refused(name.name, &origin, why));
            }
        }
    }
}

fn unknown(key: &str) -> String {
    let alike = |name: &str| strsim::jaro_winkler(&key.to_ascii_lowercase(), name);
    let names = names::ALL.iter().map(|name| name.name.to_ascii_lowercase());
    let nearest = names.max_by(|a, b| alike(a).total_cmp(&alike(b))).filter(|name| alike(name) >= ALIKE);
    let meant = nearest.map_or(String::new(), |name| format!("; did you mean {name}?"));
    // A name is short, and may be anything: it is shown as a text without control characters.
    let shown: String = key.chars().take(40).collect();
    format!("unknown name {shown:?}{meant}")
}
