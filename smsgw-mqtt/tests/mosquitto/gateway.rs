//! The gateway's own account: made by the provisioner, and by hand as the documentation says.

use std::sync::Arc;

use smsgw_core::conformance::Absent;
use smsgw_core::device::Protocol;
use smsgw_core::provision::Provisioner;
use smsgw_core::transport::Transport;
use smsgw_mqtt::transport::{MqttConfig, MqttTransport};
use tokio::time::timeout;

use crate::broker::until_ready;
use crate::fixtures::{BRIEF, Device, LONG};
use crate::ground::Ground;

/// Where the commands for operators are.
const DOCUMENTATION: &str = include_str!("../../src/provision/mod.rs");

pub(crate) async fn the_gateway_gives_itself_its_rights_once() -> Result<(), Absent> {
    let ground = Ground::start()?;
    assert!(!ground.control(&["listRoles"]).contains("smsgw-gateway"));
    ground.provisioner().check().await.expect("check");
    assert!(ground.control(&["getClient", "gateway"]).contains("smsgw-gateway"));
    // From now on no session of the gateway ends over it.
    let transport = MqttTransport::new(ground.config().with_share("smsgw"));
    let _inbox = transport.open().await.expect("open");
    until_ready(&transport).await;
    for _ in 0..3 {
        ground.provisioner().check().await.expect("check");
    }
    tokio::time::sleep(BRIEF).await;
    transport.ready().await.expect("it is connected still");
    // What an older version, or somebody, left out is added.
    ground.control(&["removeRoleACL", "smsgw-gateway", "publishClientSend", "devices/+/sms"]);
    ground.provisioner().check().await.expect("check");
    assert!(ground.control(&["getRole", "smsgw-gateway"]).contains("devices/+/sms"));
    until_ready(&transport).await;
    transport.close().await.expect("close");
    Ok(())
}

/// An account that may do what the documentation lists, and not administer.
pub(crate) async fn the_rights_of_the_documentation_are_enough() -> Result<(), Absent> {
    let ground = Ground::start()?;
    let mut commands = 0;
    for line in DOCUMENTATION.lines() {
        let Some(words) = line.strip_prefix("//! mosquitto_ctrl -u admin dynsec ") else { continue };
        let words: Vec<&str> = words.split(' ').map(|word| word.trim_matches('\'')).collect();
        ground.control(&words);
        commands += 1;
    }
    assert_eq!(commands, 11);
    ground.control(&["createClient", "plain", "-p", "pw"]);
    ground.control(&["addClientRole", "plain", "smsgw-gateway"]);
    let key = ground.device(Protocol::Native);
    ground.provisioner().grant(std::slice::from_ref(&key.grant)).await.expect("grant");
    let config = MqttConfig { client_id: "plain".into(), ..ground.config() };
    let config = config.with_account("plain", "pw".to_owned().into());
    for config in [config.clone(), config.with_share("smsgw")] {
        let transport = Arc::new(MqttTransport::new(config));
        let mut inbox = transport.open().await.expect("open");
        until_ready(&transport).await;
        let broker = (std::net::Ipv4Addr::LOCALHOST, ground.server.port()).into();
        let mut device = Device::native(broker, key.grant.device, Some(key.text.clone()));
        smsgw_core::conformance::transport::TestDevice::connect(&mut device).await;
        let heard = timeout(LONG, inbox.receive(&mut Vec::new(), 1)).await.expect("its presence");
        assert_eq!(heard, 1);
        transport.close().await.expect("close");
    }
    Ok(())
}
