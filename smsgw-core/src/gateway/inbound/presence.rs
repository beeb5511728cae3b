use std::collections::HashMap;

use super::Shared;
use crate::audit::{Act, AuditAction};
use crate::auth::Authenticator;
use crate::device::{Device, DeviceKey, Protocol, Sim, Telemetry};
use crate::error::Result;
use crate::id::DeviceId;
use crate::key::{Credential, KeyId};
use crate::transport::{Address, Command, Downlink, TopicKey};

/// A sign of life, or of its end.
pub(super) enum Sign {
    Presence { device: DeviceId, online: bool },
    Hello { device: DeviceId, sims: Vec<Sim> },
    Telemetry { device: DeviceId, telemetry: Telemetry },
    Authenticate { key: TopicKey },
    Listening { key: TopicKey, listening: bool },
}

/// Brings the fleet up to date, and answers those who asked.
pub(super) async fn process(shared: &Shared, signs: &[Sign]) -> Result<Vec<Downlink>> {
    if signs.is_empty() {
        return Ok(Vec::new());
    }
    let native = find_native(shared, signs).await?;
    let arriving: Vec<DeviceId> = signs
        .iter()
        .filter_map(|sign| match sign {
            Sign::Presence { device, online: true } if native.contains_key(device) => Some(*device),
            _ => None,
        })
        .collect();
    if !arriving.is_empty() {
        // A new session: what the old one may have lost is given again. Before the device is given anything else.
        let recalled = shared.store.recall(&arriving).await?;
        shared.counters.recalled(usize::try_from(recalled).unwrap_or(usize::MAX));
        tracing::debug!(devices = arriving.len(), messages = recalled, "recalled");
    }
    let mut seen: Vec<_> = Vec::new();
    let mut replies = Vec::new();
    for sign in signs {
        let now = shared.clock.now();
        match sign {
            Sign::Presence { device, online } => {
                let Some(found) = native.get(device) else {
                    let act = Act::refused(AuditAction::Connect, "an unknown device");
                    shared.audit.record(Act { device: Some(*device), ..act }).await;
                    continue;
                };
                if *online {
                    shared.fleet.arrive(found, Address::Native(*device), None, now);
                } else {
                    shared.fleet.leave(*device, now);
                }
                tracing::info!(%device, online, "device presence");
                seen.push((*device, now, None));
            }
            Sign::Hello { device, sims } => seen.push((*device, now, Some(sims.clone()))),
            Sign::Telemetry { device, telemetry } => {
                // For people who look: kept in memory only, and that the device lives is noted only so often.
                if shared.fleet.note(*device, telemetry.clone(), now) {
                    let due = shared.fleet.seen(std::iter::once(*device), now);
                    seen.extend(due.into_iter().map(|device| (device, now, None)));
                }
            }
            Sign::Authenticate { key } => {
                let device = authenticate(shared, key).await?;
                replies.push(Downlink {
                    address: Address::Original(key.clone()),
                    command: Command::Authentication { accepted: device.is_some() },
                });
                if let Some((device, record)) = device {
                    shared.fleet.arrive(&device, Address::Original(key.clone()), Some(record), now);
                    tracing::info!(device = %device.id, "device authenticated");
                    seen.push((device.id, now, None));
                }
            }
            Sign::Listening { key, listening } => shared.fleet.listen(key.clone(), *listening, now),
        }
    }
    shared.store.touch_devices(&seen).await?;
    Ok(replies)
}

/// The native devices that `signs` name, by one question to the store.
async fn find_native(shared: &Shared, signs: &[Sign]) -> Result<HashMap<DeviceId, Device>> {
    let ids: Vec<DeviceId> = signs
        .iter()
        .filter_map(|sign| if let Sign::Presence { device, .. } = sign { Some(*device) } else { None })
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = shared.store.find_devices(&ids).await?;
    Ok(found.into_iter().flatten().filter(|d| d.protocol == Protocol::Native).map(|d| (d.id, d)).collect())
}

/// The device that comes in with a key of the original protocol.
pub(super) async fn authenticate(shared: &Shared, key: &TopicKey) -> Result<Option<(Device, DeviceKey)>> {
    let authenticator = Authenticator::from_parts(shared.store.clone(), shared.clock.clone());
    match authenticator.device(key.expose()).await? {
        Ok((device, key)) if device.protocol == Protocol::Original => Ok(Some((device, key))),
        Ok((device, record)) => {
            let why = "a native device on a topic of the original protocol";
            refused(shared, Some(record.id), Some(device.id), why).await;
            Ok(None)
        }
        Err(refusal) => {
            let id = Credential::parse(key.expose()).ok().map(|credential| credential.id());
            refused(shared, id, None, &refusal.to_string()).await;
            Ok(None)
        }
    }
}

/// Notes a refused key, unless that has been said often enough: such a client asks again and again.
async fn refused(shared: &Shared, credential: Option<KeyId>, device: Option<DeviceId>, why: &str) {
    let now = shared.clock.now();
    if shared.failures.pause(None, credential, now).is_none() {
        shared.failures.count(None, credential, now);
        shared.audit.record(Act { credential, device, ..Act::refused(AuditAction::Connect, why) }).await;
    }
}
