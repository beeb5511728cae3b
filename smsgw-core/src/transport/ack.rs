use std::fmt;
use std::sync::Arc;

/// Takes the gateway's word that deliveries are stored.
pub trait Acknowledge: Send + Sync + 'static {
    /// The deliveries of these tokens are stored. Must not block, and may come after the transport has closed.
    fn acknowledge(&self, tokens: &[u64]);
}

/// The right to acknowledge one delivery to the broker. Dropped unused, the delivery comes again after the next
/// connection.
#[must_use = "dropping an Ack leaves the delivery unacknowledged"]
#[derive(Clone)]
pub struct Ack(Option<(Arc<dyn Acknowledge>, u64)>);

impl Ack {
    /// An acknowledgement that `sink` takes as `token`.
    pub fn new(sink: Arc<dyn Acknowledge>, token: u64) -> Self {
        Self(Some((sink, token)))
    }

    /// For deliveries that nobody waits to have acknowledged.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Acknowledges a batch, in order, with one call for each run of the same transport.
    pub fn acknowledge(acks: Vec<Self>) {
        let mut run: Option<(Arc<dyn Acknowledge>, Vec<u64>)> = None;
        for (sink, token) in acks.into_iter().filter_map(|ack| ack.0) {
            match &mut run {
                Some((current, tokens)) if Arc::ptr_eq(current, &sink) => tokens.push(token),
                _ => {
                    if let Some((current, tokens)) = run.replace((sink, vec![token])) {
                        current.acknowledge(&tokens);
                    }
                }
            }
        }
        if let Some((sink, tokens)) = run {
            sink.acknowledge(&tokens);
        }
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ack").field(&self.0.as_ref().map(|(_, token)| token)).finish()
    }
}
