//! Accounts of devices on a broker outside, where that can be told who may come in.

use std::sync::Arc;

use smsgw::audit::AuditLog;
use smsgw::auth::Authenticator;
use smsgw::error::{ErrorKind, with_causes};
use smsgw::guard::BrokerGuard;
use smsgw::mqtt::guard::DeviceGuard;
use smsgw::mqtt::provision::{DynsecProvisioner, Lack};
use smsgw::provision::Provisioner;
use smsgw::store::Store;
use smsgw::time::SystemClock;

use crate::settings::{Mqtt, Outside};

/// What is so where nobody tells the broker.
const OPEN: &str = "not protected: every device that knows an account of the broker can read the messages and keys of \
                    all others, unless the broker's own rules forbid it; revoked and expired keys still reach the broker";

/// What tells the broker, where it lets itself be told. One that is away now is told later.
pub(crate) async fn provisioner(mqtt: &Mqtt) -> Option<impl Provisioner> {
    let Mqtt::Outside(outside) = mqtt else { return None };
    let provisioner = dynsec(outside);
    match provisioner.check().await {
        // The broker is there, and cannot be told or does not let us: so it will stay.
        Err(error) if Lack::of(&error).is_some() => {
            tracing::warn!("{OPEN}: {}", with_causes(&error));
            None
        }
        Err(error) => {
            tracing::warn!("accounts of devices are not kept yet: {}", with_causes(&error));
            Some(provisioner)
        }
        Ok(()) => Some(provisioner),
    }
}

/// What answers a broker outside that asks over HTTP who may come in.
pub(crate) fn guard(mqtt: &Mqtt, store: &Arc<dyn Store>, audit: &AuditLog) -> Option<Arc<dyn BrokerGuard>> {
    let Mqtt::Outside(outside) = mqtt else { return None };
    let authenticator = Authenticator::new(store.clone(), SystemClock);
    let guard = DeviceGuard::new(authenticator).with_audit(audit.clone());
    Some(match &outside.shared {
        Some(account) => Arc::new(guard.with_shared_account(account.clone())),
        None => Arc::new(guard),
    })
}

/// Whether the broker can be reached, and then whether it keeps its accounts apart.
pub(crate) async fn look(outside: &Outside) -> (Result<String, String>, Option<Result<String, String>>) {
    let config = &outside.config;
    let reached = format!("{}:{} lets the gateway in", config.host, config.port);
    match dynsec(outside).check().await {
        Ok(()) => (Ok(reached), Some(Ok("each device has one, with its own topics only".into()))),
        Err(error) if Lack::of(&error).is_some() => {
            // A broker without accounts works; the gateway says at every start what that means.
            (Ok(reached), Some(Ok(format!("{OPEN}: {}", with_causes(&error)))))
        }
        Err(error) if error.kind() == ErrorKind::Invalid => (Ok(reached), Some(Err(with_causes(&error)))),
        Err(error) => (Err(format!("{}; see MQTT_BROKER_HOST", with_causes(&error))), None),
    }
}

fn dynsec(outside: &Outside) -> DynsecProvisioner {
    let provisioner = DynsecProvisioner::new(outside.config.clone());
    match &outside.shared {
        Some(account) => provisioner.with_shared_account(account.clone()),
        None => provisioner,
    }
}
