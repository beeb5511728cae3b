//! The parts of a real Mosquitto that operators are advised to use: TLS, and accounts of the dynamic security plugin.

mod broker;
mod certificates;
mod client;
#[path = "../fixtures/mod.rs"]
mod fixtures;
mod gateway;
mod ground;
mod provision;
mod shared;
mod suite;
mod tls;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Completion, Failed, Trial};
use smsgw_core::conformance::{Absent, Arguments, Outcome, REQUIRE, Suite};
use tokio::runtime;
use tokio::time::timeout;

/// Longer than any test takes, so that one that hangs is a failure.
const LONGEST: Duration = Duration::from_secs(120);

type Test = fn() -> Pin<Box<dyn Future<Output = Result<(), Absent>>>>;

/// Tests from async functions, named after them. They answer [`Absent`] where there is no broker.
macro_rules! tests {
    ($($module:ident: $($test:ident),+ $(,)?;)+) => {
        [$($((concat!(stringify!($module), "::", stringify!($test)), (|| Box::pin($module::$test())) as Test)),+),+]
    };
}

fn main() -> ExitCode {
    let tests = tests! {
        tls:
            what_is_wrong_with_files_is_told_before_anything_is_opened,
            a_good_broker_is_reached,
            a_broker_of_another_authority_is_told,
            a_broker_that_this_machine_does_not_know_is_told,
            an_expired_certificate_is_told,
            another_host_is_told,
            a_port_without_tls_is_told,
            a_missing_client_certificate_is_told,
            a_client_certificate_of_another_authority_is_told,
            a_renewed_certificate_is_used_from_the_next_connection_on;
        provision:
            devices_are_kept_apart,
            original_devices_come_in_by_each_of_their_keys,
            whoever_is_disabled_is_out_at_once,
            the_last_key_counts,
            a_resync_makes_and_removes_the_difference,
            a_resync_puts_right_what_others_have_changed,
            many_devices_are_granted_at_once,
            a_broker_without_the_plugin_is_told,
            a_broker_that_takes_a_command_and_answers_nothing_has_no_plugin,
            a_broker_that_stalls_may_have_the_plugin,
            a_broker_without_retained_messages_keeps_accounts,
            an_account_without_rights_is_told,
            an_open_broker_is_told,
            a_grant_without_its_key_is_refused;
        shared:
            the_shared_account_reaches_one_key_at_a_time,
            the_shared_account_is_kept_and_removed_as_it_is_configured,
            an_account_of_somebody_else_is_not_taken,
            a_grant_that_crosses_a_resync_lets_in;
        gateway:
            the_gateway_gives_itself_its_rights_once,
            the_rights_of_the_documentation_are_enough;
    };
    let mut trials: Vec<Trial> = tests.into_iter().map(|(name, test)| trial(name, test)).collect();
    trials.extend(suite::all().into_iter().flat_map(Suite::into_cases).map(|(name, case)| {
        Trial::ignorable_test(name, move || match case() {
            Outcome::Passed => Ok(Completion::Completed),
            Outcome::Failed(why) => Err(Failed::from(why)),
            Outcome::Absent(absent) => skipped(absent),
        })
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: &str, test: Test) -> Trial {
    Trial::ignorable_test(name, move || {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let completion = runtime.block_on(async {
            match timeout(LONGEST, test()).await {
                Ok(Ok(())) => Ok(Completion::Completed),
                Ok(Err(absent)) => skipped(absent),
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
