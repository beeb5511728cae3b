//! The cases of [`Transport`].

mod capabilities;
mod ground;
mod layered;
mod lifecycle;
mod receive;
mod send;
mod sweeps;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::case::cases;
use super::{Absent, Case, Suite};
use crate::device::Protocol;
use crate::id::{MessageId, ReportId};
use crate::transport::{Address, DeviceEvent, Transport};

pub use layered::layered;

/// A transport for one case, and a broker or the like of its own.
#[async_trait]
pub trait TransportFixture: Send + Sync + 'static {
    /// The transport, not opened yet: each time the same.
    fn transport(&self) -> Arc<dyn Transport>;

    /// A new device that the broker lets in, not connected yet. `None` where the transport does not know the protocol;
    /// `native` is known to all.
    async fn device(&self, protocol: Protocol) -> Option<Box<dyn TestDevice>>;

    /// Cuts the transport's connection to its broker. The transport comes back by itself.
    async fn sever(&self);

    /// How many events a device may say while nobody reads the inbox: more than the inbox holds, where whatever is
    /// behind it (the broker's queue, a device that has to wait) keeps that many.
    fn backlog(&self) -> usize;
}

/// A device as the broker sees it: it answers and reports nothing by itself, and does not connect again.
#[async_trait]
pub trait TestDevice: Send {
    /// Where its messages go.
    fn address(&self) -> Address;

    /// Comes online and subscribes; a device of the original protocol presents its key. Returns when the broker has
    /// confirmed it.
    async fn connect(&mut self);

    /// The next command, within `wait`.
    async fn hear(&mut self, wait: Duration) -> Option<Heard>;

    /// Says something at QoS 1, or what is like it. Returns when the broker has it.
    async fn say(&mut self, event: DeviceEvent);

    /// Its connection is cut without a word of its own.
    async fn vanish(&mut self);
}

/// A [`Command`](crate::transport::Command) as it arrives, with what the device's protocol carries of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Send this SMS.
    Send {
        /// The message, where the protocol says it.
        id: Option<MessageId>,
        /// The recipient.
        to: String,
        /// The text.
        body: String,
        /// The slot of the SIM card, where the protocol says it.
        sim: Option<u8>,
        /// The number of the attempt, where the protocol says it.
        attempt: Option<u32>,
    },
    /// Do not send this message.
    Cancel(MessageId),
    /// These reports are stored.
    Receipt(Vec<ReportId>),
    /// Whether its key is valid.
    Authentication {
        /// It is.
        accepted: bool,
    },
}

/// The cases for the transport that `fresh` makes; `backend` names it, as `mqtt`.
pub fn suite<F: TransportFixture>(
    backend: &str,
    fresh: impl AsyncFn() -> Result<F, Absent> + Send + Sync + 'static,
) -> Suite {
    let boxed = async move || Ok(Box::new(fresh().await?) as Box<dyn TransportFixture>);
    Suite::new(backend, "transport", cases(), boxed)
}

/// All cases of a transport.
pub fn cases() -> Vec<Case<dyn TransportFixture>> {
    cases! {
        send:
            message_arrives_whole,
            messages_arrive_in_order,
            outcomes_are_in_order,
            message_reaches_its_device_alone,
            cancellation_arrives,
            receipts_arrive,
            odd_texts_arrive_byte_for_byte,
            original_device_hears_number_and_text,
            sends_again_after_a_cut;
        receive:
            report_is_delivered,
            received_sms_is_delivered_byte_for_byte,
            device_introduces_itself,
            device_comes_and_goes,
            events_are_delivered_in_order,
            full_inbox_drops_nothing,
            acknowledged_delivery_does_not_come_again;
        capabilities:
            says_where_nobody_is_subscribed,
            says_who_is_listening,
            delivers_again_what_was_not_acknowledged,
            ends_the_session_of_a_device;
        lifecycle:
            ready_while_open,
            opening_twice_is_invalid,
            closed_transport_answers_closed,
            closing_twice_is_no_error,
            closing_ends_the_inbox,
            empty_batches_do_nothing,
            debug_shows_no_content;
        sweeps:
            send_can_be_dropped,
            receive_can_be_dropped,
            close_can_be_dropped;
    }
}
