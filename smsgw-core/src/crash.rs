//! Places at which a test lets the gateway die as by a power cut: at once, without unwinding and without destructors.
//! `tests/chaos` goes through all of them. Without the feature `crash-points` a place is nothing.

#[cfg(feature = "crash-points")]
pub use armed::{POINTS, arm};
#[cfg(feature = "crash-points")]
pub(crate) use armed::{amid, point};
#[cfg(not(feature = "crash-points"))]
pub(crate) use unarmed::{amid, point};

#[cfg(not(feature = "crash-points"))]
mod unarmed {
    pub(crate) const fn point(_: &str) {}

    pub(crate) const fn amid<F>(_: &str, work: F) -> F {
        work
    }
}

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use crate::error::{Error, ErrorKind, Result};

    /// The places, in the order in which a message comes by.
    pub const POINTS: [&str; 15] = [
        // Before new messages are committed; after it, before the answer; after that, before the push.
        "insert",
        "inserted",
        "answered",
        // After the queue's lease, before the claim; after the claim, before the publish.
        "leased",
        "claimed",
        // Between the publish and its PUBACK; after that, before the state is committed; after that, before the queue is
        // settled.
        "publishing",
        "published",
        "written",
        // After reports are read, before they are committed; after that, before they are acknowledged to the broker.
        "heard",
        "recorded",
        // Before receipts are sent, and after.
        "replying",
        "replied",
        // Between what has become due and its push.
        "due",
        // After a device was given what waited for it.
        "pulled",
        // While the gateway drains.
        "draining",
    ];

    /// How long a publish may be on its way before the process dies in the middle of it.
    const ON_ITS_WAY: Duration = Duration::from_millis(10);

    struct Armed {
        point: &'static str,
        passes_left: AtomicU64,
    }

    // One process dies once.
    static ARMED: OnceLock<Armed> = OnceLock::new();

    /// Lets this process die at a place: `NAME:PASS`, the pass counted from 1. Only the first call counts.
    ///
    /// # Errors
    /// `Invalid` where there is no such place, or the pass is not a number from 1.
    pub fn arm(place: &str) -> Result<()> {
        let wrong = || Error::new(ErrorKind::Invalid, "crash", "arm").with_detail("expected NAME:PASS");
        let (name, pass) = place.split_once(':').ok_or_else(wrong)?;
        let point = POINTS.into_iter().find(|point| *point == name).ok_or_else(wrong)?;
        let pass = pass.parse().ok().filter(|pass| *pass > 0).ok_or_else(wrong)?;
        // A second call changes nothing, as the documentation says.
        let _ = ARMED.set(Armed { point, passes_left: AtomicU64::new(pass) });
        Ok(())
    }

    /// Whether this pass of a place is the last of this process.
    fn is_last(point: &str) -> bool {
        ARMED.get().is_some_and(|armed| {
            armed.point == point && armed.passes_left.fetch_sub(1, Ordering::Relaxed) == 1
        })
    }

    /// Dies here, where this pass is the one that was armed.
    pub(crate) fn point(name: &str) {
        debug_assert!(POINTS.contains(&name), "{name} is no crash point");
        if is_last(name) {
            std::process::abort();
        }
    }

    /// Begins `work` and dies before it is done, or before anybody learns that it is.
    pub(crate) async fn amid<F: Future>(name: &str, work: F) -> F::Output {
        debug_assert!(POINTS.contains(&name), "{name} is no crash point");
        if !is_last(name) {
            return work.await;
        }
        let _ = tokio::time::timeout(ON_ITS_WAY, work).await;
        std::process::abort()
    }
}
