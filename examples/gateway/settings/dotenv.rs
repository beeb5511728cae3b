//! `.env`: `NAME=VALUE` lines, as shells, docker compose and python-dotenv read them. It may hold what is for other
//! programs, so names that are not ours are passed over.

use super::names;
use super::problem::Problem;
use super::sources::{Origin, Sources};

pub(super) fn read(file: &str, text: &str, sources: &mut Sources, problems: &mut Vec<Problem>) {
    let mut lines = text.trim_start_matches('\u{feff}').lines().zip(1..);
    while let Some((written, line)) = lines.next() {
        let origin = Origin::Line { file: file.to_owned(), line };
        let written = written.trim();
        let assignment = written.strip_prefix("export ").unwrap_or(written).trim_start();
        let (name, value) = assignment.split_once('=').unwrap_or((assignment, ""));
        let ours = names::ALL.into_iter().find(|ours| Some(ours.name) == name.split_whitespace().next());
        let mut value = value.trim_start().to_owned();
        // A quoted value may go on over several lines, whoever it is for.
        let quote =
            value.chars().next().filter(|c| matches!(c, '"' | '\'')).filter(|_| !written.starts_with('#'));
        let read = match quote {
            Some(quote) => loop {
                match quoted(&value, quote) {
                    Some(read) => break Some(read),
                    None => match lines.next() {
                        Some((more, _)) => {
                            value.push('\n');
                            value.push_str(more);
                        }
                        None => break None,
                    },
                }
            },
            None => Some(bare(&value)),
        };
        let Some(read) = read else {
            return problems.push(Problem::at(&origin, "the quotes that begin here do not end"));
        };
        let Some(name) = ours else { continue };
        if !assignment.contains('=') {
            problems.push(Problem::at(&origin, format!("expected {}=VALUE", name.name)));
        } else if quote != Some('\'') && read.contains("${") {
            let why = "${…} is not filled in here; write the value out, or put it into single quotes";
            problems.push(Problem::refused(name.name, &origin, why));
        } else {
            // Of a name that stands there twice, the last counts, as everywhere.
            sources.replace(name, read, origin);
        }
    }
}

/// Up to a comment.
fn bare(value: &str) -> String {
    let end =
        value.match_indices('#').map(|(at, _)| at).find(|at| value[..*at].ends_with(char::is_whitespace));
    let is_comment = value.starts_with('#');
    let value = if is_comment { "" } else { &value[..end.unwrap_or(value.len())] };
    value.trim_end().to_owned()
}

/// What stands between the quotes; `None` where there is no second one.
fn quoted(value: &str, quote: char) -> Option<String> {
    let mut read = String::new();
    let mut chars = value.chars().skip(1);
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return Some(read),
            '\\' if quote == '"' => match chars.next()? {
                'n' => read.push('\n'),
                'r' => read.push('\r'),
                't' => read.push('\t'),
                c @ ('"' | '\\' | '$' | '`') => read.push(c),
                c => read.extend(['\\', c]),
            },
            c => read.push(c),
        }
    }
    None
}
