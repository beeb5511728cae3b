//! CONNECT with what is not good: refused.

use smsgw_core::device::Protocol;
use smsgw_core::time::{Clock, SystemClock};
use tokio::time::Duration;

use crate::client::{BOTH, Options, Said};
use crate::phone::Phone;
use crate::place::{Place, until};

async fn is_refused(place: &Place, options: Options) -> bool {
    match options.try_connect(place.address).await.1 {
        Said::Refused(_) => true,
        Said::Connected { .. } => false,
        said => panic!("{said:?}"),
    }
}

pub(crate) async fn client_id_other_than_the_user_name(place: Place) {
    let (one, two) = (place.phone(Protocol::Native, None).await, place.phone(Protocol::Native, None).await);
    for version in BOTH {
        for client_id in [&two.name(), "phone"] {
            let options = Options { client_id: client_id.into(), ..one.options(version) };
            assert!(is_refused(&place, options).await, "{client_id}");
        }
        // The key of one with the name of the other.
        let options = Options::new(version, &two.name(), &two.name(), &one.secret);
        assert!(is_refused(&place, options).await);
        assert!(!is_refused(&place, one.options(version)).await);
    }
}

pub(crate) async fn no_password(place: Place) {
    let phones = [place.phone(Protocol::Native, None).await, place.phone(Protocol::Original, None).await];
    for version in BOTH {
        for phone in &phones {
            let options = phone.options(version);
            let username = options.login.clone().expect("it has one").0;
            // rumqttc sends no password where it is empty.
            let nameless = Options { login: None, ..options.clone() };
            let options = Options { login: Some((username, String::new())), ..options };
            assert!(is_refused(&place, options).await && is_refused(&place, nameless).await);
        }
    }
}

async fn both(place: &Place, phone: &Phone) -> bool {
    is_refused(place, phone.options(BOTH[0])).await && is_refused(place, phone.options(BOTH[1])).await
}

pub(crate) async fn a_revoked_or_expired_key(place: Place) {
    for protocol in [Protocol::Native, Protocol::Original] {
        let phone = place.phone(protocol, None).await;
        let revoked = place.handle.revoke_key(place.account, phone.device, phone.key).await;
        assert!(revoked.expect("revoke_key") && both(&place, &phone).await);
        let end = SystemClock.now() + Duration::from_secs(1);
        let phone = place.phone(protocol, Some(end)).await;
        assert!(!is_refused(&place, phone.options(BOTH[0])).await);
        // A broker that is told ends it when it hears of it.
        until(async || SystemClock.now() >= end).await;
        until(async || is_refused(&place, phone.options(BOTH[0])).await).await;
        assert!(SystemClock.now() < end + Duration::from_secs(2) && both(&place, &phone).await);
    }
}
