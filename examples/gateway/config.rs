//! `gateway config`: the settings in force, and where each comes from.

use std::process::ExitCode;

use serde_json::json;

use crate::flags::SettingFlags;
use crate::log::Format;
use crate::settings::{self, explain};
use crate::table;

pub(crate) fn run(flags: &SettingFlags, is_json: bool) -> ExitCode {
    let all = match settings::in_force(flags) {
        Ok(all) => all,
        Err(problems) => return explain(&problems, Format::Text),
    };
    match is_json {
        true => println!("{}", json!({"settings": all})),
        false => {
            let rows =
                all.into_iter().map(|one| [one.name.into(), one.value.unwrap_or_default(), one.source]);
            table::print(["SETTING", "VALUE", "SOURCE"], rows);
        }
    }
    ExitCode::SUCCESS
}
