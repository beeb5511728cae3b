//! `RESULT_BACKEND`: no gateway depends on it.
#![cfg(feature = "redis")]

use std::time::Duration;

use smsgw::redis::{RedisConfig, RedisResults};
use smsgw_core::conformance::REQUIRE;
use smsgw_test_support::Redis;

use crate::place::{FREE, Place, answer_to, submit_to};

fn redis(settings: &[&str]) -> Option<Redis> {
    match Redis::start_with(settings) {
        Ok(redis) => Some(redis),
        Err(missing) => {
            let required = std::env::var(REQUIRE).unwrap_or_default();
            assert!(!required.split(',').any(|name| name == "redis"), "{REQUIRE} names it: {missing}");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_starts_without_it_and_uses_it_once_it_is_there() {
    let Some(redis) = redis(&[]) else { return };
    redis.kill();
    let (place, url) = (Place::new(), redis.url());
    let env = [("RESULT_BACKEND", url.as_str())];
    let (mut process, ready) = place.start(&[&FREE[..], &["--devices", "1"]].concat(), &env);
    let said = place.log();
    assert!(said.contains("until this is mended") && said.contains("see RESULT_BACKEND"), "{said}");
    let (http, token) = (ready["http"].as_str().expect("one"), ready["token"].as_str().expect("one"));
    assert_eq!(answer_to(&format!("{http}/health/ready"), token).0, 200);

    redis.start_again().expect("it starts");
    let (_nothing, changes) = tokio::sync::broadcast::channel(1);
    let results = RedisResults::start(&RedisConfig::new(&url), changes).await.expect("it is there");
    let mut told = None;
    for _ in 0..100 {
        let id = submit_to(http, token);
        tokio::time::sleep(Duration::from_millis(300)).await;
        told = results.latest(id.parse().expect("an id")).await.expect("an answer");
        if told.is_some() {
            break;
        }
    }
    assert!(told.is_some(), "the gateway tells what becomes of messages: {}", place.log());
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0), "{}", place.log());
}

#[test]
fn a_gateway_whose_redis_is_away_ends_when_it_is_told_to() {
    let (place, url) = (Place::new(), format!("redis://127.0.0.1:{}", crate::place::nowhere()));
    let (mut process, _) = place.start(&FREE, &[("RESULT_BACKEND", &url)]);
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0), "{}", place.log());
}

#[test]
fn a_wrong_password_does_not_mend_by_itself_and_is_refused() {
    let Some(redis) = redis(&["--requirepass", "right"]) else { return };
    let url = format!("redis://:hunter2@127.0.0.1:{}/0", redis.port());
    let place = Place::new();
    let said = place.run(&FREE, &[("RESULT_BACKEND", &url)]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(
        said.stderr.contains("see RESULT_BACKEND") && !said.stderr.contains("hunter2"),
        "{}",
        said.stderr
    );
    assert!(said.stdout.is_empty(), "nothing was announced: {}", said.stdout);
}
