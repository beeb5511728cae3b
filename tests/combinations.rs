//! Any store with any queue and any transport: each combination delivers 1,000 messages exactly once to simulated native
//! devices. The servers are real, and private to this test.

use std::collections::HashMap;
use std::fmt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Trial};
use smsgw::amqp::{AmqpConfig, AmqpQueue};
use smsgw::auth::Authenticator;
use smsgw::gateway::{Gateway, NewDevice, Submitted};
use smsgw::memory::MemoryQueue;
use smsgw::message::{Body, NewMessage};
use smsgw::mqtt::broker::{Broker, BrokerConfig};
use smsgw::mqtt::device::{Device, Outcome, Radio, RadioError, Sms};
use smsgw::mqtt::transport::{MqttConfig, MqttTransport};
use smsgw::postgres::{PostgresConfig, PostgresQueue, PostgresStore};
use smsgw::queue::Queue;
use smsgw::redis::{RedisConfig, RedisQueue};
use smsgw::sqlite::{SqliteConfig, SqliteStore};
use smsgw::state::State;
use smsgw::store::{MessageQuery, Store};
use smsgw::time::SystemClock;
use smsgw_test_support::{Missing, Mosquitto, Postgres, RabbitMq, Redis};
use tokio_util::sync::CancellationToken;

const MESSAGES: usize = 1_000;
const PHONES: usize = 8;
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy)]
enum StoreKind {
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, Copy)]
enum QueueKind {
    Memory,
    Postgres,
    Redis,
    Amqp,
}

#[derive(Debug, Clone, Copy)]
enum BrokerKind {
    Embedded,
    Mosquitto,
}

#[derive(Debug, Clone, Copy)]
struct Combination(StoreKind, QueueKind, BrokerKind);

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{:?}_{:?}_{:?}", self.0, self.1, self.2).to_lowercase();
        f.write_str(&name)
    }
}

/// How often each message went over the air, whichever phone sent it.
type Air = Arc<Mutex<HashMap<String, usize>>>;

struct Counted(Air);

#[async_trait::async_trait]
impl Radio for Counted {
    async fn transmit(&mut self, sms: &Sms) -> Result<Outcome, RadioError> {
        *self.0.lock().expect("not poisoned").entry(sms.id.clone()).or_default() += 1;
        Ok(Outcome::Sent)
    }
}

/// The server of that kind, started once.
macro_rules! server {
    ($kind:ty, $start:expr) => {{
        static SERVER: OnceLock<Result<$kind, Missing>> = OnceLock::new();
        SERVER.get_or_init(|| $start).as_ref().map_err(Clone::clone)?
    }};
}

/// A name of its own for each case.
fn place() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("combination_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn postgres() -> Result<PostgresConfig, Missing> {
    let server = server!(Postgres, Postgres::start());
    Ok(PostgresConfig { schema: Some(place()), ..PostgresConfig::new(server.url()) })
}

async fn store(kind: StoreKind, dir: &std::path::Path) -> Result<Arc<dyn Store>, Missing> {
    Ok(match kind {
        StoreKind::Sqlite => {
            let config = SqliteConfig::new(dir.join("smsgw.db"));
            Arc::new(SqliteStore::open(config, Arc::new(SystemClock)).await.expect("a store"))
        }
        StoreKind::Postgres => Arc::new(PostgresStore::connect(postgres()?).await.expect("a store")),
    })
}

async fn queue(kind: QueueKind) -> Result<Arc<dyn Queue>, Missing> {
    Ok(match kind {
        QueueKind::Memory => Arc::new(MemoryQueue::new()),
        QueueKind::Postgres => {
            let lease = Duration::from_secs(30);
            Arc::new(PostgresQueue::connect(postgres()?, lease).await.expect("a queue"))
        }
        QueueKind::Redis => {
            let server = server!(Redis, Redis::start());
            let config = RedisConfig { prefix: format!("{}:", place()), ..RedisConfig::new(server.url()) };
            Arc::new(RedisQueue::open(config).await.expect("a queue"))
        }
        QueueKind::Amqp => {
            let server = server!(RabbitMq, RabbitMq::start());
            let config = AmqpConfig { queue: place(), ..AmqpConfig::new(server.url()) };
            Arc::new(AmqpQueue::open(config).await.expect("a queue"))
        }
    })
}

