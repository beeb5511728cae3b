//! Begins and ends: the stages of a running gateway, and the order in which they stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::dispatched::Word;
use super::intake::Submission;
use super::writer::Request;
use super::{
    Handle, Shared, broker_accounts, dispatch, dispatched, inbound, intake, pull, reconcile, retention,
    statistics, writer,
};
use crate::crash;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::Inbox;

/// A gateway at work. Dropped, it takes no new work, and what is under way goes on without it: drain it instead.
#[derive(Debug)]
pub struct Running {
    handle: Handle,
    // Those that end when the gateway is told to stop, and the one that ends when the transport is closed.
    stages: JoinSet<()>,
    inbound: JoinSet<()>,
    // The one that ends when it is told to, after the last message was sent.
    words: JoinSet<()>,
    // On its own to the end: whoever still sends when the gateway stops has something to write down.
    writer: JoinSet<()>,
}

impl Running {
    pub(super) fn start(
        shared: Arc<Shared>,
        submissions: mpsc::Receiver<Submission>,
        changes: mpsc::Receiver<Request>,
        held: mpsc::Receiver<Word>,
        inbox: Inbox,
    ) -> Self {
        let mut stages = JoinSet::new();
        stages.spawn(intake::run(shared.clone(), submissions));
        stages.spawn(dispatch::run(shared.clone()));
        stages.spawn(pull::run(shared.clone()));
        stages.spawn(reconcile::run(shared.clone()));
        stages.spawn(retention::run(shared.clone()));
        stages.spawn(broker_accounts::run(shared.clone()));
        stages.spawn(statistics::run(shared.clone()));
        let mut inbound = JoinSet::new();
        inbound.spawn(inbound::run(shared.clone(), inbox));
        let mut words = JoinSet::new();
        words.spawn(dispatched::run(shared.clone(), held));
        let mut writer = JoinSet::new();
        writer.spawn(writer::run(shared.store.clone(), changes));
        Self { handle: Handle(shared), stages, inbound, words, writer }
    }

    /// What callers use.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until a stage ends that should not, as by a panic in a backend or a transport that gives up: the gateway is
    /// then no whole any more, and its process had better end and be started again. Does not return while all is well.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost; it may be called again.
    pub async fn failed(&mut self) -> Error {
        let (ended, hears) = tokio::select! {
            Some(ended) = self.stages.join_next() => (ended, true),
            Some(ended) = self.words.join_next() => (ended, true),
            Some(ended) = self.writer.join_next() => (ended, true),
            Some(ended) = self.inbound.join_next() => (ended, false),
            else => return Error::new(ErrorKind::Closed, "gateway", "run"),
        };
        // A transport that has given up knows best why.
        if !hears
            && ended.is_ok()
            && let Err(error) = self.handle.0.transport.ready().await
        {
            return error;
        }
        ended_early(ended)
    }

    /// Accepts nothing more, finishes what is under way, and closes the backends: transport, queue, store.
    ///
    /// # Errors
    /// `Timeout` where that took longer than `within`; what was not finished is safe in the store, under its lease.
    /// Otherwise the first error of closing a backend.
    pub async fn drain(mut self, within: Duration) -> Result<()> {
        tokio::time::timeout(within, self.finish()).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, "gateway", "drain").with_detail(
                "stopped before everything under way was finished; it goes on after the next start",
            ))
        })
    }

    async fn finish(&mut self) -> Result<()> {
        let shared = self.handle.0.clone();
        shared.stop.cancel();
        while self.stages.join_next().await.is_some() {}
        crash::point("draining");
        shared.sending.close();
        shared.sending.wait().await;
        shared.words.flush().await;
        // Closing the transport writes what was acknowledged and ends the inbox.
        let transport = shared.transport.close().await;
        while self.inbound.join_next().await.is_some() {}
        let queue = shared.queue.close().await;
        shared.audit.flush().await;
        let store = shared.store.close().await;
        // It goes on as long as anybody may have something to write.
        let writer = self.writer.try_join_next().map_or(Ok(()), |ended| Err(ended_early(ended)));
        writer.and(transport).and(queue).and(store)
    }
}

/// Of a stage that was not to end.
fn ended_early(ended: std::result::Result<(), JoinError>) -> Error {
    let error =
        Error::new(ErrorKind::Internal, "gateway", "run").with_detail("a stage of the gateway has ended");
    match ended {
        Ok(()) => error,
        Err(panic) => error.with_source(panic),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.0.stop.cancel();
        // They end by themselves: a write that is under way has somebody who waits for its outcome.
        self.stages.detach_all();
        self.writer.detach_all();
    }
}
