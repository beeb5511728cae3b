//! What keeps a gateway from administering its broker, for those who decide by it.

use std::error::Error as StdError;
use std::fmt;

use smsgw_core::error::Error;

/// What a broker that is there, and lets the gateway in, lacks for accounts to be kept on it. So it stays until an
/// operator changes the broker; the gateway works on it without accounts.
///
/// Not where the broker is away, does not answer or refuses the login itself: that may be over the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lack {
    /// The dynamic security plugin: the broker has taken a command and nobody has answered it. The error is `Unsupported`.
    Plugin,
    /// The right to administer: the gateway's account may not give commands, or not hear the answers. The error is
    /// `Unauthorized`, as it is where the login is refused.
    Rights,
}

impl Lack {
    /// What an error of a [`DynsecProvisioner`](super::DynsecProvisioner) says that the broker lacks; none where it failed
    /// for another reason.
    pub fn of(error: &Error) -> Option<Self> {
        error.source().and_then(|source| source.downcast_ref()).copied()
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plugin => "no dynamic security plugin",
            Self::Rights => "no right to administer",
        })
    }
}

impl StdError for Lack {}

#[cfg(test)]
mod tests {
    use smsgw_core::error::ErrorKind;

    use super::*;

    #[test]
    fn it_is_told_by_the_error_and_not_by_its_words() {
        let refused =
            || Error::new(ErrorKind::Unauthorized, "dynsec", "check").with_detail("may not administer");
        assert_eq!(Lack::of(&refused()), None);
        for lack in [Lack::Plugin, Lack::Rights] {
            assert_eq!(Lack::of(&refused().with_source(lack).clone()), Some(lack));
        }
    }
}
