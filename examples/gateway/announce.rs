//! Says on standard output where everything is.

use std::fmt::Display;

use serde_json::json;
use smsgw::key::Credential;

use crate::broker::Way;
use crate::demo::Demo;

/// Where a gateway is, and what it stands on.
pub(crate) struct Place {
    http: String,
    /// Where devices connect, without TLS and with it.
    plain: Option<String>,
    tls: Option<String>,
    store: String,
    queue: String,
    transport: String,
}

impl Place {
    pub(crate) fn new(http: String, way: &Way, store: impl Display, queue: impl Display) -> Self {
        Self {
            http,
            plain: way.plain.clone(),
            tls: way.tls.clone(),
            store: store.to_string(),
            queue: queue.to_string(),
            transport: way.transport.to_string(),
        }
    }

    /// Where a phone had better connect: with TLS, where there is that.
    pub(crate) fn for_devices(&self) -> Option<&str> {
        self.tls.as_deref().or(self.plain.as_deref())
    }

    /// `admin` is the token of an administrator who was made just now: nobody is shown it again.
    pub(crate) fn announce(&self, demo: Option<&Demo>, admin: Option<&Credential>, is_json: bool) {
        match is_json {
            true => println!("{}", self.json(demo, admin)),
            false => self.words(demo, admin),
        }
    }

    fn json(&self, demo: Option<&Demo>, admin: Option<&Credential>) -> serde_json::Value {
        let Self { http, plain, tls, store, queue, transport } = self;
        let mqtt = plain.as_ref().or(tls.as_ref());
        let mut all =
            json!({"http": http, "mqtt": mqtt, "store": store, "queue": queue, "transport": transport});
        if let Some(tls) = tls {
            all["mqtts"] = tls.as_str().into();
        }
        if let Some(admin) = admin {
            all["admin_token"] = admin.expose().into();
        }
        if let Some(Demo { token, devices }) = demo {
            all["token"] = token.as_str().into();
            all["devices"] = json!(devices);
        }
        all
    }

    fn words(&self, demo: Option<&Demo>, admin: Option<&Credential>) {
        let Self { http, plain, tls, store, queue, .. } = self;
        let mut devices =
            [plain, tls].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("  ");
        if let Some(demo) = demo {
            devices.push_str(&format!("  ({} simulated)", demo.devices.len()));
        }
        println!("smsgw is ready\n\n  dashboard {http}/\n  API page  {http}/docs\n  devices   {devices}");
        let Some(Demo { token, .. }) = demo else {
            println!("  store     {store}\n  queue     {queue}\n  token     `gateway token` makes one\n");
            if let Some(admin) = admin {
                println!(
                    "  admin     {}\n\nThis token is shown once: keep it. It makes accounts and tokens.\n",
                    admin.expose()
                );
            }
            return;
        };
        println!("  token     {token}\n\nSend a message:\n");
        println!(
            "  curl -s {http}/messages -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
             -d '{{\"to\":\"+5351234567\",\"body\":\"Hola\"}}'\n"
        );
    }
}
