//! Sends the messages: keep-alive connections, one request at a time on each, written and read by hand so that the driver
//! costs as little as it can.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::tally::Tally;

/// After a refusal.
const PAUSE: Duration = Duration::from_millis(20);

/// What is to be sent, and where.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) gateway: SocketAddr,
    pub(crate) token: String,
    pub(crate) connections: u16,
    pub(crate) rate: Option<f64>,
    /// Messages in each request.
    pub(crate) bulk: u16,
    pub(crate) body: u16,
    /// When the messages are to go, as RFC 3339; at once where nothing is said.
    pub(crate) send_at: Option<String>,
}

/// What the connections share.
struct Work {
    load: Load,
    tally: Arc<Tally>,
    numbers: Range<usize>,
    taken: AtomicUsize,
    /// Messages whose time has come, where there is a rate.
    due: Semaphore,
    began: u64,
}

impl Load {
    /// Sends the messages of these numbers, and returns when each has its answer.
    pub(crate) fn run(&self, tally: &Arc<Tally>, numbers: Range<usize>) -> io::Result<()> {
        let work = Arc::new(Work {
            load: self.clone(),
            tally: tally.clone(),
            taken: AtomicUsize::new(numbers.start),
            due: Semaphore::new(0),
            began: tally.now(),
            numbers,
        });
        let pacer = self.rate.map(|rate| {
            let work = work.clone();
            std::thread::spawn(move || work.pace(rate))
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sent = runtime.block_on(async {
            let mut connections = JoinSet::new();
            for _ in 0..self.connections {
                connections.spawn(send(work.clone()));
            }
            while let Some(done) = connections.join_next().await {
                done??;
            }
            Ok(())
        });
        if let Some(pacer) = pacer {
            // Where a connection has failed, nobody waits for what is due later.
            work.due.close();
            let _ = pacer.join();
        }
        sent
    }
}

impl Work {
    /// Says when each message is due. A thread of its own: the timers of the connections are a millisecond apart.
    fn pace(&self, rate: f64) {
        for number in self.numbers.clone() {
            let wait = self.due_at(number, rate).saturating_sub(self.tally.now());
            std::thread::sleep(Duration::from_nanos(wait));
            if self.due.is_closed() {
                return;
            }
            self.due.add_permits(1);
        }
    }

    fn due_at(&self, number: usize, rate: f64) -> u64 {
        self.began + ((number - self.numbers.start) as f64 / rate * 1e9) as u64
    }

    /// The messages of the next request, once they are due, and since when they are.
    async fn next(&self) -> Option<(Range<usize>, Option<u64>)> {
        if self.load.rate.is_some() {
            self.due.acquire().await.ok()?.forget();
        }
        let bulk = usize::from(self.load.bulk);
        let first = self.taken.fetch_add(bulk, Relaxed);
        if first >= self.numbers.end {
            return None;
        }
        let numbers = first..self.numbers.end.min(first + bulk);
        // All connections may be busy when a message is due: the time that it waits for one counts.
        let due = self.load.rate.map(|rate| self.due_at(first, rate));
        if numbers.end == self.numbers.end {
            // The others need not wait for what does not come.
            self.due.close();
        }
        Some((numbers, due))
    }

    fn write(&self, numbers: Range<usize>, request: &mut Vec<u8>, body: &mut String) {
        body.clear();
        let path = if self.load.bulk > 1 {
            body.push_str(r#"{"messages":["#);
            for number in numbers {
                self.write_message(number, body);
                body.push(',');
            }
            body.pop();
            body.push_str("]}");
            "/messages/bulk"
        } else {
            self.write_message(numbers.start, body);
            "/messages"
        };
        request.clear();
        request.extend_from_slice(b"POST ");
        request.extend_from_slice(path.as_bytes());
        request.extend_from_slice(b" HTTP/1.1\r\nhost: loadtest\r\nauthorization: Bearer ");
        request.extend_from_slice(self.load.token.as_bytes());
        request.extend_from_slice(b"\r\ncontent-type: application/json\r\ncontent-length: ");
        request.extend_from_slice(body.len().to_string().as_bytes());
        request.extend_from_slice(b"\r\n\r\n");
        request.extend_from_slice(body.as_bytes());
    }

    fn write_message(&self, number: usize, body: &mut String) {
        use std::fmt::Write;
        let _ = write!(body, r##"{{"to":"+535{:07}","body":"#{number}# "##, number % 10_000_000);
        let text = body.rfind('#').map_or(0, |end| body.len() - end) + number.to_string().len() + 1;
        body.extend(std::iter::repeat_n('x', usize::from(self.load.body).saturating_sub(text)));
        body.push('"');
        if let Some(at) = &self.load.send_at {
            let _ = write!(body, r#","send_at":"{at}""#);
        }
        body.push('}');
    }

    /// Whether an answer says that it accepts all messages of its request.
    fn accepts(&self, messages: usize, answer: &[u8]) -> bool {
        let accepted = |text: &str| text.matches(r#""status":202"#).count();
        self.load.bulk == 1 || std::str::from_utf8(answer).is_ok_and(|text| accepted(text) == messages)
    }
}

/// One connection.
async fn send(work: Arc<Work>) -> io::Result<()> {
    let mut stream = TcpStream::connect(work.load.gateway).await?;
    stream.set_nodelay(true)?;
    let (mut request, mut body, mut answer) = (Vec::new(), String::new(), Vec::with_capacity(4_096));
    while let Some((numbers, due)) = work.next().await {
        work.write(numbers.clone(), &mut request, &mut body);
        let since = due.unwrap_or_else(|| work.tally.now());
        for number in numbers.clone() {
            work.tally.sent.note(number, since);
        }
        loop {
            stream.write_all(&request).await?;
            match read_answer(&mut stream, &mut answer).await? {
                200..300 if work.accepts(numbers.len(), &answer) => break,
                429 | 503 => {
                    work.tally.refused.fetch_add(1, Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
                _ => return Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned())),
            }
        }
        let now = work.tally.now();
        for number in numbers.clone() {
            work.tally.accepted.note(number, now);
        }
        work.tally.answers.fetch_add(numbers.len(), Relaxed);
    }
    Ok(())
}

/// Reads one answer whole into `buffer`. Says its status.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<u16> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let (status, length) = read_head(&buffer[..head])
            .ok_or_else(|| io::Error::other("an answer that this program cannot read"))?;
        let whole = head + 4 + length;
        while buffer.len() < whole {
            if stream.read_buf(buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        return Ok(status);
    }
}

/// The status, and how long the body is.
fn read_head(head: &[u8]) -> Option<(u16, usize)> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Some((status, length?))
}
