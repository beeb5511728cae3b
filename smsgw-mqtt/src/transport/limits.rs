//! What a broker says in its CONNACK that it cannot do.

use rumqttc::v5::mqttbytes::v5::ConnAckProperties;

/// MQTT 5, 3.2.2.3: what is not said is as if there were no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of a packet.
    pub(crate) max_packet: Option<u32>,
    /// It keeps retained messages. Whoever publishes one where it does not is disconnected.
    pub(crate) retains: bool,
    shares: bool,
    wildcards: bool,
}

impl Limits {
    pub(crate) fn read(said: Option<&ConnAckProperties>) -> Self {
        let can =
            |which: fn(&ConnAckProperties) -> Option<u8>| said.is_none_or(|said| which(said) != Some(0));
        Self {
            max_packet: said.and_then(|said| said.max_packet_size),
            retains: can(|said| said.retain_available),
            shares: can(|said| said.shared_subscription_available),
            wildcards: can(|said| said.wildcard_subscription_available),
        }
    }

    /// Why a gateway cannot work there at all, and what to do.
    pub(super) fn lack(&self, share: Option<&str>) -> Option<String> {
        if !self.wildcards {
            return Some(
                "it has no subscriptions with wildcards, without which its devices cannot be heard; allow them in its \
                 settings, or use another broker"
                    .into(),
            );
        }
        share.filter(|_| !self.shares).map(|name| {
            format!(
                "it has no shared subscriptions, by which several gateways share its traffic as {name:?}; allow them \
                 in its settings, or run one gateway alone with `share` turned off"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::v5::{ConnAck, ConnectReturnCode};

    use super::*;

    fn properties() -> ConnAckProperties {
        ConnAckProperties {
            session_expiry_interval: None,
            receive_max: None,
            max_qos: None,
            retain_available: None,
            max_packet_size: None,
            assigned_client_identifier: None,
            topic_alias_max: None,
            reason_string: None,
            user_properties: Vec::new(),
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: None,
            server_keep_alive: None,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        }
    }

    #[test]
    fn what_is_not_said_is_no_limit() {
        let ack = ConnAck { session_present: false, code: ConnectReturnCode::Success, properties: None };
        let none = Limits { max_packet: None, retains: true, shares: true, wildcards: true };
        assert_eq!(Limits::read(ack.properties.as_ref()), none);
        assert_eq!(Limits::read(Some(&properties())), none);
        let said = ConnAckProperties { retain_available: Some(1), max_packet_size: Some(9), ..properties() };
        assert_eq!(Limits::read(Some(&said)), Limits { max_packet: Some(9), ..none });
        assert_eq!(none.lack(Some("smsgw")), None);
    }

    #[test]
    fn only_what_the_gateway_needs_is_lacking() {
        let said = ConnAckProperties {
            retain_available: Some(0),
            shared_subscription_available: Some(0),
            ..properties()
        };
        let limits = Limits::read(Some(&said));
        assert!(!limits.retains);
        assert_eq!(limits.lack(None), None);
        assert!(limits.lack(Some("smsgw")).is_some_and(|why| why.contains("`share` turned off")));
        let said = ConnAckProperties { wildcard_subscription_available: Some(0), ..properties() };
        assert!(Limits::read(Some(&said)).lack(None).is_some_and(|why| why.contains("wildcards")));
    }
}
