//! A channel on which jobs are leased: its consumers, what they were given, and what of it is not settled yet.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::task::Poll;

use futures_util::future::{poll_fn, try_join_all};
use futures_util::stream::{self, SelectAll};
use futures_util::{FutureExt, Stream, StreamExt};
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::FieldTable;
use smsgw_core::message::Priority;
use smsgw_core::queue::{Job, Leased, Receipt, Settlement};

use super::link::waiting;
use crate::packed::unpack;

/// The queues of [`Link`](super::link::Link), by what is in them.
pub(super) const LINES: [Priority; 2] = [Priority::High, Priority::Normal];

/// The most jobs that one consumer asks for.
const MOST: usize = 5_000;

/// What one consumer is given, with its number; the last, `None`, is its end.
type Deliveries = Pin<Box<dyn Stream<Item = (u64, Option<lapin::Result<Delivery>>)> + Send>>;

/// A lease ends with its channel, so a channel has the number that receipts carry.
pub(super) struct Session {
    pub(super) number: u64,
    /// The connection that it is on.
    pub(super) generation: u64,
    channel: Channel,
    lines: [Line; 2],
    /// What was delivered and is not settled, handed over or not.
    unsettled: BTreeSet<u64>,
    /// Delivered, and no job.
    foreign: Vec<u64>,
    next_consumer: u64,
}

struct Line {
    queue: String,
    deliveries: SelectAll<Deliveries>,
    /// What was asked of each consumer and has not come. RabbitMQ may give it more: as much again as was settled.
    open: BTreeMap<u64, usize>,
    /// Delivered and not handed over, in the order of delivery.
    arrived: BTreeMap<u64, Job>,
}

