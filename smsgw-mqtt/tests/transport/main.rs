//! What the conformance suite does not ask of the transport: load, broken brokers, and its last words.

#[path = "../fixtures/mod.rs"]
mod fixtures;
mod ground;
mod life;
mod limits;
mod receive;
mod rivals;
mod send;
mod share;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Completion, Failed, Trial};
use smsgw_core::conformance::{Absent, Arguments, REQUIRE};
use tokio::runtime;
use tokio::time::timeout;

use fixtures::{Kind, Place};

/// Longer than any test takes, so that one that hangs is a failure.
const LONGEST: Duration = Duration::from_secs(120);

type Test = fn(Place) -> Pin<Box<dyn Future<Output = ()>>>;

/// Tests from async functions that take a [`Place`], named after them.
macro_rules! tests {
    ($($module:ident: $($test:ident),+ $(,)?;)+) => {
        [$($((stringify!($test), (|place| Box::pin($module::$test(place))) as Test)),+),+]
    };
}

fn main() -> ExitCode {
    let everywhere = tests! {
        send:
            every_send_is_answered_and_arrives_once,
            long_receipts_come_in_parts;
        receive:
            unreadable_payloads_are_counted_and_do_not_come_again,
            deliveries_are_acknowledged_before_the_subscription_is_confirmed,
            an_inbox_that_nobody_reads_loses_nothing;
        life:
            a_broker_that_falls_silent_is_left,
            a_wrong_password_is_told,
            closing_writes_the_acknowledgements;
    };
    let on_mosquitto = tests! {
        send:
            a_dropped_send_leaves_the_others_their_answers,
            what_the_broker_would_not_take_fails_alone,
            a_broker_without_settings_takes_all;
        life:
            a_broker_is_killed_and_restarted,
            a_broker_that_is_not_there_is_told,
            closing_does_not_wait_for_a_broker_that_is_not_there;
        limits:
            a_broker_without_shared_subscriptions_is_told_where_they_are_asked_for,
            a_broker_without_wildcards_is_told,
            a_broker_without_retained_messages_serves;
        rivals:
            a_gateway_takes_its_word_away_when_it_closes,
            a_gateway_leaves_the_word_of_another,
            whoever_can_publish_cannot_end_a_gateway,
            a_word_that_a_killed_broker_restores_is_no_rival;
        share:
            gateways_with_one_share_hear_each_word_once,
            a_gateway_that_closes_leaves_its_share_at_once,
            the_share_of_a_gateway_that_died_goes_to_the_others,
            of_two_gateways_with_one_client_id_one_gives_up,
            a_gateway_that_is_taken_over_once_or_twice_comes_back;
    };
    let mut trials = Vec::new();
    for (name, test) in everywhere {
        trials.push(trial(Kind::Mosquitto, name, test));
        #[cfg(feature = "broker")]
        trials.push(trial(Kind::Embedded, name, test));
    }
    trials.extend(on_mosquitto.map(|(name, test)| trial(Kind::Mosquitto, name, test)));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(kind: Kind, name: &str, test: Test) -> Trial {
    let backend = match kind {
        Kind::Mosquitto => "mqtt",
        #[cfg(feature = "broker")]
        Kind::Embedded => "embedded",
    };
    Trial::ignorable_test(format!("{backend}::{name}"), move || {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let completion = runtime.block_on(async {
            match Place::new(kind).await {
                Ok(place) => match timeout(LONGEST, test(place)).await {
                    Ok(()) => Ok(Completion::Completed),
                    Err(_) => Err(Failed::from(format!("did not end within {LONGEST:?}"))),
                },
                Err(Absent(why)) if is_required(backend) => {
                    Err(Failed::from(format!("{REQUIRE} names it: {why}")))
                }
                Err(Absent(why)) => Ok(Completion::ignored_with(why)),
            }
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
        completion
    })
}

fn is_required(backend: &str) -> bool {
    std::env::var(REQUIRE).unwrap_or_default().split(',').any(|name| name.trim() == backend)
}
