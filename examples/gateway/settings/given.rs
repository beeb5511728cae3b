//! The settings as they were given, for people to look at.

use serde::Serialize;

use super::Settings;
use super::names::{self, Name};
use super::problem::Problem;
use super::sources::Sources;
use crate::flags::SettingFlags;

const HIDDEN: &str = "(hidden)";

/// One setting and where it comes from.
#[derive(Debug, Serialize)]
pub(crate) struct InForce {
    pub(crate) name: &'static str,
    /// Nothing where there is none, and something else where it is a secret.
    pub(crate) value: Option<String>,
    pub(crate) source: String,
}

/// All of them, in the order of [`names::ALL`]; what is wrong where they cannot be used.
pub(crate) fn in_force(flags: &SettingFlags) -> Result<Vec<InForce>, Vec<Problem>> {
    Settings::read(flags, None)?;
    let sources = Sources::read(flags)?;
    let one = |name: Name| match sources.get(name) {
        Some(given) => InForce {
            name: name.name,
            value: Some(shown(name, &given.text)),
            source: given.origin.to_string(),
        },
        None => {
            InForce { name: name.name, value: default(name).map(str::to_owned), source: "default".into() }
        }
    };
    Ok(names::ALL.into_iter().map(one).collect())
}

fn shown(name: Name, text: &str) -> String {
    match name {
        names::DATABASE_URL | names::BROKER_URL | names::RESULT_BACKEND => without_secrets(text),
        name if name.flag.is_none() || name == names::MQTT_PASSWORD => HIDDEN.to_owned(),
        _ => text.to_owned(),
    }
}

/// The URL without user, password and options, any of which may be a secret.
fn without_secrets(url: &str) -> String {
    let (place, options) = match url.split_once('?') {
        Some((place, _)) => (place, "?…"),
        None => (url, ""),
    };
    let (scheme, rest) = place.split_once("://").unwrap_or(("", place));
    let shown = match rest.rsplit_once('@') {
        Some((_, after)) => format!("…@{after}"),
        None => rest.to_owned(),
    };
    format!("{scheme}://{shown}{options}")
}

/// What counts where nothing is said, where that is the same for all.
fn default(name: Name) -> Option<&'static str> {
    Some(match name {
        names::BROKER_URL => "memory://",
        names::ALWAYS_QUEUE | names::ALLOW_INSECURE => "false",
        names::MIGRATE | names::MQTT_SHARE | names::MQTT_TELLS_NO_SUBSCRIBER => "true",
        names::RETENTION_DAYS => "30",
        names::HISTORY_DAYS => "never",
        names::LOG_FORMAT => "text",
        names::HTTP_ADDR => "127.0.0.1:8000",
        names::MQTT_LISTEN => "127.0.0.1:1883",
        names::MQTT_TLS_LISTEN => "0.0.0.0:8883",
        names::HTTP_MAX_CONNECTIONS => "4096",
        names::HTTP_MAX_CONNECTIONS_PER_ADDRESS => "1024",
        names::DATA_DIR => "./smsgw-demo",
        _ => return None,
    })
}
