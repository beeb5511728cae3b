use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};
use smsgw::error::with_causes;
use smsgw::gateway::{Handle, NewDevice};
use smsgw::id::DeviceId;

use crate::flags::Flags;

/// What the demo shows its user again at every start, kept beside the database for the user's eyes only.
#[derive(Default, Serialize, Deserialize)]
pub struct Demo {
    pub token: String,
    pub devices: Vec<Phone>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Phone {
    pub id: DeviceId,
    pub api_key: String,
}

impl Demo {
    /// Reads what an earlier start wrote, and makes what is missing: a token, and `phones` devices.
    pub async fn prepare(handle: &Handle, data: &Path, phones: u16) -> Result<Self, String> {
        let path = data.join("demo.json");
        let mut demo: Self = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                format!("{} cannot be read ({error}); delete it to get a new token", path.display())
            })?,
            Err(_) => Self::default(),
        };
        let failed = |error: smsgw::error::Error| with_causes(&error);
        let account = handle.ensure_account("demo").await.map_err(failed)?.id;
        let authenticator = handle.authenticator();
        if authenticator.token(&demo.token).await.map_err(failed)?.is_err() {
            let (token, _) = handle.create_token(account, "demo", None).await.map_err(failed)?;
            demo.token = token.expose().to_owned();
        }
        let mut known = Vec::new();
        for phone in demo.devices {
            if authenticator.device(&phone.api_key).await.map_err(failed)?.is_ok() {
                known.push(phone);
            }
        }
        demo.devices = known;
        while demo.devices.len() < usize::from(phones) {
            let new = NewDevice {
                name: format!("Simulated phone {}", demo.devices.len() + 1),
                description: None,
                protocol: Default::default(),
                rate_limit: None,
            };
            let device = handle.create_device(account, new).await.map_err(failed)?;
            let key = handle.create_key(account, device.id, None).await.map_err(failed)?;
            let (key, _) = key.ok_or("the new device is gone")?;
            demo.devices.push(Phone { id: device.id, api_key: key.expose().to_owned() });
        }
        write_private(&path, &serde_json::to_vec_pretty(&demo).map_err(|error| error.to_string())?)?;
        demo.devices.truncate(usize::from(phones));
        Ok(demo)
    }
}

/// Makes the data directory, for its owner only.
pub fn make_private(data: &Path) -> Result<(), String> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|error| {
        format!("cannot write to {} ({error}); choose a directory of yours by --data DIR", data.display())
    })
}

fn write_private(path: &Path, text: &[u8]) -> Result<(), String> {
    let file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text)).map_err(|error| {
        format!("cannot write {} ({error}); choose a directory of yours by --data DIR", path.display())
    })
}

/// Says on standard output where everything is.
pub fn announce(flags: &Flags, http: SocketAddr, mqtt: &str, demo: &Demo) {
    let http = format!("http://{http}");
    if flags.json {
        let line =
            serde_json::json!({"http": http, "mqtt": mqtt, "token": demo.token, "devices": demo.devices});
        println!("{line}");
        return;
    }
    println!(
        "smsgw is ready\n\n  API page  {http}/docs\n  devices   {mqtt}  ({} simulated)\n  token     {}\n\nSend a message:\n\n  \
         curl -s {http}/messages -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' \
         -d '{{\"to\":\"+5351234567\",\"body\":\"Hola\"}}'\n",
        demo.devices.len(),
        demo.token,
        demo.token,
    );
}
