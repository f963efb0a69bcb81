//! A child process that never outlives its owner.

use std::{
    process::{Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

/// A running program with a process group of its own; the whole group is killed when this value is
/// dropped.
#[derive(Debug)]
pub struct Process {
    program: String,
    child: Child,
}

impl Process {
    pub(super) fn new(program: String, child: Child) -> Self {
        Self { program, child }
    }

    /// The process id, which is the id of its process group, too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal, such as SIGUSR1 or SIGKILL.
    ///
    /// # Errors
    ///
    /// When the process has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid()?, signal).with_context(|| format!("sending {signal} to {}", self.program))
    }

    /// Asks the process to end with SIGTERM, and makes it end after `patience`.
    ///
    /// # Errors
    ///
    /// When the process cannot be waited for.
    pub fn terminate(&mut self, patience: Duration) -> Result<ExitStatus> {
        // It may have ended by itself: then waiting finds its status at once.
        let _ended = self.signal(Signal::SIGTERM);
        if let Some(status) = self.wait_timeout(patience)? {
            return Ok(status);
        }
        self.kill_group();
        Ok(self.child.wait()?)
    }

    /// Waits for the end of the process, at most `patience`; `None` when it still runs.
    ///
    /// # Errors
    ///
    /// When the process cannot be waited for.
    pub fn wait_timeout(&mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// All of them: nginx's workers go on serving when their master is killed.
    fn kill_group(&self) {
        if let Ok(group) = self.pid() {
            // An error means that they are gone already.
            let _gone = killpg(group, Signal::SIGKILL);
        }
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.child.id())?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
        // Without the wait the id would stay taken.
        let _reaped = self.child.wait();
    }
}
