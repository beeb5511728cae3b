//! The device's wall clock, read here and nowhere else. Deadlines use Tokio's monotonic clock instead.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Now, as the protocol writes it: RFC 3339, UTC, whole seconds.
pub(super) fn now() -> String {
    let now = OffsetDateTime::now_utc().truncate_to_second();
    // Cannot fail before the year 10,000.
    now.format(&Rfc3339).unwrap_or_default()
}

/// Whether an RFC 3339 moment is past; `None` when it cannot be read.
pub(super) fn is_past(moment: &str) -> Option<bool> {
    let moment = OffsetDateTime::parse(moment, &Rfc3339).ok()?;
    Some(moment <= OffsetDateTime::now_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_reads_back_as_past() {
        assert_eq!(now().len(), "2026-01-02T03:04:05Z".len());
        assert_eq!(is_past(&now()), Some(true));
        assert_eq!(is_past("2999-01-01T00:00:00+02:00"), Some(false));
        assert_eq!(is_past("tomorrow"), None);
    }
}
