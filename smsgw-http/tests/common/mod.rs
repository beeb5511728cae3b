//! A gateway on memory backends behind a real socket, and a client that writes what it is told, byte for byte.
#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod document;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use serde_json::Value;
use smsgw_core::account::{Role, Scope};
use smsgw_core::gateway::{Gateway, Handle, NewToken, Running};
use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_http::{ApiConfig, ServeConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const NUMBER: &str = "+5351234567";
/// An id that nothing has.
pub(crate) const NOBODY: &str = "0199a3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d";

pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    pub(crate) transport: MemoryTransport,
    /// Tokens of two accounts.
    pub(crate) ann: String,
    pub(crate) bob: String,
    /// A token of an admin, for everything.
    pub(crate) root: String,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<smsgw_core::error::Result<()>>,
    pub(crate) running: Running,
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::start_as(ApiConfig::default(), ServeConfig::default()).await
    }

    pub(crate) async fn start_with(config: ApiConfig) -> Self {
        Self::start_as(config, ServeConfig::default()).await
    }

    pub(crate) async fn start_within(limits: ServeConfig) -> Self {
        Self::start_as(ApiConfig::default(), limits).await
    }

    async fn start_as(config: ApiConfig, limits: ServeConfig) -> Self {
        let transport = MemoryTransport::new();
        let gateway = Gateway::builder(MemoryStore::new(), MemoryQueue::new(), transport.clone()).build();
        let running = gateway.start().await.expect("memory backends start");
        let handle = running.handle();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let router = smsgw_http::router_with(handle.clone(), config).layer(from_fn(pretend));
        let grace = Duration::from_secs(5);
        let served = tokio::spawn(smsgw_http::serve_with(listener, router, limits, stop.clone(), grace));
        let [ann, bob, root] = [("ann", Role::User), ("bob", Role::User), ("root", Role::Admin)];
        let (ann, bob) = (account(&handle, ann).await, account(&handle, bob).await);
        let root = account(&handle, root).await;
        Self { address, handle, transport, ann, bob, root, stop, served, running }
    }

    /// Sends `head` and `body` as they are, and reads the answer until the server closes or its length is reached.
    pub(crate) async fn raw(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.connect().await;
        // A server that has heard enough closes; what it said can still be read.
        let _ = stream.write_all(request.as_ref()).await;
        Answer::read(&mut stream).await.expect("an answer")
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server listens")
    }

    /// A request with a token and headers of the caller's.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let body = body.as_ref();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        self.raw([head.as_bytes(), body].concat()).await
    }

    /// A request of Ann's without a body.
    pub(crate) async fn call(&self, method: &str, path: &str) -> Answer {
        self.send(method, path, &bearer(&self.ann), "").await
    }

    /// A request of Ann's with a JSON body.
    pub(crate) async fn json(&self, method: &str, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.json_as(&self.ann, method, path, body).await
    }

    pub(crate) async fn json_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: impl AsRef<[u8]>,
    ) -> Answer {
        self.send(method, path, &format!("{}Content-Type: application/json\r\n", bearer(token)), body).await
    }

    /// A new device of Ann's.
    pub(crate) async fn device(&self) -> String {
        let made = self.json("POST", "/devices", r#"{"name":"phone"}"#).await;
        assert_eq!(made.status, 201);
        made.json()["id"].as_str().expect("an id").to_owned()
    }

    /// A token of Ann's for these scopes.
    pub(crate) async fn token(&self, scopes: impl IntoIterator<Item = Scope>) -> String {
        let ann = self.handle.ensure_account("ann").await.expect("an account");
        let new = NewToken { scopes: scopes.into_iter().collect(), ..NewToken::new("test") };
        self.handle.create_token(ann.id, new).await.expect("a token").0.expose().to_owned()
    }

    /// The audit log as it is once `done`, newest first.
    pub(crate) async fn audit(&self, query: &str, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        for _ in 0..500 {
            let answer = self.json_as(&self.root, "GET", &format!("/audit?{query}"), "").await;
            assert_eq!(answer.status, 200, "{query}");
            let items = answer.json()["items"].as_array().expect("a list").clone();
            if done(&items) {
                return items;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the audit log never became what it should: {query}");
    }

    /// How many messages Ann has.
    pub(crate) async fn messages(&self) -> usize {
        self.call("GET", "/messages").await.json()["items"].as_array().expect("a list").len()
    }
}

/// A new account, and a token for all that it may be allowed.
async fn account(handle: &Handle, (name, role): (&str, Role)) -> String {
    let account = handle.create_account(name, role).await.expect("a store").expect("a new name");
    let new = NewToken { scopes: role.scopes(), ..NewToken::new("test") };
    handle.create_token(account.id, new).await.expect("a token").0.expose().to_owned()
}

/// Takes the address in this header for that of the peer.
const PEER: &str = "x-peer";

async fn pretend(mut request: Request, next: Next) -> Response {
    let peer = request.headers().get(PEER).and_then(|value| value.to_str().ok()?.parse::<IpAddr>().ok());
    if let Some(peer) = peer {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((peer, 1))));
    }
    next.run(request).await
}

