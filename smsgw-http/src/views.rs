//! What things look like in JSON: messages, devices, keys, received SMS, accounts, tokens, the audit log.

mod accounts;
mod audit;

use serde::Serialize;
use smsgw_core::device::{DeviceKey, Sim};
use smsgw_core::gateway::DeviceStatus;
use smsgw_core::id::{DeviceId, MessageId, ReportId};
use smsgw_core::key::{Credential, KeyId};
use smsgw_core::message::{Message, MessageEvent};
use smsgw_core::phone::PhoneNumber;
use smsgw_core::rate::RateLimit;
use smsgw_core::state::State;
use smsgw_core::store::ReceivedSms;
use smsgw_core::time::Timestamp;
use utoipa::ToSchema;

pub(crate) use accounts::{NewTokenView, TokenView, UserView};
pub(crate) use audit::AuditView;

/// A message.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageView<'a> {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    id: MessageId,
    /// Where it is on its way.
    #[schema(value_type = String, example = "scheduled")]
    state: State,
    /// Why it waits, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "no_device_online")]
    reason: Option<&'static str>,
    /// The recipient; a pseudonym, as `~0123456789abcde`, where it was erased.
    #[schema(value_type = String, example = "+5351234567")]
    to: PhoneNumber,
    /// The text; empty where it was erased.
    #[schema(value_type = String, example = "hola")]
    body: &'a str,
    /// The device that was asked for or chosen.
    #[schema(value_type = Option<String>, format = "uuid")]
    device_id: Option<DeviceId>,
    /// The slot of the SIM card to use, counted from 1.
    sim: Option<u8>,
    /// How the body is encoded on the air: `gsm7` or `ucs2`.
    #[schema(value_type = String, example = "gsm7")]
    encoding: &'static str,
    /// How many SMS parts it takes.
    #[schema(example = 1)]
    segments: u16,
    /// `normal` or `high`.
    #[schema(value_type = String, example = "normal")]
    priority: &'static str,
    /// How often it was taken for sending.
    #[schema(example = 0)]
    attempts: u32,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it is to be sent.
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    /// When it is no longer wanted.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// When the device handed it to the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Timestamp>,
    /// When the network said that it arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    delivered_at: Option<Timestamp>,
    /// When its text and recipient were erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    erased_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<FailureView<'a>>,
}

/// Why a message failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
pub(crate) struct FailureView<'a> {
    /// A stable code.
    #[schema(value_type = String, example = "no_service")]
    code: &'a str,
    /// More words, where the device had any.
    #[schema(value_type = Option<String>)]
    detail: Option<&'a str>,
}

impl<'a> MessageView<'a> {
    pub(crate) fn of(message: &'a Message) -> Self {
        Self {
            id: message.id,
            state: message.state,
            reason: message.reason.map(|reason| reason.as_str()),
            to: message.to,
            body: message.body.expose(),
            device_id: message.device,
            sim: message.sim,
            encoding: message.encoding.as_str(),
            segments: message.segments,
            priority: message.priority.as_str(),
            attempts: message.attempts,
            created_at: message.created_at,
            due_at: message.due_at,
            expires_at: message.expires_at,
            sent_at: message.sent_at,
            delivered_at: message.delivered_at,
            erased_at: message.erased_at,
            error: message
                .failure
                .as_ref()
                .map(|f| FailureView { code: &f.code, detail: f.detail.as_deref() }),
        }
    }
}

/// One line of a message's history.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventView<'a> {
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The state that was reached or reported.
    #[schema(value_type = String, example = "sent")]
    state: State,
    /// The attempt it belongs to; 0 before the first.
    #[schema(example = 1)]
    attempt: u32,
    /// The device it belongs to.
    #[schema(value_type = Option<String>, format = "uuid")]
    device_id: Option<DeviceId>,
    /// Why the message waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reason: Option<&'static str>,
    /// A failure's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    code: Option<&'a str>,
    /// False where it came too late and changed nothing.
    #[schema(example = true)]
    applied: bool,
}

impl<'a> EventView<'a> {
    pub(crate) fn of(event: &'a MessageEvent) -> Self {
        Self {
            at: event.at,
            state: event.state,
            attempt: event.attempt,
            device_id: event.device,
            reason: event.reason.map(|reason| reason.as_str()),
            code: event.code.as_deref(),
            applied: event.applied,
        }
    }
}

/// A phone or modem.
#[derive(Serialize, ToSchema)]
#[schema(as = Device)]
pub(crate) struct DeviceView<'a> {
    /// Its id, also its MQTT user name and client id.
    #[schema(value_type = String, format = "uuid")]
    id: DeviceId,
    /// What you call it.
    #[schema(value_type = String, example = "office phone")]
    name: &'a str,
    /// More words of yours.
    #[schema(value_type = Option<String>)]
    description: Option<&'a str>,
    /// What it speaks: `native` or `original`.
    #[schema(value_type = String, example = "native")]
    protocol: &'static str,
    /// How fast it may be given messages; the gateway's default where there is none.
    #[schema(value_type = Option<String>, example = "10/m")]
    rate_limit: Option<RateLimit>,
    /// Whether it is there.
    #[schema(example = true)]
    online: bool,
    /// Whether it is given nothing new.
    paused: bool,
    /// How many messages it has been given and has not acknowledged. One that is paused is drained when this is 0.
    #[schema(example = 0)]
    in_hand: usize,
    /// How it is, where it has said so since the gateway was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    telemetry: Option<TelemetryView<'a>>,
    /// The SIM cards it said it has.
    sims: Vec<SimView<'a>>,
    /// When it was last heard of.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// How a device is, as it said last. What it did not say is left out.
