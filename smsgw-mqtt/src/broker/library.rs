//! What the library is told.

use std::time::Duration;

use mqtt5::broker::config::{BrokerConfig as Settings, StorageBackend, StorageConfig};
use mqtt5::broker::resource_monitor::ResourceLimits;

use super::BrokerConfig;

/// The largest packet: 4 KiB of payload, with topic and properties.
const MAX_PACKET: usize = 8 * 1024;
/// Unacknowledged QoS 2 publishes that a client may have open, each kept until it is released.
const RECEIVE_MAXIMUM: u16 = 1_000;
/// Messages that wait for a client's socket. Past that those at QoS 0 are dropped, as MQTT allows, and publishers of the
/// others wait.
const CHANNEL: usize = 10_000;

/// Its own defaults keep sessions in files and take packets of 256 MiB.
pub(super) fn settings(config: &BrokerConfig) -> Settings {
    let mut settings = Settings::default()
        .with_max_packet_size(MAX_PACKET)
        .with_session_expiry(Duration::from_secs(config.session_expiry_s.into()))
        .with_storage(StorageConfig::default().with_backend(StorageBackend::Memory));
    settings.bind_addresses = Vec::new();
    settings.sys_topics_enabled = false;
    settings.topic_alias_maximum = 0;
    settings.server_receive_maximum = Some(RECEIVE_MAXIMUM);
    settings.max_outbound_inflight = RECEIVE_MAXIMUM;
    settings.client_channel_capacity = CHANNEL;
    settings
}

/// The library counts here; the limits are ours.
pub(super) fn no_limits() -> ResourceLimits {
    ResourceLimits {
        max_connections: usize::MAX,
        max_connections_per_ip: usize::MAX,
        max_message_rate_per_client: 0,
        max_bandwidth_per_client: 0,
        max_connection_rate: u32::MAX,
        rate_limit_window: Duration::from_secs(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_one_connection_are_small() {
        assert!(size_of::<Settings>() <= 2_048, "{}", size_of::<Settings>());
    }
}
