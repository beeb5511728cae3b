//! Forgets what is kept for a time only: idempotency keys, texts and numbers, the audit log.

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
    let mut more = store.forget_keys(BATCH).await? == BATCH;
    if let Some(kept) = shared.settings.keep_contents {
        more |= store.erase(now - kept, BATCH, &shared.pseudonyms).await? == BATCH;
        more |= store.erase_received(now - kept, BATCH, &shared.pseudonyms).await? == BATCH;
    }
    if let Some(kept) = shared.settings.keep_audit {
        more |= store.forget_audit(now - kept, BATCH).await? == BATCH;
    }
    Ok(more)
}
