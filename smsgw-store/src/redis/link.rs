use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::{FromRedisValue, RedisError, RedisResult, ScriptInvocation};
use smsgw_core::error::Result;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::classify::{classify, timeout, unavailable};
use super::server::{Line, Server, Use};

/// The connection that all calls of a handle share, made when it is needed and made again when it breaks. Commands of
/// several tasks follow each other on it without waiting, so one is enough.
#[derive(Debug)]
pub(super) struct Link {
    server: Arc<Server>,
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    line: Option<Line>,
    /// Counts the lines, so that a failure ends the one it was on and no later one.
    generation: u64,
    /// When the last attempt to connect failed: those who waited behind it fail with it.
    failed: Option<(Instant, RedisError)>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(server: Arc<Server>, timeout: Duration) -> Self {
        Self { server, timeout, state: Mutex::default() }
    }

    /// Runs a script: one round trip, within the configured time.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        operation: &'static str,
        script: &ScriptInvocation<'_>,
    ) -> Result<T> {
        self.call(operation, async |mut line: Line| script.invoke_async(&mut line).await).await
    }

    /// Makes a call, within the configured time.
    pub(super) async fn call<T, F: Future<Output = RedisResult<T>>>(
        &self,
        operation: &'static str,
        call: impl FnOnce(Line) -> F,
    ) -> Result<T> {
        let deadline = Instant::now() + self.timeout;
        let (generation, line) = match timeout_at(deadline, self.line(operation)).await {
            Ok(line) => line?,
            Err(_) => return Err(unavailable(operation)),
        };
        match timeout_at(deadline, call(line)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if error.is_unrecoverable_error() || error.is_timeout() || error.is_io_error() {
                    self.end(generation).await;
                }
                Err(classify(operation, error))
            }
            Err(_) => {
                self.end(generation).await;
                Err(timeout(operation))
            }
        }
    }

    async fn line(&self, operation: &'static str) -> Result<(u64, Line)> {
        let start = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(line) = &state.line {
            return Ok((state.generation, line.clone()));
        }
        if let Some((at, error)) = &state.failed
            && *at > start
        {
            return Err(classify(operation, error.clone()));
        }
        match self.server.connect(Use::Calls).await {
            Ok(line) => {
                state.generation += 1;
                state.failed = None;
                state.line = Some(line.clone());
                Ok((state.generation, line))
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(classify(operation, error))
            }
        }
    }

    async fn end(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.line = None;
        }
    }
}
