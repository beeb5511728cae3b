//! Two gateway processes on one database and one broker.

use std::collections::HashSet;
use std::time::Duration;

use smsgw_test_support::Redis;

use crate::deployment::{Deployment, all_delivered, available, submit_many};
use crate::support::{Gateway, eventually, radio, start_device};

const PHONES: usize = 4;
const EACH: usize = 100;
/// The lease of the dead gateway, the next look, and a loaded machine.
const LEFT_BEHIND: Duration = Duration::from_secs(45);

/// Both take messages; one is killed in the middle of them.
fn share_and_survive(deployment: &Deployment, settings: &[(&'static str, String)]) {
    let start = |name: &'static str| -> Gateway {
        let mut settings = settings.to_vec();
        settings.push(("MQTT_CLIENT_ID", format!("smsgw-{name}")));
        deployment.gateway(name, &settings)
    };
    let (mut north, south) = (start("north"), start("south"));
    let args = deployment.device_args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut phones = Vec::new();
    for n in 0..PHONES {
        let (device, key) = if n % 2 == 0 { &north } else { &south }.device("native");
        phones.push((start_device(deployment.path(), &south.mqtt, &device, &key, &args), device));
    }
    let mut ids: HashSet<String> = HashSet::new();
    for round in 0..EACH / 20 {
        ids.extend(submit_many(&north, 20, &format!("north {round}")));
        ids.extend(submit_many(&south, 20, &format!("south {round}")));
    }
    north.process.signal("-KILL");
    north.process.exit_code();
    let took = all_delivered(&south, &ids);
    assert!(took < LEFT_BEHIND, "{took:?}");
    let sent: Vec<String> = phones.iter().flat_map(|(_, id)| radio(deployment.path(), id)).collect();
    assert_eq!(sent.len(), ids.len(), "each went over the air once");
    assert_eq!(sent.into_iter().collect::<HashSet<_>>(), ids);
}

#[test]
fn they_share_a_queue_and_one_outlives_the_other() {
    let Some(redis) = available(Redis::start(), "redis") else { return };
    let Some(deployment) = Deployment::start() else { return };
    let mut settings = deployment.settings();
    settings.push(("BROKER_URL", redis.url()));
    settings.push(("RESULT_BACKEND", redis.url()));
    share_and_survive(&deployment, &settings);
}

#[test]
fn they_share_nothing_but_the_database_and_the_broker() {
    let Some(deployment) = Deployment::start() else { return };
    share_and_survive(&deployment, &deployment.settings());
}

#[test]
fn two_with_one_client_id_end_with_a_reason() {
    let Some(deployment) = Deployment::start() else { return };
    let mut settings = deployment.settings();
    settings.push(("MQTT_CLIENT_ID", "smsgw-same".into()));
    let first = deployment.gateway("first", &settings);
    let mut second = first_to_end(&deployment, &settings, first);
    assert_eq!(second.process.exit_code(), Some(78), "a supervisor must not start it again");
    let log = second.log();
    assert!(log.contains("MQTT_CLIENT_ID"), "{log}");
}

/// Starts a rival and waits until one of the two has ended; the other may go on.
fn first_to_end(deployment: &Deployment, settings: &[(&str, String)], first: Gateway) -> Gateway {
    let rival = deployment.gateway("rival", settings);
    let mut both = [first, rival];
    let ended = eventually("one of them ends", || {
        (0..2).find(|n| both[*n].process.child.try_wait().expect("waits").is_some())
    });
    let [first, rival] = both;
    if ended == 0 { first } else { rival }
}
