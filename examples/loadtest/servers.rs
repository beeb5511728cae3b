//! The servers of a run, each its own and private to it, set up as `deploy/` does: what is acknowledged is on the disk.

use std::time::Duration;

use smsgw_test_support::{Missing, Mosquitto, Postgres, RabbitMq, Redis};

use crate::flags::{Broker, Queue, RunFlags, Store};

pub(crate) struct Servers {
    pub(crate) postgres: Option<Postgres>,
    pub(crate) redis: Option<Redis>,
    pub(crate) rabbitmq: Option<Box<RabbitMq>>,
    pub(crate) mosquitto: Option<Mosquitto>,
}

impl Servers {
    /// Starts what `flags` ask for.
    pub(crate) fn start(flags: &RunFlags) -> Result<Self, Missing> {
        let postgres = match flags.store {
            Store::Postgres => Some(Postgres::start_with(&[
                "fsync=on",
                "synchronous_commit=on",
                "full_page_writes=on",
                "shared_buffers=256MB",
                "max_wal_size=4GB",
            ])?),
            Store::Sqlite => None,
        };
        let (mut redis, mut rabbitmq) = (None, None);
        match flags.queue {
            Queue::Redis => redis = Some(Redis::start_with(&["--appendonly", "yes"])?),
            Queue::Amqp => rabbitmq = Some(Box::new(RabbitMq::start()?)),
            Queue::Memory | Queue::Postgres => {}
        }
        let mosquitto = match flags.broker {
            Broker::Mosquitto => Some(Mosquitto::start_with_accounts("")?),
            Broker::Embedded => None,
        };
        Ok(Self { postgres, redis, rabbitmq, mosquitto })
    }

    /// The settings of a gateway on them, as `flags` ask for it.
    pub(crate) fn settings(&self, flags: &RunFlags) -> Vec<(&'static str, String)> {
        let mut settings = vec![("ALWAYS_QUEUE", flags.always_queue.to_string())];
        if let Some(postgres) = &self.postgres {
            settings.push(("DATABASE_URL", postgres.url()));
            if flags.queue == Queue::Postgres {
                settings.push(("BROKER_URL", postgres.url()));
            }
        }
        if let Some(redis) = &self.redis {
            settings.push(("BROKER_URL", redis.url()));
        }
        if let Some(rabbitmq) = &self.rabbitmq {
            settings.push(("BROKER_URL", rabbitmq.url()));
        }
        if let Some(mosquitto) = &self.mosquitto {
            settings.push(("MQTT_BROKER_HOST", "127.0.0.1".into()));
            settings.push(("MQTT_BROKER_PORT", mosquitto.port().to_string()));
            settings.push(("MQTT_USERNAME", Mosquitto::USER.into()));
            settings.push(("MQTT_PASSWORD", Mosquitto::PASSWORD.into()));
        }
        settings
    }

    /// What each has used: its name, processor time and memory in bytes.
    pub(crate) fn usage(&self) -> Vec<(&'static str, Duration, u64)> {
        let postgres = self.postgres.as_ref().map(|it| ("postgres", it.cpu(), it.memory()));
        let redis = self.redis.as_ref().map(|it| ("redis", it.cpu(), it.memory()));
        let rabbitmq = self.rabbitmq.as_ref().map(|it| ("rabbitmq", it.cpu(), it.memory()));
        let mosquitto = self.mosquitto.as_ref().map(|it| ("mosquitto", it.cpu(), it.memory()));
        [postgres, redis, rabbitmq, mosquitto].into_iter().flatten().collect()
    }
}
