//! `gateway check`: tries each backend that the settings name, and says what is wrong and how to mend it.
//!
//! It may run beside a gateway. It takes no work from the queue, hears nothing of what devices say and sends nothing. It
//! leaves the database as it is: a schema that is older than this program is for `gateway migrate`, a SQLite file and a
//! secret that are not there yet are for the first start. It does open the queue as a start does: one that is not there
//! yet is made; and on a Mosquitto with dynamic security the gateway's account gets what it lacks of its rights.

mod backends;
mod over_tls;
mod ports;

use std::process::ExitCode;

use serde::Serialize;

use crate::flags::SettingFlags;
use crate::settings::Settings;

/// What is known of one part.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    /// What it is; where it is not ok, what is wrong and what to do.
    detail: String,
}

impl Finding {
    fn new(what: &'static str, outcome: Result<String, String>) -> Self {
        let ok = outcome.is_ok();
        let (Ok(detail) | Err(detail)) = outcome;
        Self { what, ok, detail }
    }
}

pub(crate) async fn run(flags: &SettingFlags, is_json: bool) -> ExitCode {
    let findings = match Settings::read(flags, None) {
        Err(problems) => {
            problems.iter().map(|problem| Finding::new("settings", Err(problem.to_string()))).collect()
        }
        Ok(settings) => all(&settings).await,
    };
    for Finding { what, ok, detail } in findings.iter().filter(|_| !is_json) {
        let mark = if *ok { "ok  " } else { "FAIL" };
        println!("{mark}  {what:<9} {detail}");
    }
    if is_json {
        println!("{}", serde_json::json!({"findings": findings}));
    }
    ExitCode::from(u8::from(findings.iter().any(|finding| !finding.ok)))
}

async fn all(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![Finding::new("settings", Ok("can be read, and fit together".into()))];
    findings.push(Finding::new("secret", backends::secret(settings)));
    findings.push(Finding::new("store", backends::store(settings).await));
    findings.push(Finding::new("queue", backends::queue(settings).await));
    if let Some(outcome) = backends::results(settings).await {
        findings.push(Finding::new("results", outcome));
    }
    findings.extend(backends::transport(settings).await);
    findings.extend(ports::all(settings).await);
    findings
}
