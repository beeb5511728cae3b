//! `gateway migrate`: brings the schema up to date, and says from which version to which.

use std::error::Error;
use std::io::{IsTerminal, stderr};

use serde::Serialize;

use crate::backends::{self, Part};
use crate::settings::Settings;
use crate::table;

#[derive(Serialize)]
struct Migrated {
    what: &'static str,
    backend: String,
    from: usize,
    to: usize,
}

pub(crate) async fn run(settings: &Settings, is_json: bool) -> Result<(), Box<dyn Error>> {
    let mut done = Vec::new();
    for part in [Part::Store, Part::Queue] {
        let Some(schema) = backends::schema(settings, part).await? else { continue };
        if stderr().is_terminal() && schema.is_older() {
            eprintln!("{}: schema {} to {} …", part.as_str(), schema.found, schema.known);
        }
        let backend = match part {
            Part::Store => {
                let store = backends::migrated_store(settings).await?;
                store.close().await?;
                store.to_string()
            }
            Part::Queue => {
                let queue = backends::migrated_queue(settings).await?;
                queue.close().await?;
                queue.to_string()
            }
        };
        done.push(Migrated { what: part.as_str(), backend, from: schema.found, to: schema.known });
    }
    match is_json {
        true => println!("{}", serde_json::json!({"migrated": done})),
        false => {
            let row =
                |one: Migrated| [one.what.into(), one.backend, one.from.to_string(), one.to.to_string()];
            table::print(["PART", "BACKEND", "FROM", "TO"], done.into_iter().map(row));
        }
    }
    Ok(())
}
