//! Store, queue, results and broker, one after the other.

use std::path::Path;

use rustix::fs::{Access, access};
use smsgw::error::with_causes;

use super::Finding;
use crate::backends::Part;
use crate::settings::{Mqtt, Settings, StoreUrl};
use crate::{accounts, backends, results};

pub(super) fn secret(settings: &Settings) -> Result<String, String> {
    let path = &settings.secret_file;
    match (&settings.secret, crate::secret::read(path)?) {
        (Some(_), _) => Ok("API_SECRET_KEY is given".into()),
        (None, Some(_)) => Ok(format!("is kept in {}", path.display())),
        (None, None) => to_be_made(path),
    }
}

pub(super) async fn store(settings: &Settings) -> Result<String, String> {
    if let StoreUrl::Sqlite(path) = &settings.store
        && !path.exists()
    {
        return to_be_made(path);
    }
    if let Some(to_come) = to_be_migrated(settings, Part::Store).await? {
        return Ok(to_come);
    }
    let store = backends::store(settings).await.map_err(|error| error.to_string())?;
    let ready = store.ready().await.map_err(|error| with_causes(&error));
    let closed = store.close().await.map_err(|error| with_causes(&error));
    ready.and(closed).map(|()| format!("{store} is ready, its schema up to date"))
}

pub(super) async fn queue(settings: &Settings) -> Result<String, String> {
    if let Some(to_come) = to_be_migrated(settings, Part::Queue).await? {
        return Ok(to_come);
    }
    let queue = backends::queue(settings).await.map_err(|error| error.to_string())?;
    let ready = queue.ready().await.map_err(|error| with_causes(&error));
    let closed = queue.close().await.map_err(|error| with_causes(&error));
    ready.and(closed).map(|()| format!("{queue} is ready"))
}

/// What is to be said of a database that has no schema yet. One that is older is for `gateway migrate`.
async fn to_be_migrated(settings: &Settings, part: Part) -> Result<Option<String>, String> {
    match backends::schema(settings, part).await.map_err(|failure| failure.to_string())? {
        Some(schema) if schema.found == 0 && settings.migrate => {
            Ok(Some("the database can be reached; the first start makes its schema".into()))
        }
        Some(schema) if schema.is_older() => Err(backends::older(schema)),
        _ => Ok(None),
    }
}

/// `None` where nobody asked for them.
pub(super) async fn results(settings: &Settings) -> Option<Result<String, String>> {
    settings.results.as_ref()?;
    let reached = results::reach(settings).await.map_err(|error| results::explained(&error));
    Some(reached.map(|()| "Redis answers".into()))
}

/// A broker outside; the embedded one needs its ports and nothing else.
pub(super) async fn transport(settings: &Settings) -> Vec<Finding> {
    let Mqtt::Outside(outside) = &settings.mqtt else { return Vec::new() };
    let (reached, kept) = accounts::look(outside).await;
    let mut findings = vec![Finding::new("broker", reached)];
    findings.extend(kept.map(|outcome| Finding::new("accounts", outcome)));
    findings
}

/// Whether the first start can make the file.
fn to_be_made(path: &Path) -> Result<String, String> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let nearest = absolute.ancestors().skip(1).find(|directory| directory.exists());
    let path = path.display();
    match nearest {
        Some(directory) if directory.is_dir() && access(directory, Access::WRITE_OK).is_ok() => {
            Ok(format!("{path} is not there yet; the first start makes it"))
        }
        _ => {
            Err(format!("{path} cannot be made; see --data DIR or name a place that this user may write to"))
        }
    }
}