/// The header that says that a request comes from `address`.
pub(crate) fn from(address: impl Into<IpAddr>) -> String {
    format!("{PEER}: {}\r\n", address.into())
}

/// The public part of a token or an API key.
pub(crate) fn public(credential: &str) -> &str {
    credential.split('_').nth(2).expect("a credential")
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A body that sends `body` to [`NUMBER`].
pub(crate) fn message(body: &str) -> String {
    serde_json::json!({ "to": NUMBER, "body": body }).to_string()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// `None` where the server closed without a word.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Self> {
        let mut bytes = Vec::new();
        let split = loop {
            if let Some(split) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break split;
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                assert!(bytes.is_empty(), "half a head");
                return None;
            }
        };
        let head = String::from_utf8(bytes[..split].to_vec()).expect("an ASCII head");
        let status = head[9..12].parse().expect("a status");
        let mut answer = Self { status, head, body: bytes[split + 4..].to_vec() };
        // Events have none, and no end.
        if answer.header("transfer-encoding").is_some() {
            return Some(answer);
        }
        let length: usize = answer.header("content-length").map_or(0, |text| text.parse().expect("a length"));
        while answer.body.len() < length && stream.read_buf(&mut answer.body).await.unwrap_or(0) > 0 {}
        assert_eq!(answer.body.len(), length, "{}", answer.head);
        Some(answer)
    }

    /// All of them, until the server closes.
    pub(crate) async fn all(stream: &mut (impl AsyncRead + Unpin)) -> Vec<Self> {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let (mut rest, mut answers) = (bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            let split = rest.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
            let head = String::from_utf8(rest[..split].to_vec()).expect("an ASCII head");
            let status = head[9..12].parse().expect("a status");
            let mut answer = Self { status, head, body: Vec::new() };
            let length = answer.header("content-length").map_or(0, |text| text.parse().expect("a length"));
            answer.body = rest[split + 4..][..length].to_vec();
            rest = &rest[split + 4 + length..];
            answers.push(answer);
        }
        answers
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// A problem of this status and code, as every problem must be.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str, what: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(
            (self.status, self.header("content-type")),
            (status, Some("application/problem+json")),
            "{what}: {text}"
        );
        self.is_dressed(what);
        let problem = self.json();
        assert_eq!(problem["code"], code, "{what}: {text}");
        assert_eq!(problem["status"], status, "{what}");
        assert_eq!(problem["type"], format!("/problems#{code}"), "{what}");
        for member in ["title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{what}: no {member}");
        }
    }

    /// With the headers that every answer has, and none that opens it to pages of other hosts.
    #[track_caller]
    pub(crate) fn is_dressed(&self, what: &str) {
        let id = self.header("x-request-id").unwrap_or_default();
        assert!((1..=64).contains(&id.len()), "{what}: x-request-id: {id}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(self.header(name), Some(value), "{what}: {name}");
        }
        let head = self.head.to_ascii_lowercase();
        assert!(!head.contains("\naccess-control-") && !head.contains("\nserver:"), "{what}: {head}");
    }

    /// A 422 that points to `pointer`.
    #[track_caller]
    pub(crate) fn points_to(&self, pointer: &str, what: &str) {
        self.is_problem(422, "invalid_field", what);
        assert_eq!(self.json()["pointer"], pointer, "{what}");
    }
}
