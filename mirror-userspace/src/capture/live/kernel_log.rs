//! `--log-kernel`: what the program logs (aya-log), passed on to the `log` crate.

use std::{
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result};
use aya::Ebpf;
use aya_log::EbpfLogger;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long it takes, in milliseconds, until the thread sees that it is to stop.
const TICK: u16 = 200;

/// A thread that passes log lines on while this lives. The program logs rare events only.
#[derive(Debug)]
pub(super) struct KernelLog {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl KernelLog {
    /// Starts the thread.
    pub(super) fn start(ebpf: &mut Ebpf) -> Result<Self> {
        let mut logger = EbpfLogger::init(ebpf).context("the kernel program has no log")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("kernel-log".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    let mut file = [PollFd::new(logger.as_fd(), PollFlags::POLLIN)];
                    if let Err(errno) = poll(&mut file, PollTimeout::from(TICK))
                        && errno != nix::errno::Errno::EINTR
                    {
                        log::warn!("the kernel program's log can't be watched: {errno}");
                        return;
                    }
                    logger.flush();
                }
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for KernelLog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            log::warn!("the kernel program's log broke off");
        }
    }
}
