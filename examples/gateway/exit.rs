//! How the process ends. The numbers are those of `sysexits.h` where it has one.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use smsgw::error::{ErrorKind, with_causes};

use crate::log::{self, Format};

pub(crate) const FAILED: u8 = 1;
/// What command-line tools answer to a command line that they cannot read.
pub(crate) const USAGE: u8 = 2;
/// `EX_UNAVAILABLE`
pub(crate) const UNREACHABLE: u8 = 69;
/// `EX_TEMPFAIL`
pub(crate) const WAITING: u8 = 75;
/// `EX_NOPERM`
pub(crate) const REFUSED: u8 = 77;
/// `EX_CONFIG`
pub(crate) const CONFIG: u8 = 78;

/// Below each `--help`.
pub(crate) const CODES: &str = "Exit codes:
  0   done
  1   failed; a message that was sent in vain; a check that found a fault
  2   a wrong command line
  69  the gateway, or the database of `migrate` and `token`, cannot be reached
  75  still waiting when --timeout was over, or too many requests: try again later
  77  refused: the token is wrong, or may not do this
  78  wrong settings";

/// Why a command ends, and as what.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    why: String,
}

impl Failure {
    pub(crate) fn new(code: u8, why: impl Into<String>) -> Self {
        Self { code, why: why.into() }
    }

    /// One of a backend, and the setting to look at.
    pub(crate) fn of(error: &smsgw::error::Error, see: &str) -> Self {
        let code = match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Timeout => UNREACHABLE,
            _ => FAILED,
        };
        Self::new(code, format!("{}; see {see}", with_causes(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for Failure {}

/// Whoever reads what a command prints may have seen enough, as `head` has: that is no fault, and nothing to tell of.
pub(crate) fn when_nobody_reads() {
    let otherwise = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload().downcast_ref::<String>();
        if said.is_some_and(|said| said.starts_with("failed printing to stdout: Broken pipe")) {
            std::process::exit(0);
        }
        otherwise(panic);
    }));
}

/// Says what went wrong, where anything did.
pub(crate) fn ended(outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(problem) = outcome else { return ExitCode::SUCCESS };
    eprintln!("smsgw: {}", with_causes(&*problem));
    problem.downcast_ref::<Failure>().map_or(FAILED, |failure| failure.code).into()
}

/// The same of a gateway, which whoever supervises it starts again unless its settings are wrong.
pub(crate) fn served(outcome: Result<(), Box<dyn Error>>, format: Format) -> ExitCode {
    let Err(problem) = outcome else { return ExitCode::SUCCESS };
    log::last(format, with_causes(&*problem));
    // The broker has no place for this gateway as it is set up: started again, it would only push out another.
    let refused = problem.downcast_ref::<smsgw::error::Error>();
    match refused.is_some_and(|error| error.kind() == ErrorKind::Unauthorized) {
        true => CONFIG.into(),
        false => FAILED.into(),
    }
}
