use std::fs;
use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A child process, killed with everything that it has started when the value is dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts `command`, which must be run by [`tied`].
    pub(crate) fn spawn(command: Command) -> io::Result<Self> {
        type Work = (Command, Sender<io::Result<Child>>);
        static SPAWNER: OnceLock<Sender<Work>> = OnceLock::new();
        // The kernel kills a child when the thread ends that has started it. Test threads end early; this one ends
        // with the process.
        let spawner = SPAWNER.get_or_init(|| {
            let (work, inbox): (Sender<Work>, Receiver<Work>) = channel();
            thread::spawn(move || {
                for (mut command, reply) in inbox {
                    _ = reply.send(command.spawn());
                }
            });
            work
        });
        let (reply, answer) = channel();
        let gone = |_| io::Error::other("the thread that starts processes is gone");
        spawner.send((command, reply)).map_err(|_| gone(()))?;
        answer.recv().map_err(|_| gone(()))?.map(Self)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Sends `signal` to the process alone.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.id(), signal);
    }

    /// Sends `signal` to the process and to all that it has started.
    pub(crate) fn signal_all(&self, signal: Signal) {
        for id in family(self.id()) {
            send(id, signal);
        }
    }

    /// Waits for the process to end; after `limit` it is killed.
    pub(crate) fn wait(mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while !self.has_ended() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        // `drop` does the rest.
    }

    fn end(&mut self) {
        // A child that is waited for is gone, and its number may be somebody else's.
        if self.has_ended() {
            return;
        }
        let family = family(self.id());
        for id in &family {
            send(*id, Signal::KILL);
        }
        _ = self.0.wait();
        // The others have lost their parent, and nobody waits for them but init.
        let deadline = Instant::now() + Duration::from_secs(5);
        while family.iter().any(|id| is_running(*id)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A command that the kernel kills when this process ends, in whatever way: `program`, as `owner` where one is given.
///
/// `setpriv` asks for that; asking ourselves between fork and exec is not to be had without unsafe code.
pub(crate) fn tied(program: &std::path::Path, owner: Option<crate::directory::Owner>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(owner) = owner {
        command.args([format!("--reuid={}", owner.user), format!("--regid={}", owner.group)]);
        command.arg("--clear-groups");
    }
    command.arg("--").arg(program);
    command
}

fn send(id: u32, signal: Signal) {
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // Fails only where it is gone, as it should be.
        _ = kill_process(id, signal);
    }
}

/// The process and all its descendants.
pub fn family(id: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|child| Some((child, status(child)?.1)))
        .collect();
    let mut family = vec![id];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child));
        next += 1;
    }
    family
}

/// What the kernel says of a process, from the third field on.
pub(crate) fn stat(id: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is the name in brackets, which may hold anything.
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_owned).collect())
}

/// The state and the parent of a process.
fn status(id: u32) -> Option<(char, u32)> {
    let fields = stat(id)?;
    Some((fields.first()?.chars().next()?, fields.get(1)?.parse().ok()?))
}

fn is_running(id: u32) -> bool {
    status(id).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}
