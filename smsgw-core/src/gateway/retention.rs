//! Forgets what is kept for a time only: idempotency keys, texts and numbers, what is left of messages, the audit log.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use crate::error::Result;

/// How often it is looked for what is old.
const EVERY: Duration = Duration::from_secs(60);
/// Rows of one call. Other writers have their turn between two.
const BATCH: usize = 1_000;
/// How long they have it.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks at once, then regularly, until the gateway stops.
pub(super) async fn run(shared: Arc<Shared>) {
    shared.stop.run_until_cancelled(forget_for_ever(&shared)).await;
}

async fn forget_for_ever(shared: &Shared) {
    loop {
        match forget(shared).await {
            Ok(true) => tokio::time::sleep(PAUSE).await,
            Ok(false) => tokio::time::sleep(EVERY).await,
            Err(error) => {
                tracing::warn!(%error, "could not forget what is old; trying again");
                tokio::time::sleep(EVERY).await;
            }
        }
    }
}

/// Forgets a batch of each kind, and says whether there may be more.
async fn forget(shared: &Shared) -> Result<bool> {
    let (store, now) = (&shared.store, shared.clock.now());
    let keys = store.forget_keys(BATCH).await;
    // A key leads to its message, and goes before it.
    let may_remove = matches!(keys, Ok(count) if count < BATCH);
    let mut counts = vec![keys];
    if let Some(kept) = shared.settings.keep_contents {
        counts.push(store.erase(now - kept, BATCH, &shared.pseudonyms).await);
        counts.push(store.erase_received(now - kept, BATCH, &shared.pseudonyms).await);
    }
    if let Some(kept) = shared.settings.keep_history.filter(|_| may_remove) {
        counts.push(store.remove(now - kept, BATCH).await);
        counts.push(store.remove_received(now - kept, BATCH).await);
    }
    if let Some(kept) = shared.settings.keep_audit {
        counts.push(store.forget_audit(now - kept, BATCH).await);
    }
    // Where one kind fails, the others are forgotten all the same.
    counts.into_iter().try_fold(false, |more, count| Ok(more | (count? == BATCH)))
}
