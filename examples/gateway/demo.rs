//! What the demo keeps beside its database: the token, and the simulated phones.

use std::error::Error;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};
use smsgw::account::{Account, Role, Scopes};
use smsgw::gateway::{Handle, NewDevice, NewToken};
use smsgw::id::DeviceId;

const FILE: &str = "demo.json";

/// Keeps every other gateway out of the data directory for as long as it is held.
pub(crate) fn lock(data: &Path) -> Result<File, Box<dyn Error>> {
    let failed = |error| format!("cannot make {} ({error}); see --data DIR", data.display());
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(failed)?;
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
    /// The token that an earlier start wrote, where there is one.
    pub(crate) fn token(data: &Path) -> Option<String> {
        let text = std::fs::read(data.join(FILE)).ok()?;
        serde_json::from_slice::<Self>(&text).ok().map(|demo| demo.token)
    }

    /// Reads what an earlier start wrote, and makes what is missing: the token, and as many devices as are wanted.
    pub(crate) async fn prepare(handle: &Handle, data: &Path, wanted: u16) -> Result<Self, Box<dyn Error>> {
        let path = data.join(FILE);
        let mut demo = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Self::default(),
            read => read
                .map_err(serde_json::Error::io)
                .and_then(|text| serde_json::from_slice(&text))
                .map_err(|error| {
                    format!("{} cannot be read ({error}); delete it to get a new token", path.display())
                })?,
        };
        let Account { id: account, role, .. } = handle.ensure_account("demo").await?;
        let authenticator = handle.authenticator();
        // Whoever tries it out may try everything.
        if role != Role::Admin {
            handle.set_role(account, Role::Admin).await?;
        }
        if authenticator
            .token(&demo.token)
            .await?
            .map_or(true, |principal| !principal.scopes.covers(Scopes::ALL))
        {
            let new = NewToken { scopes: Scopes::ALL, ..NewToken::new("demo") };
            demo.token = handle.create_token(account, new).await?.0.expose().to_owned();
        }
        let mut valid = Vec::new();
        for phone in demo.devices {
            if authenticator.device(&phone.api_key).await?.is_ok() {
                valid.push(phone);
            }
        }
        demo.devices = valid;
        for n in demo.devices.len()..usize::from(wanted) {
            let new = NewDevice::new(format!("Simulated phone {}", n + 1));
            let device = handle.create_device(account, new).await?;
            if let Some((key, _)) = handle.create_key(account, device.id, None).await? {
                demo.devices.push(Phone { id: device.id, api_key: key.expose().to_owned() });
            }
        }
        private(&path)?.write_all(&serde_json::to_vec_pretty(&demo)?)?;
        demo.devices.truncate(usize::from(wanted));
        Ok(demo)
    }
}
