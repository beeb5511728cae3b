//! Turns what was given into what is meant, and collects what is wrong with it.

use std::fmt::Display;
use std::net::SocketAddr;

use smsgw::mqtt::broker::SharedAccount;

use super::names::Name;
use super::problem::Problem;
use super::sources::Sources;

pub(super) struct Reader {
    sources: Sources,
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(sources: Sources) -> Self {
        Self { sources, problems: Vec::new() }
    }

    pub(super) fn has(&self, name: Name) -> bool {
        self.sources.get(name).is_some()
    }

    pub(super) fn text(&self, name: Name) -> Option<String> {
        self.sources.get(name).map(|given| given.text.clone())
    }

    /// The value, where there is one that `parse` can read. Its error says what was expected, and nothing of the value.
    pub(super) fn read<T, E: Display>(
        &mut self,
        name: Name,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let given = self.sources.get(name)?;
        match parse(&given.text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.problems.push(Problem::unreadable(name.name, &given.origin, why));
                None
            }
        }
    }

    pub(super) fn address(&mut self, name: Name) -> Option<SocketAddr> {
        self.read(name, |text| {
            text.parse().map_err(|_| "expected an address and a port, as 127.0.0.1:8000 or [::1]:8000")
        })
    }

    pub(super) fn switch(&mut self, name: Name) -> Option<bool> {
        self.read(name, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err("expected true or false"),
        })
    }

    /// Both of them or neither.
    pub(super) fn account(&mut self, username: Name, password: Name) -> Option<SharedAccount> {
        self.pair(username, password);
        Some(SharedAccount { username: self.text(username)?, password: self.text(password)?.into() })
    }

    /// Complains where one of two is given that make sense together only.
    pub(super) fn pair(&mut self, one: Name, other: Name) {
        for (there, missing) in [(one, other), (other, one)] {
            if let (Some(given), None) = (self.sources.get(there), self.sources.get(missing)) {
                let why = format!("it needs {} beside it", missing.with_flag());
                self.problems.push(Problem::unreadable(there.name, &given.origin, why));
            }
        }
    }

    /// Complains about what is given and would have no effect.
    pub(super) fn no_use(&mut self, names: &[Name], why: &str) {
        for name in names {
            self.refuse(*name, why);
        }
    }

    /// Complains about a value, where there is one.
    pub(super) fn refuse(&mut self, name: Name, why: impl Display) {
        if let Some(given) = self.sources.get(name) {
            self.problems.push(Problem::refused(name.name, &given.origin, why));
        }
    }
}
