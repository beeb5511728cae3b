//! Who may do what, as a table that every broker's rules are held against.
//!
//! One row a topic; the columns are the gateway, the shared account, the native device [`D`], and an original device with
//! the key that is given.

pub(crate) const D: &str = "0199abcd-0000-7000-8000-000000000001";
pub(crate) const OTHER: &str = "01990000-0000-7000-8000-000000000002";

/// `r` for what may be published and kept, `p` for what may be published, `-` for what is refused.
pub(crate) fn publishing(key: &str) -> Vec<(String, &'static str)> {
    vec![
        (format!("smsgw/v1/{D}/up"), "r-p-"),
        (format!("smsgw/v1/{D}/presence"), "r-r-"),
        (format!("smsgw/v1/{D}/down"), "r---"),
        (format!("smsgw/v1/{D}/up/x"), "r---"),
        (format!("smsgw/v1/{D}"), "r---"),
        (format!("smsgw/v2/{D}/up"), "r---"),
        (format!("/smsgw/v1/{D}/up"), "r---"),
        (format!("smsgw/v1/{}/up", D.to_uppercase()), "r---"),
        (format!("smsgw/v1/{OTHER}/up"), "r---"),
        (format!("smsgw/v1/{OTHER}/presence"), "r---"),
        (format!("smsgw/v1/{OTHER}/down"), "r---"),
        (format!("devices/auth/{key}"), "rp-p"),
        (format!("devices/messages/{key}"), "rp-p"),
        ("devices/auth/OTHER".into(), "rp--"),
        ("devices/messages/OTHER".into(), "rp--"),
        (format!("devices/{key}/sms"), "r---"),
        (format!("server/auth/{key}"), "r---"),
        ("devices/auth/".into(), "r---"),
        ("devices/auth".into(), "r---"),
        (format!("devices/auth/{key}/x"), "r---"),
        (format!("devices/auth/{key}/"), "r---"),
        ("$SYS/broker".into(), "r---"),
        ("$CONTROL/dynamic-security/v1".into(), "r---"),
        (String::new(), "r---"),
    ]
}

/// `y` for what may be subscribed to, `-` for what is refused.
pub(crate) fn subscribing(key: &str) -> Vec<(String, &'static str)> {
    vec![
        (format!("smsgw/v1/{D}/down"), "y-y-"),
        (format!("smsgw/v1/{D}/up"), "y---"),
        (format!("smsgw/v1/{D}/presence"), "y---"),
        (format!("smsgw/v1/{D}/+"), "y---"),
        (format!("smsgw/v1/{D}/#"), "y---"),
        (format!("smsgw/v1/{OTHER}/down"), "y---"),
        ("smsgw/v1/+/down".into(), "y---"),
        (format!("$share/g/smsgw/v1/{D}/down"), "y---"),
        (format!("devices/{key}/sms"), "yy-y"),
        (format!("server/auth/{key}"), "yy-y"),
        ("devices/OTHER/sms".into(), "yy--"),
        ("server/auth/OTHER".into(), "yy--"),
        ("devices/+/sms".into(), "y---"),
        ("server/auth/+".into(), "y---"),
        ("server/auth/#".into(), "y---"),
        ("server/auth".into(), "y---"),
        ("devices/#".into(), "y---"),
        ("devices//sms".into(), "y---"),
        (format!("devices/messages/{key}"), "y---"),
        (format!("$share/g/devices/{key}/sms"), "y---"),
        ("$share/g/#".into(), "y---"),
        ("#".into(), "y---"),
        ("+/+".into(), "y---"),
        ("+/+/+".into(), "y---"),
        ("$SYS/#".into(), "y---"),
        ("$CONTROL/#".into(), "y---"),
    ]
}