#[derive(Serialize, ToSchema)]
#[schema(as = Telemetry)]
pub(crate) struct TelemetryView<'a> {
    /// How full its battery is, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 100, example = 80)]
    battery: Option<u8>,
    /// Whether it is on a charger.
    #[serde(skip_serializing_if = "Option::is_none")]
    charging: Option<bool>,
    /// How strong the signal is, in dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = -97)]
    signal: Option<i16>,
    /// The kind of network.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "lte")]
    network: Option<&'a str>,
    /// When it said so.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
}

/// One SIM card.
#[derive(Serialize, ToSchema)]
#[schema(as = Sim)]
pub(crate) struct SimView<'a> {
    /// Its slot, counted from 1.
    #[schema(example = 1)]
    slot: u8,
    /// Its own number, where the device knows it.
    #[schema(value_type = Option<String>)]
    number: Option<&'a str>,
    /// The network's name.
    #[schema(value_type = Option<String>)]
    carrier: Option<&'a str>,
}

impl<'a> DeviceView<'a> {
    pub(crate) fn of(status: &'a DeviceStatus) -> Self {
        let device = &status.device;
        let sim = |sim: &'a Sim| SimView {
            slot: sim.slot,
            number: sim.number.as_deref(),
            carrier: sim.carrier.as_deref(),
        };
        let presence = &status.presence;
        let telemetry = presence.telemetry.as_ref().map(|said| TelemetryView {
            battery: said.battery,
            charging: said.charging,
            signal: said.signal,
            network: said.network.as_deref(),
            at: presence.telemetry_at,
        });
        Self {
            id: device.id,
            name: &device.name,
            description: device.description.as_deref(),
            protocol: device.protocol.as_str(),
            rate_limit: device.rate_limit,
            online: presence.online,
            paused: device.paused,
            in_hand: presence.in_hand,
            telemetry,
            sims: device.sims.iter().map(sim).collect(),
            last_seen_at: device.last_seen_at,
            created_at: device.created_at,
        }
    }
}

/// An API key of a device, without the key.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct KeyView {
    /// Its id.
    #[schema(value_type = String, example = "mfrggzdfmztwq2lk")]
    id: KeyId,
    /// What the key begins with.
    #[schema(example = "sgw_dev_mfrggzdfmztwq2lk")]
    prefix: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From when on it is refused.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When a device last came in with it.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// Since when it is refused.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
}

impl KeyView {
    pub(crate) fn of(key: &DeviceKey) -> Self {
        Self {
            id: key.id,
            prefix: format!("sgw_dev_{}", key.id),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A new API key: the only time that the key is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
pub(crate) struct NewKeyView<'a> {
    /// Its id.
    #[schema(value_type = String, example = "mfrggzdfmztwq2lk")]
    id: KeyId,
    /// The key. Give it to the device; nobody can show it again.
    #[schema(value_type = String, example = "sgw_dev_mfrggzdfmztwq2lk_…")]
    api_key: &'a str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From when on it is refused.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl<'a> NewKeyView<'a> {
    pub(crate) fn of(credential: &'a Credential, key: &DeviceKey) -> Self {
        Self {
            id: key.id,
            api_key: credential.expose(),
            created_at: key.created_at,
            expires_at: key.expires_at,
        }
    }
}

/// An SMS that a device has received.
#[derive(Serialize, ToSchema)]
#[schema(as = ReceivedMessage)]
pub(crate) struct ReceivedView<'a> {
    /// Its id, unique for the device.
    #[schema(value_type = String, format = "uuid")]
    id: ReportId,
    /// The device that received it.
    #[schema(value_type = String, format = "uuid")]
    device_id: DeviceId,
    /// The sender: a number, or a name where the network allows one; a pseudonym where it was erased.
    #[schema(value_type = String, example = "+5351234567")]
    from: &'a str,
    /// The text.
    #[schema(value_type = String, example = "hola")]
    body: &'a str,
    /// The slot of the SIM card, counted from 1.
    sim: Option<u8>,
    /// When the device received it, or the gateway where the device does not say.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// When its text and sender were erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    erased_at: Option<Timestamp>,
}

impl<'a> ReceivedView<'a> {
    pub(crate) fn of(sms: &'a ReceivedSms) -> Self {
        Self {
            id: sms.id,
            device_id: sms.device,
            from: &sms.from,
            body: &sms.body,
            sim: sms.sim,
            received_at: sms.received_at,
            erased_at: sms.erased_at,
        }
    }
}
