//! Nobody gets in, and nobody gets at what is not his: the same tests on the embedded broker and on a Mosquitto that
//! [`smsgw_mqtt::provision`] keeps, each with a real gateway.

mod audit;
#[path = "../broker/client.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod client;
mod forged;
mod isolation;
mod login;
mod phone;
mod place;
mod publishing;
mod revocations;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Completion, Failed, Trial};
use smsgw_core::conformance::{Absent, Arguments, REQUIRE};
use tokio::runtime;
use tokio::time::timeout;

use place::{Kind, Place};

/// Longer than any test takes, so that one that hangs is a failure.
const LONGEST: Duration = Duration::from_secs(120);

type Test = fn(Place) -> Pin<Box<dyn Future<Output = ()>>>;

/// Tests from async functions, named after them.
macro_rules! tests {
    ($($module:ident: $($test:ident),+ $(,)?;)+) => {
        [$($((concat!(stringify!($module), "::", stringify!($test)), (|place| Box::pin($module::$test(place))) as Test)),+),+]
    };
}

fn main() -> ExitCode {
    let both = tests! {
        login:
            client_id_other_than_the_user_name,
            no_password,
            a_revoked_or_expired_key;
        isolation:
            no_filter_reaches_another_native_device,
            no_filter_reaches_another_original_device;
        publishing:
            publish_to_another_devices_topic_or_to_any_down,
            a_last_will_for_another_device;
        revocations:
            a_key_used_after_it_was_revoked_by_a_live_session,
            a_key_at_the_instant_of_its_expiry;
    };
    let embedded = tests! {
        audit:
            each_refused_access_is_noted_without_a_key;
        forged:
            a_report_for_an_unknown_message_or_for_another_devices;
    };
    let of = |kind: Kind, tests: &[(&'static str, Test)]| -> Vec<Trial> {
        tests.iter().map(|(name, test)| trial(kind, name, *test)).collect()
    };
    let mut trials = of(Kind::Embedded, &both);
    trials.extend(of(Kind::Embedded, &embedded));
    trials.extend(of(Kind::Mosquitto, &both));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(kind: Kind, name: &str, test: Test) -> Trial {
    Trial::ignorable_test(format!("{kind}::{name}"), move || {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let completion = runtime.block_on(async {
            let place = match Place::start(kind).await {
                Ok(place) => place,
                Err(absent) => return skipped(absent),
            };
            match timeout(LONGEST, test(place)).await {
                Ok(()) => Ok(Completion::Completed),
                Err(_) => Err(Failed::from(format!("did not end within {LONGEST:?}"))),
            }
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
        completion
    })
}

/// Ignored, unless the environment asks for `mqtt`.
fn skipped(Absent(why): Absent) -> Result<Completion, Failed> {
    let required = std::env::var(REQUIRE).unwrap_or_default();
    if required.split(',').any(|name| name.trim() == "mqtt") {
        return Err(Failed::from(format!("{REQUIRE} names it: {why}")));
    }
    Ok(Completion::ignored_with(why))
}