impl Session {
    pub(super) fn new(number: u64, generation: u64, channel: Channel, queues: &[String; 2]) -> Self {
        let line = |queue: &String| Line {
            queue: queue.clone(),
            deliveries: SelectAll::new(),
            open: BTreeMap::new(),
            arrived: BTreeMap::new(),
        };
        Self {
            number,
            generation,
            channel,
            lines: [line(&queues[0]), line(&queues[1])],
            unsettled: BTreeSet::new(),
            foreign: Vec::new(),
            next_consumer: 0,
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.channel.status().connected()
    }

    /// Whether nobody holds a lease of it.
    pub(super) fn is_settled(&self) -> bool {
        self.leased() == 0
    }

    /// How many leases were handed over and not settled.
    pub(super) fn leased(&self) -> usize {
        self.unsettled.len() - self.lines.iter().map(|line| line.arrived.len()).sum::<usize>()
    }

    /// Takes up to `max` jobs, of high priority first, with all that were in the queues when it was called.
    pub(super) async fn take(&mut self, max: usize) -> lapin::Result<Vec<Leased>> {
        let mut taken = Vec::new();
        if self.open(0, max).await? {
            self.catch_up().await?;
        }
        self.hand_over(0, max, &mut taken);
        if taken.len() < max {
            self.open(1, max - taken.len()).await?;
            self.catch_up().await?;
        }
        self.put_away().await?;
        for line in 0..LINES.len() {
            self.hand_over(line, max, &mut taken);
        }
        Ok(taken)
    }

    /// Waits until something is delivered.
    pub(super) async fn arrival(&mut self) -> lapin::Result<()> {
        poll_fn(|context| match self.poll_delivery(context) {
            // No consumer is open, and none will be while this is waited for.
            Poll::Ready(None) => Poll::Pending,
            Poll::Ready(Some(delivered)) => Poll::Ready(delivered),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Ends leases. `false` for one that was over.
    pub(super) async fn settle(&mut self, settlements: &[(u64, Settlement)]) -> lapin::Result<Vec<bool>> {
        // What came before these is known before they are settled, since all that came before may be settled with them.
        self.pull()?;
        let is_ours = |(tag, _): &(u64, Settlement)| self.unsettled.remove(tag);
        let outcomes: Vec<bool> = settlements.iter().map(is_ours).collect();
        let own = || {
            settlements.iter().zip(&outcomes).filter(|(_, ours)| **ours).map(|(settlement, _)| *settlement)
        };
        let mut done: Vec<u64> =
            own().filter(|(_, how)| *how == Settlement::Done).map(|(tag, _)| tag).collect();
        done.sort_unstable();
        // One frame is enough for all that come before the first that is still open, and be it released just now.
        let open = self.unsettled.first().copied().unwrap_or(u64::MAX);
        let released = own().filter(|(_, how)| *how == Settlement::Release).map(|(tag, _)| tag).min();
        let limit = open.min(released.unwrap_or(u64::MAX));
        let together = done.partition_point(|tag| *tag < limit);
        let channel = &self.channel;
        let ack = |tag, multiple| channel.basic_ack(tag, BasicAckOptions { multiple });
        if let Some(last) = together.checked_sub(1) {
            ack(done[last], true).await?;
        }
        try_join_all(done[together..].iter().map(|tag| ack(*tag, false))).await?;
        let back = BasicNackOptions { multiple: false, requeue: true };
        for (tag, _) in own().filter(|(_, how)| *how == Settlement::Release) {
            channel.basic_nack(tag, back).await?;
        }
        Ok(outcomes)
    }

    /// Gives back what was delivered and is not wanted, and asks for no more. What is delivered nevertheless comes
    /// back when the channel is closed, so a session that was retired must be closed once it is settled.
    pub(super) async fn retire(&mut self) -> lapin::Result<()> {
        self.pull()?;
        let arrived = self.lines.iter().flat_map(|line| line.arrived.keys().copied());
        let mut unwanted: Vec<_> = arrived.map(|tag| (tag, Settlement::Release)).collect();
        unwanted.extend(self.foreign.drain(..).map(|tag| (tag, Settlement::Done)));
        for line in &mut self.lines {
            line.arrived.clear();
            line.deliveries.clear();
            for (consumer, _) in std::mem::take(&mut line.open) {
                let cancel = BasicCancelOptions { nowait: true };
                self.channel.basic_cancel(consumer_tag(consumer).into(), cancel).await?;
            }
        }
        self.settle(&unwanted).await.map(drop)
    }

    /// Ends all leases that are left.
    pub(super) async fn close(&mut self) -> lapin::Result<()> {
        self.channel.close(200, "done".into()).await
    }

    pub(super) fn receipt(&self, tag: u64) -> Receipt {
        Receipt { source: self.number, entry: tag.into() }
    }

    /// Whether consumers wait for more, or hold what nobody has asked for.
    pub(super) fn is_open(&self) -> bool {
        self.lines.iter().any(|line| !line.open.is_empty() || !line.arrived.is_empty())
    }

    /// Sees to it that a queue may give us as many jobs as are wanted. Says whether that took a new consumer.
    async fn open(&mut self, line: usize, wanted: usize) -> lapin::Result<bool> {
        let line = &mut self.lines[line];
        let coming = line.open.values().sum::<usize>() + line.arrived.len();
        let Some(missing) = wanted.checked_sub(coming).filter(|missing| *missing > 0) else {
            return Ok(false);
        };
        let missing = missing.min(MOST);
        let consumer = self.next_consumer;
        self.next_consumer += 1;
        // Holds for the consumers that are made after it.
        let prefetch = u16::try_from(missing).unwrap_or(u16::MAX);
        self.channel.basic_qos(prefetch, BasicQosOptions { global: false }).await?;
        let deliveries = self
            .channel
            .basic_consume(
                line.queue.as_str().into(),
                consumer_tag(consumer).into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        line.open.insert(consumer, missing);
        let deliveries = deliveries.map(Some).chain(stream::iter([None]));
        line.deliveries.push(Box::pin(deliveries.map(move |delivery| (consumer, delivery))));
        Ok(true)
    }

    /// Takes in whatever the queues had for our consumers when this was called.
    ///
    /// A queue has said what it gives us before it answers a question, and the channel passes that on before it answers
    /// the next one.
    async fn catch_up(&mut self) -> lapin::Result<()> {
        try_join_all(self.lines.iter().map(|line| waiting(&self.channel, &line.queue))).await?;
        self.channel.basic_qos(1, BasicQosOptions { global: false }).await?;
        self.pull()
    }

    /// Takes in what is here.
    fn pull(&mut self) -> lapin::Result<()> {
        while let Some(Some(delivered)) = poll_fn(|context| self.poll_delivery(context)).now_or_never() {
            delivered?;
        }
        Ok(())
    }

    /// Takes in one delivery. `None` where no consumer is open.
    fn poll_delivery(&mut self, context: &mut std::task::Context<'_>) -> Poll<Option<lapin::Result<()>>> {
        let mut is_open = false;
        for (line, priority) in self.lines.iter_mut().zip(LINES) {
            match line.deliveries.poll_next_unpin(context) {
                Poll::Ready(Some((consumer, Some(Ok(delivery))))) => {
                    if let Some(left) = line.open.get_mut(&consumer) {
                        *left = left.saturating_sub(1);
                    }
                    self.unsettled.insert(delivery.delivery_tag);
                    match unpack(&delivery.data, priority) {
                        Some(job) => _ = line.arrived.insert(delivery.delivery_tag, job),
                        None => self.foreign.push(delivery.delivery_tag),
                    }
                    return Poll::Ready(Some(Ok(())));
                }
                Poll::Ready(Some((_, Some(Err(error))))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some((consumer, None))) => {
                    // Where we did not end it, the queue was deleted, and another consumer is needed.
                    line.open.remove(&consumer);
                    return Poll::Ready(Some(Ok(())));
                }
                Poll::Ready(None) => {}
                Poll::Pending => is_open = true,
            }
        }
        if is_open { Poll::Pending } else { Poll::Ready(None) }
    }

    fn hand_over(&mut self, line: usize, max: usize, taken: &mut Vec<Leased>) {
        while taken.len() < max
            && let Some((tag, job)) = self.lines[line].arrived.pop_first()
        {
            taken.push(Leased { job, receipt: self.receipt(tag) });
        }
    }

    /// Ends consumers that have been given what was asked of them, takes in what they were given beyond that, and removes
    /// what is no job.
    async fn put_away(&mut self) -> lapin::Result<()> {
        let mut exhausted = Vec::new();
        for line in &mut self.lines {
            line.open.retain(|consumer, left| {
                if *left == 0 {
                    exhausted.push(*consumer);
                }
                *left > 0
            });
        }
        // Until RabbitMQ has answered, more may be on its way to them, which the client drops where the answer is not waited for.
        let cancel = BasicCancelOptions { nowait: false };
        let ended = exhausted
            .iter()
            .map(|consumer| self.channel.basic_cancel(consumer_tag(*consumer).into(), cancel));
        try_join_all(ended).await?;
        self.pull()?;
        if !self.foreign.is_empty() {
            tracing::warn!(
                entries = self.foreign.len(),
                "entries of the queue are no jobs; they are removed"
            );
            let foreign: Vec<_> = self.foreign.drain(..).map(|tag| (tag, Settlement::Done)).collect();
            self.settle(&foreign).await?;
        }
        Ok(())
    }
}

fn consumer_tag(consumer: u64) -> String {
    format!("smsgw-{consumer}")
}