/// A broker for one case: its topics name no case.
enum RunningBroker {
    Embedded(Broker),
    Mosquitto(Mosquitto),
}

async fn broker(kind: BrokerKind, store: &Arc<dyn Store>) -> Result<RunningBroker, Missing> {
    Ok(match kind {
        BrokerKind::Embedded => {
            let config = BrokerConfig::new("127.0.0.1:0".parse().expect("an address"));
            let authenticator = Authenticator::new(store.clone(), SystemClock);
            RunningBroker::Embedded(Broker::start(config, authenticator).await.expect("a broker"))
        }
        BrokerKind::Mosquitto => RunningBroker::Mosquitto(Mosquitto::start()?),
    })
}

impl RunningBroker {
    fn port(&self) -> u16 {
        match self {
            Self::Embedded(broker) => broker.local_addr().port(),
            Self::Mosquitto(mosquitto) => mosquitto.port(),
        }
    }

    fn transport(&self) -> MqttTransport {
        match self {
            Self::Embedded(broker) => MqttTransport::embedded(broker),
            Self::Mosquitto(mosquitto) => MqttTransport::new(MqttConfig::new("127.0.0.1", mosquitto.port())),
        }
    }
}

async fn run(Combination(store_kind, queue_kind, broker_kind): Combination) -> Result<(), Missing> {
    let dir = tempfile::tempdir().expect("a directory");
    let store = store(store_kind, dir.path()).await?;
    let queue = queue(queue_kind).await?;
    let broker = broker(broker_kind, &store).await?;
    let running = Gateway::builder(store, queue, broker.transport()).build().start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;

    let (air, off) = (Air::default(), CancellationToken::new());
    let mut phones = tokio::task::JoinSet::new();
    for n in 0..PHONES {
        let device = handle.create_device(account, NewDevice::new(n.to_string())).await.expect("a device");
        let (key, _) = handle.create_key(account, device.id, None).await.expect("made").expect("there");
        let url = format!("mqtt://127.0.0.1:{}", broker.port());
        let phone =
            Device::builder(&url, device.id.to_string(), key.expose().to_owned()).build().expect("a phone");
        let (radio, off) = (Counted(air.clone()), off.clone());
        phones.spawn(async move {
            phone.run(radio, off.cancelled_owned()).await.expect("its journal is in memory")
        });
    }

    let to = "+5351234567".parse().expect("a number");
    let mut ids = Vec::new();
    for _ in 0..MESSAGES / 100 {
        let message = NewMessage::new(account, to, Body::new("hola").expect("a body"));
        for outcome in handle.submit(vec![message; 100]).await.expect("accepted") {
            let Submitted::Accepted(message) = outcome else { panic!("{outcome:?}") };
            ids.push(message.id.to_string());
        }
    }
    let all_sent = async {
        let query = MessageQuery { state: Some(State::Sent), ..MessageQuery::new(account, MESSAGES) };
        while handle.messages(&query).await.expect("read").items.len() < MESSAGES {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, all_sent).await.is_err() {
        let rest = handle.messages(&MessageQuery::new(account, MESSAGES)).await.expect("read").items;
        let rest: Vec<_> =
            rest.iter().filter(|m| m.state != State::Sent).map(|m| (m.state, m.reason)).collect();
        panic!("{} of {MESSAGES} are stuck, the first as {:?}", rest.len(), rest.first());
    }
    let sent = std::mem::take(&mut *air.lock().expect("not poisoned"));
    assert!(ids.iter().all(|id| sent.get(id) == Some(&1)), "each message goes over the air once");
    assert_eq!(sent.len(), MESSAGES);

    off.cancel();
    while phones.join_next().await.is_some() {}
    running.drain(Duration::from_secs(20)).await.expect("drains");
    Ok(())
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for store in [StoreKind::Sqlite, StoreKind::Postgres] {
        for queue in [QueueKind::Memory, QueueKind::Postgres, QueueKind::Redis, QueueKind::Amqp] {
            for broker in [BrokerKind::Embedded, BrokerKind::Mosquitto] {
                let combination = Combination(store, queue, broker);
                trials.push(Trial::ignorable_test(combination.to_string(), move || {
                    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
                    match runtime.block_on(run(combination)) {
                        Ok(()) => Ok(Completion::Completed),
                        Err(missing) if missing.is_required() => Err(missing.0.into()),
                        Err(Missing(why)) => Ok(Completion::ignored_with(why)),
                    }
                }));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
