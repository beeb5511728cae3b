//! What this build can do, by the features that it was made with.

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Amqp,
    Postgres,
    Redis,
    Tls,
}

const PARTS: [(Part, &str, &str, bool); 4] = [
    (Part::Amqp, "RabbitMQ", "amqp", cfg!(feature = "amqp")),
    (Part::Postgres, "PostgreSQL", "postgres", cfg!(feature = "postgres")),
    (Part::Redis, "Redis", "redis", cfg!(feature = "redis")),
    (Part::Tls, "TLS", "tls", cfg!(feature = "tls")),
];

/// Where a part is missing, the command that makes a build with it.
pub(super) fn has(part: Part) -> Result<(), String> {
    let Some((_, what, _, false)) = PARTS.into_iter().find(|(known, ..)| *known == part) else {
        return Ok(());
    };
    let features: Vec<&str> = PARTS
        .into_iter()
        .filter(|(known, _, _, is_there)| *is_there || *known == part)
        .map(|(_, _, feature, _)| feature)
        .collect();
    let features = features.join(",");
    Err(format!("this build has no {what}: cargo run --release --features {features} --example gateway"))
}
