use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use smsgw::gateway::{Handle, NewDevice};
use smsgw::id::DeviceId;

use crate::flags::Flags;

/// Keeps every other gateway out of the data directory for as long as it is held.
pub(crate) fn lock(data: &Path) -> Result<File, Box<dyn Error>> {
    let file = private(&data.join("gateway.lock"))?;
    file.try_lock().map_err(|_| format!("another gateway works in {}; see --data DIR", data.display()))?;
    Ok(file)
}

/// A file for the user's eyes only.
fn private(path: &Path) -> Result<File, String> {
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path);
    file.map_err(|error| format!("cannot write {} ({error}); see --data DIR", path.display()))
}

/// What the demo shows its user at every start, kept beside the database.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Demo {
    pub(crate) token: String,
    pub(crate) devices: Vec<Phone>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Phone {
    pub(crate) id: DeviceId,
    pub(crate) api_key: String,
}

impl Demo {
    /// Reads what an earlier start wrote, and makes what is missing: the token, and as many devices as are wanted.
    pub(crate) async fn prepare(handle: &Handle, flags: &Flags) -> Result<Self, Box<dyn Error>> {
        let path = flags.data.join("demo.json");
        let mut demo = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Self::default(),
            read => read
                .map_err(serde_json::Error::io)
                .and_then(|text| serde_json::from_slice(&text))
                .map_err(|error| {
                    format!("{} cannot be read ({error}); delete it to get a new token", path.display())
                })?,
        };
        let account = handle.ensure_account("demo").await?.id;
        let authenticator = handle.authenticator();
        if authenticator.token(&demo.token).await?.is_err() {
            demo.token = handle.create_token(account, "demo", None).await?.0.expose().to_owned();
        }
        let mut valid = Vec::new();
        for phone in demo.devices {
            if authenticator.device(&phone.api_key).await?.is_ok() {
                valid.push(phone);
            }
        }
        demo.devices = valid;
        for n in demo.devices.len()..usize::from(flags.devices) {
            let new = NewDevice::new(format!("Simulated phone {}", n + 1));
            let device = handle.create_device(account, new).await?;
            if let Some((key, _)) = handle.create_key(account, device.id, None).await? {
                demo.devices.push(Phone { id: device.id, api_key: key.expose().to_owned() });
            }
        }
        private(&path)?.write_all(&serde_json::to_vec_pretty(&demo)?)?;
        demo.devices.truncate(usize::from(flags.devices));
        Ok(demo)
    }

    /// Says on standard output where everything is.
    pub(crate) fn announce(&self, flags: &Flags, http: &str, mqtt: &str) {
        let Self { token, devices } = self;
        if flags.json {
            let all = serde_json::json!({"http": http, "mqtt": mqtt, "token": token, "devices": devices});
            return println!("{all}");
        }
        let phones = devices.len();
        println!("smsgw is ready\n\n  API page  {http}/docs\n  devices   {mqtt}  ({phones} simulated)");
        println!("  token     {token}\n\nSend a message:\n");
        println!(
            "  curl -s {http}/messages -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
             -d '{{\"to\":\"+5351234567\",\"body\":\"Hola\"}}'\n"
        );
    }
}
