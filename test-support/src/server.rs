use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Missing;
use crate::directory::Directory;
use crate::port::Port;
use crate::process::Process;

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(60);
/// How long it may take to end when asked to.
const STOP: Duration = Duration::from_secs(20);

/// What all servers have in common: a port, a directory, and a process that comes and goes.
pub(crate) struct Server {
    // First, so that the process is gone before its directory is removed.
    process: Mutex<Option<Process>>,
    pub(crate) port: Port,
    pub(crate) directory: Directory,
    name: &'static str,
    /// The signal that ends it at once, as a crash does.
    crash: Signal,
    /// The signal that asks it to end.
    stop: Signal,
}

/// Asked again and again until it says that the server answers; given the port and the number of the process.
pub(crate) type Answers = fn(&Server, u32) -> bool;

impl Server {
    pub(crate) fn new(name: &'static str, crash: Signal, stop: Signal) -> Result<Self, Missing> {
        let (port, directory) = (Port::free()?, Directory::new(name)?);
        Ok(Self { process: Mutex::new(None), port, directory, name, crash, stop })
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Starts `command` and waits until the server answers. Does nothing where it runs.
    pub(crate) fn start(&self, mut command: Command, answers: Answers) -> Result<(), Missing> {
        let mut running = self.lock();
        if running.as_mut().is_some_and(|process| !process.has_ended()) {
            return Ok(());
        }
        let log = || File::options().create(true).append(true).open(self.log());
        let spawned = log().and_then(|out| {
            command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
            Process::spawn(command)
        });
        let mut process = spawned.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Missing("there is no setpriv: apt-get install util-linux".into()),
            _ => Missing(format!("cannot start {}: {error}", self.name)),
        })?;
        let deadline = Instant::now() + START;
        while !answers(self, process.id()) {
            if process.has_ended() || Instant::now() > deadline {
                return Err(Missing(format!("{} did not start; it said:\n{}", self.name, self.said())));
            }
            thread::sleep(Duration::from_millis(10));
        }
        *running = Some(process);
        Ok(())
    }

    /// The end of its log.
    fn said(&self) -> String {
        let text = fs::read(self.log()).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(4_000)..]).into_owned()
    }

    pub(crate) fn kill(&self) {
        if let Some(process) = self.lock().take() {
            // What stands still hears no signal but one.
            process.signal_all(Signal::CONT);
            process.signal(self.crash);
            process.wait(STOP);
        }
    }

    pub(crate) fn stop(&self) {
        if let Some(process) = self.lock().take() {
            process.signal_all(Signal::CONT);
            process.signal(self.stop);
            process.wait(STOP);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = self.lock().as_ref() {
            process.signal_all(signal);
        }
    }

    /// What `measure` says of the process; nothing where there is none.
    pub(crate) fn usage<T: Default>(&self, measure: impl FnOnce(u32) -> T) -> T {
        self.lock().as_ref().map(|process| measure(process.id())).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.name)
            .field("port", &self.port.number())
            .field("directory", &self.directory.path())
            .finish_non_exhaustive()
    }
}

/// The methods that all servers have, for a type with a field `server` and methods `command` and `answers`.
macro_rules! life {
    ($name:ident) => {
        impl $name {
            /// The port on 127.0.0.1: the same for the whole life of the value.
            pub fn port(&self) -> u16 {
                self.server.port.number()
            }

            /// The directory that its data is in.
            pub fn directory(&self) -> &std::path::Path {
                self.server.directory.path()
            }

            /// Ends it at once, as a crash does; returns when it is gone.
            pub fn kill(&self) {
                self.server.kill();
            }

            /// Asks it to end, and waits until it has.
            pub fn stop(&self) {
                self.server.stop();
            }

            /// Starts it on the same port and data, and waits until it answers. Does nothing where it runs.
            ///
            /// # Errors
            /// Where it does not start; with the end of its log.
            pub fn start_again(&self) -> Result<(), $crate::Missing> {
                self.server.start(self.command(), Self::answers)
            }

            /// Stops it and starts it again.
            ///
            /// # Errors
            /// As [`start_again`](Self::start_again).
            pub fn restart(&self) -> Result<(), $crate::Missing> {
                self.stop();
                self.start_again()
            }

            /// Makes it stand still (SIGSTOP): connections stay open, and nothing answers.
            pub fn pause(&self) {
                self.server.signal(rustix::process::Signal::STOP);
            }

            /// The processor time that it has used since it was started.
            pub fn cpu(&self) -> std::time::Duration {
                self.server.usage($crate::usage::cpu)
            }

            /// The memory that it holds, in bytes, as [`usage::memory`](crate::usage::memory) counts.
            pub fn memory(&self) -> u64 {
                self.server.usage($crate::usage::memory)
            }

            /// Lets it go on after [`pause`](Self::pause).
            pub fn resume(&self) {
                self.server.signal(rustix::process::Signal::CONT);
            }
        }
    };
}
pub(crate) use life;

/// Whether somebody listens, and answers `question` with something that begins with `answer`.
pub(crate) fn asks(port: u16, question: &[u8], answer: &[u8]) -> bool {
    use std::io::{Read, Write};
    let limit = Duration::from_secs(1);
    let asked = || -> io::Result<bool> {
        let address = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port));
        let mut stream = std::net::TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(question)?;
        let mut buffer = vec![0; answer.len()];
        stream.read_exact(&mut buffer)?;
        Ok(buffer == answer)
    };
    asked().unwrap_or(false)
}
