//! Where values come from: flags, then the environment, then `.env`, then `smsgw.toml`. The first that says something
//! counts; an empty value says nothing.

use std::collections::HashMap;
use std::env::VarError;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use super::names::{self, Name};
use super::problem::Problem;
use super::{dotenv, file};
use crate::flags::SettingFlags;

const DOTENV: &str = ".env";
const FILE: &str = "smsgw.toml";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag(&'static str),
    Environment,
    Line { file: String, line: usize },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment => f.write_str("environment"),
            Self::Line { file, line } => write!(f, "{file} line {line}"),
        }
    }
}

/// A value as somebody wrote it.
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

#[derive(Default)]
pub(crate) struct Sources(HashMap<Name, Given>);

impl Sources {
    pub(crate) fn read(flags: &SettingFlags) -> Result<Self, Vec<Problem>> {
        let mut sources = Self::default();
        let mut problems = Vec::new();
        for (name, text) in flags.given() {
            sources.offer(name, text, Origin::Flag(name.flag.unwrap_or_default()));
        }
        for name in names::ALL {
            match std::env::var(name.name) {
                Ok(text) => sources.offer(name, text, Origin::Environment),
                Err(VarError::NotPresent) => {}
                Err(VarError::NotUnicode(_)) => {
                    problems.push(Problem::unreadable(name.name, &Origin::Environment, "it is not UTF-8"));
                }
            }
        }
        match text_of(Path::new(DOTENV), false) {
            Ok(text) => dotenv::read(DOTENV, &text, &mut sources, &mut problems),
            Err(problem) => problems.push(problem),
        }
        let (path, is_asked_for) = match &flags.config {
            Some(path) => (path.as_path(), true),
            None => (Path::new(FILE), false),
        };
        match text_of(path, is_asked_for) {
            Ok(text) => file::read(&path.display().to_string(), &text, &mut sources, &mut problems),
            Err(problem) => problems.push(problem),
        }
        if problems.is_empty() { Ok(sources) } else { Err(problems) }
    }

    /// Takes a value, unless there is one already.
    pub(crate) fn offer(&mut self, name: Name, text: String, origin: Origin) {
        if !text.is_empty() {
            self.0.entry(name).or_insert(Given { text, origin });
        }
    }

    /// Takes a value, unless there is one already from elsewhere.
    pub(crate) fn replace(&mut self, name: Name, text: String, origin: Origin) {
        let same =
            |given: &Given| matches!((&given.origin, &origin), (Origin::Line { .. }, Origin::Line { .. }));
        if self.get(name).is_some_and(same) {
            self.0.remove(&name);
        }
        self.offer(name, text, origin);
    }

    pub(crate) fn get(&self, name: Name) -> Option<&Given> {
        self.0.get(&name)
    }
}

/// Nothing where there is no file and none was asked for.
fn text_of(path: &Path, is_asked_for: bool) -> Result<String, Problem> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && !is_asked_for => Ok(String::new()),
        // Also where a text is not UTF-8; the error quotes nothing of it.
        read => read.map_err(|error| Problem::at(path.display(), format!("cannot be read: {error}"))),
    }
}
