//! What is wrong with the settings, in one line each, without the value: it may be a secret.

use std::fmt;

use super::sources::Origin;
use crate::exit::{CONFIG, USAGE};

#[derive(Debug)]
pub(crate) struct Problem {
    text: String,
    is_usage: bool,
}

impl Problem {
    /// A value that cannot be read; on the command line, that is a mistake of whoever typed it.
    pub(crate) fn unreadable(name: &str, origin: &Origin, why: impl fmt::Display) -> Self {
        let is_usage = matches!(origin, Origin::Flag(_));
        Self { text: format!("{name} ({origin}): {why}"), is_usage }
    }

    /// A value that can be read and must not be.
    pub(crate) fn refused(name: &str, origin: &Origin, why: impl fmt::Display) -> Self {
        Self { text: format!("{name} ({origin}): {why}"), is_usage: false }
    }

    /// A place that is wrong as a whole.
    pub(crate) fn at(place: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self { text: format!("{place}: {why}"), is_usage: false }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the process ends with where these are its problems.
pub(crate) fn exit_code(problems: &[Problem]) -> u8 {
    if problems.iter().all(|problem| problem.is_usage) { USAGE } else { CONFIG }
}
