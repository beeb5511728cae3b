use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use serde::{Deserialize, Serialize};
use smsgw::error::{Error, with_causes};
use smsgw::gateway::{Handle, NewDevice};
use smsgw::id::DeviceId;

use crate::flags::Flags;

/// What the demo shows its user at every start, kept beside the database for the user's eyes only.
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
    pub(crate) async fn prepare(handle: &Handle, flags: &Flags) -> Result<Self, String> {
        let path = flags.data.join("demo.json");
        let mut demo = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                format!("{} cannot be read ({error}); delete it to get a new token", path.display())
            })?,
            Err(_) => Self::default(),
        };
        demo.complete(handle, usize::from(flags.devices)).await.map_err(|error| with_causes(&error))?;
        let text = serde_json::to_vec_pretty(&demo).map_err(|error| error.to_string())?;
        let file =
            std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(&text))
            .map_err(|error| format!("cannot write {} ({error}); see --data DIR", path.display()))?;
        demo.devices.truncate(usize::from(flags.devices));
        Ok(demo)
    }

    async fn complete(&mut self, handle: &Handle, phones: usize) -> Result<(), Error> {
        let account = handle.ensure_account("demo").await?.id;
        let authenticator = handle.authenticator();
        if authenticator.token(&self.token).await?.is_err() {
            self.token = handle.create_token(account, "demo", None).await?.0.expose().to_owned();
        }
        let mut valid = Vec::new();
        for phone in std::mem::take(&mut self.devices) {
            if authenticator.device(&phone.api_key).await?.is_ok() {
                valid.push(phone);
            }
        }
        self.devices = valid;
        for n in self.devices.len()..phones {
            let name = format!("Simulated phone {}", n + 1);
            let new = NewDevice { name, description: None, protocol: Default::default(), rate_limit: None };
            let device = handle.create_device(account, new).await?;
            if let Some((key, _)) = handle.create_key(account, device.id, None).await? {
                self.devices.push(Phone { id: device.id, api_key: key.expose().to_owned() });
            }
        }
        Ok(())
    }

    /// Says on standard output where everything is.
    pub(crate) fn announce(&self, flags: &Flags, http: &str, mqtt: &str) {
        let Self { token, devices } = self;
        if flags.json {
            println!(
                "{}",
                serde_json::json!({"http": http, "mqtt": mqtt, "token": token, "devices": devices})
            );
            return;
        }
        println!("smsgw is ready\n\n  API page  {http}/docs");
        println!(
            "  devices   {mqtt}  ({} simulated)\n  token     {token}\n\nSend a message:\n",
            devices.len()
        );
        println!(
            "  curl -s {http}/messages -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
             -d '{{\"to\":\"+5351234567\",\"body\":\"Hola\"}}'\n"
        );
    }
}
