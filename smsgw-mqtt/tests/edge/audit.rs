//! Every refused access is a row of the audit log: who, what, from where, never the key.

use std::net::{IpAddr, Ipv4Addr};

use smsgw_core::audit::{AuditAction, AuditEvent};
use smsgw_core::device::Protocol;
use smsgw_core::store::AuditQuery;

use crate::client::{Options, Said, Version};
use crate::place::{Place, until};

pub(crate) async fn each_refused_access_is_noted_without_a_key(place: Place) {
    let native = place.phone(Protocol::Native, None).await;
    let other = place.phone(Protocol::Original, None).await;
    let name = native.name();
    let mut ears = native.come(Version::V5).await;
    // A flood is a few rows: 16, one for the next 16, and one at the end of the connection for what is left.
    for _ in 0..35 {
        ears.subscribe(&format!("devices/{}/sms", other.secret)).await;
    }
    ears.publish(&format!("devices/auth/{}", other.secret), b"x", false).await;
    ears.client.disconnect().await;
    let refused = [
        Options::new(Version::V5, &other.secret, &name, &other.secret),
        Options::new(Version::V311, &name, "nobody", "nothing"),
        native.options(Version::V5).will(&format!("devices/{}/sms", other.secret), "x", false),
    ];
    for options in refused {
        assert!(matches!(options.try_connect(place.address).await.1, Said::Refused(_)));
    }
    let rows = async || place.handle.audit(&AuditQuery::new(1_000)).await.expect("audit").items;
    until(async || rows().await.len() >= 22).await;
    let rows = rows().await;
    let of = |action: AuditAction| -> Vec<&AuditEvent> {
        rows.iter().rev().filter(|row| row.act.action == action).collect()
    };
    let subscribed = of(AuditAction::Subscribe);
    assert_eq!(
        subscribed.iter().map(|row| row.act.count).collect::<Vec<_>>(),
        [&[1; 16][..], &[16, 3]].concat()
    );
    assert_eq!(subscribed[0].act.target.as_deref(), Some("devices/…/sms"));
    let published = of(AuditAction::Publish);
    assert_eq!((published.len(), published[0].act.count), (1, 1));
    assert_eq!(published[0].act.target.as_deref(), Some("devices/auth/…"));
    let connected: Vec<_> = of(AuditAction::Connect).iter().map(|row| row.act.clone()).collect();
    let told: Vec<_> = connected
        .iter()
        .map(|act| {
            (act.refused.as_deref().unwrap_or_default(), act.device, act.credential, act.target.as_deref())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("the client id is not one for this user name", Some(native.device), Some(other.key), Some("…")),
            ("unknown user name or wrong password", None, None, Some(&*name)),
            (
                "a last will that it may not leave",
                Some(native.device),
                Some(native.key),
                Some("devices/…/sms")
            ),
        ]
    );
    for row in &rows {
        assert_eq!(row.act.origin, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(row.act.refused.is_some() && !format!("{row:?}").contains("sgw_"), "{row:?}");
    }
    for row in subscribed.iter().chain(&published) {
        assert_eq!((row.act.device, row.act.credential), (Some(native.device), Some(native.key)));
    }
}
