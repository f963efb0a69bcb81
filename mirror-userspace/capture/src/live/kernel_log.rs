//! `--log-kernel`: what the program logs (aya-log), passed on to the `log` crate.

use std::{
    io::{self, PipeWriter},
    os::fd::AsFd as _,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result};
use aya::Ebpf;
use aya_log::EbpfLogger;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

/// A thread that passes log lines on while this lives. The program logs rare events only.
#[derive(Debug)]
pub(super) struct KernelLog {
    /// Closing it ends the thread.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl KernelLog {
    /// Starts the thread that passes log lines on.
    pub(super) fn start(ebpf: &mut Ebpf) -> Result<Self> {
        let mut logger = EbpfLogger::init(ebpf).context("the kernel program has no log")?;
        let (stopped, stop) = io::pipe()?;
        let thread = thread::Builder::new()
            .name("kernel-log".to_owned())
            .spawn(move || {
                let mut running = true;
                while running {
                    let watch = |file| PollFd::new(file, PollFlags::POLLIN);
                    let mut files = [watch(logger.as_fd()), watch(stopped.as_fd())];
                    match poll(&mut files, PollTimeout::NONE) {
                        Ok(_) | Err(Errno::EINTR) => {}
                        Err(errno) => {
                            log::warn!("the kernel program's log can't be watched: {errno}");
                            return;
                        }
                    }
                    let [_, end] = files;
                    running = !end.any().unwrap_or(false);
                    logger.flush();
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for KernelLog {
    fn drop(&mut self) {
        self.stop = None;
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            log::warn!("the kernel program's log broke off");
        }
    }
}
