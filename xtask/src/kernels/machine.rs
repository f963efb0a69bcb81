//! A virtual machine: qemu, by KVM where that boots, else emulated.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lab::packages::require;

use crate::{arch::Arch, step::command};

/// How long the first sign of life may take. Where a hypervisor's nesting is broken, a machine
/// stands still before its kernel is unpacked.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
/// How long one check may take, emulated on a busy machine.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// How a machine's instructions are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// By this machine's processor.
    Kvm,
    /// By translation: some ten times slower.
    Emulation,
}

/// The program that is a machine of this architecture, installed if need be.
///
/// # Errors
///
/// When it can't be had: the error says what to install.
pub(super) fn qemu(arch: Arch) -> Result<PathBuf> {
    require(&format!("qemu-system-{}", arch.gnu()))
}

/// A virtual machine to boot: its kernel and its root file system.
pub(super) struct Machine {
    /// What it is made of.
    pub(super) arch: Arch,
    /// The kernel.
    pub(super) kernel: PathBuf,
    /// Its root.
    pub(super) initramfs: PathBuf,
    /// Where its console goes.
    pub(super) console: PathBuf,
    /// Which checks the probe runs.
    pub(super) checks: String,
}

/// How a machine ended, other than by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It said that it was ready.
    Ended,
    /// It ended before it said that it was ready.
    Died,
    /// It said nothing for too long.
    Silent,
}

/// Whether KVM was tried and did not boot.
static EMULATED: AtomicBool = AtomicBool::new(false);

impl Machine {
    /// Boots it and hands each line of its report to `take`, until it ends.
    ///
    /// # Errors
    ///
    /// When qemu cannot be had or started.
    pub(super) fn run(&self, mut take: impl FnMut(&str)) -> Result<End> {
        let kvm = File::options().read(true).write(true).open("/dev/kvm");
        if self.arch.is_native() && kvm.is_ok() && !EMULATED.load(Ordering::Relaxed) {
            let mut lines = 0;
            let end = self.run_with(Accelerator::Kvm, &mut |line: &str| {
                lines += 1;
                take(line);
            })?;
            if lines > 0 {
                return Ok(end);
            }
            eprintln!("KVM does not boot here ({end:?}), so the machines are emulated");
            EMULATED.store(true, Ordering::Relaxed);
        }
        self.run_with(Accelerator::Emulation, &mut take)
    }

    fn run_with(&self, accelerator: Accelerator, take: &mut impl FnMut(&str)) -> Result<End> {
        let mut command = command(qemu(self.arch)?);
        let how: &[&str] = match accelerator {
            Accelerator::Kvm => &["-accel", "kvm", "-cpu", "host"],
            Accelerator::Emulation => &["-accel", "tcg,thread=multi", "-cpu", "max"],
        };
        // Where there is one serial port only, the report has one that is made of memory.
        let report: &[&str] = match self.arch {
            Arch::Amd64 => &["-serial", "stdio"],
            Arch::Arm64 => &[
                "-machine",
                "virt",
                "-chardev",
                "stdio,id=report",
                "-device",
                "virtio-serial-device",
                "-device",
                "virtconsole,chardev=report",
            ],
        };
        command
            .args(["-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-display", "none", "-smp", "2", "-m", "2G"])
            .args(how)
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.initramfs)
            .args(["-append", &self.words()])
            .arg("-serial")
            .arg(format!("file:{}", self.console.display()))
            .args(report)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(self.console.with_extension("qemu"))?);
        let mut child = command.spawn().context("starting qemu")?;
        let lines = listen(&mut child)?;
        let first = match accelerator {
            Accelerator::Kvm => SIGN_OF_LIFE,
            Accelerator::Emulation => PATIENCE,
        };
        let end = follow(&lines, first, take);
        // It may have turned itself off.
        let _gone = child.kill();
        child.wait()?;
        Ok(end)
    }

    /// The kernel's command line; what it does not know is the
    /// probe's: an assignment for the environment, and behind `--` the arguments.
    fn words(&self) -> String {
        // An emulated timer on a busy machine is late, for which a kernel of amd64 gives up.
        let console = match self.arch {
            Arch::Amd64 => "ttyS0 no_timer_check",
            Arch::Arm64 => "ttyAMA0",
        };
        format!(
            "console={console} quiet panic=-1 mitigations=off rdinit=/init \
             PATH=/usr/sbin:/usr/bin -- {}",
            self.checks
        )
    }

    /// The last lines of the console, and what qemu itself said.
    pub(super) fn last_lines(&self, count: usize) -> String {
        let said = last_lines(&self.console.with_extension("qemu"), count);
        format!("{}\n{said}", last_lines(&self.console, count))
    }
}

fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(count);
    lines.get(from..).unwrap_or_default().join("\n")
}

fn listen(child: &mut Child) -> Result<Receiver<String>> {
    let pipe = child.stdout.take().context("qemu has no stdout")?;
    let (send, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    Ok(lines)
}

fn follow(lines: &Receiver<String>, first: Duration, take: &mut impl FnMut(&str)) -> End {
    let mut patience = first;
    let mut heard = Instant::now();
    loop {
        match lines.recv_timeout(patience.saturating_sub(heard.elapsed())) {
            Ok(line) => {
                let line = line.trim_end_matches('\r');
                if line == "end" {
                    return End::Ended;
                }
                take(line);
                (patience, heard) = (PATIENCE, Instant::now());
            }
            Err(RecvTimeoutError::Timeout) => return End::Silent,
            Err(RecvTimeoutError::Disconnected) => return End::Died,
        }
    }
}
