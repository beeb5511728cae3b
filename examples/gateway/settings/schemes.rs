//! What a URL names: its scheme chooses the backend. Errors say what was expected and never show the URL, which may hold
//! a password.

use std::path::PathBuf;

use secrecy::SecretString;

use super::build::{self, Part};

#[derive(Debug, Clone)]
pub(crate) enum StoreUrl {
    Sqlite(PathBuf),
    Postgres(SecretString),
}

#[derive(Debug, Clone)]
pub(crate) enum QueueUrl {
    Memory,
    Redis(SecretString),
    Amqp(SecretString),
    Postgres(SecretString),
}

pub(super) fn store(text: &str) -> Result<StoreUrl, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or((text, ""));
    if is_postgres(scheme) {
        return postgres(scheme, rest).map(StoreUrl::Postgres);
    }
    match scheme {
        "sqlite" if rest.contains('?') => Err("expected sqlite://PATH, without options after a `?`".into()),
        "sqlite" if rest.is_empty() || rest.ends_with('/') || rest.contains(":memory:") => {
            Err("expected the name of a file, as sqlite:///var/lib/smsgw/smsgw.db or sqlite://smsgw.db"
                .into())
        }
        "sqlite" => Ok(StoreUrl::Sqlite(rest.into())),
        _ => Err("expected sqlite://PATH or postgres://user:password@host/database".into()),
    }
}

pub(super) fn queue(text: &str) -> Result<QueueUrl, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or((text, ""));
    if is_postgres(scheme) {
        return postgres(scheme, rest).map(QueueUrl::Postgres);
    }
    match scheme {
        "memory" if rest.is_empty() || rest == "/" => Ok(QueueUrl::Memory),
        "memory" => Err("expected memory:// and nothing after it".into()),
        "amqp" | "amqps" | "pyamqp" | "pyamqps" => {
            build::has(Part::Amqp)?;
            authority(rest, true)?;
            let scheme = scheme.trim_start_matches("py");
            Ok(QueueUrl::Amqp(format!("{scheme}://{rest}").into()))
        }
        _ if is_redis(scheme) => redis(scheme, rest).map(QueueUrl::Redis),
        _ => Err(
            "expected amqp://user:password@host/vhost, redis://host, postgres://user:password@host/database \
                  or memory://"
                .into(),
        ),
    }
}

pub(super) fn results(text: &str) -> Result<SecretString, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or((text, ""));
    match is_redis(scheme) {
        true => redis(scheme, rest),
        false => Err("expected redis://:password@host/0 or rediss://…".into()),
    }
}

fn is_postgres(scheme: &str) -> bool {
    // SQLAlchemy names its driver: postgresql+psycopg2, postgresql+asyncpg.
    matches!(scheme.split('+').next(), Some("postgres" | "postgresql"))
}

fn is_redis(scheme: &str) -> bool {
    matches!(scheme.split('+').next(), Some("redis" | "rediss"))
}

fn postgres(scheme: &str, rest: &str) -> Result<SecretString, String> {
    build::has(Part::Postgres)?;
    authority(rest, false)?;
    // What asyncpg calls `ssl`, all others call `sslmode`. Left as it is, it would be passed over.
    let rest = match rest.split_once('?') {
        Some((place, options)) if scheme.ends_with("+asyncpg") => {
            let options: Vec<String> = options
                .split('&')
                .map(|option| match option.strip_prefix("ssl=") {
                    Some(mode) => format!("sslmode={mode}"),
                    None => option.to_owned(),
                })
                .collect();
            format!("{place}?{}", options.join("&"))
        }
        _ => rest.to_owned(),
    };
    Ok(format!("postgres://{rest}").into())
}

fn redis(scheme: &str, rest: &str) -> Result<SecretString, String> {
    build::has(Part::Redis)?;
    match scheme {
        "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" | "redis+cluster" | "rediss+cluster" => {}
        _ => return Err("expected redis://, rediss://, redis+sentinel:// or redis+cluster://".into()),
    }
    authority(rest, true)?;
    Ok(format!("{scheme}://{rest}").into())
}

/// Whether what follows a scheme begins with hosts and ports.
fn authority(rest: &str, needs_host: bool) -> Result<(), String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (before, after) = rest.split_at(end);
    let hint = "; in a password, write @ as %40, / as %2F, # as %23, ? as %3F and : as %3A";
    if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("it has a space in it".into());
    }
    if after.contains('@') {
        return Err(format!("an @ follows the host{hint}"));
    }
    let hosts = before.rsplit_once('@').map_or(before, |(_, hosts)| hosts);
    for host in hosts.split(',') {
        let (host, port) = match host.rsplit_once(':') {
            // A colon inside brackets belongs to an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (host, None),
        };
        if needs_host && host.is_empty() {
            return Err("it names no host".into());
        }
        if port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0).eq(&false)) {
            return Err(format!("the port is not a number from 1 to 65535{hint}"));
        }
    }
    Ok(())
}
