//! A cable that loses, repeats and reorders frames, both ways, at random: `netem` for kernels without it.

use std::{
    collections::VecDeque,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Result, bail};

use super::{Frames, Host, Lab, Namespace, Offload, packages};

/// How long a frame that is late waits for others at most.
const LATE: Duration = Duration::from_millis(3);

/// What happens to frames, each in percent of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tangle {
    /// Lost.
    pub lost: u64,
    /// Sent twice.
    pub repeated: u64,
    /// Overtaken by up to five others.
    pub late: u64,
    /// What chance begins with.
    pub seed: u64,
}

/// A running cable. Dropping it cuts it.
#[derive(Debug)]
pub struct TangledCable {
    cut: Arc<AtomicBool>,
    ways: Vec<JoinHandle<()>>,
}

impl Lab {
    /// Puts such a cable between the client and the bridge. It carries single packets with checksums of
    /// their own, so that offload goes off.
    ///
    /// # Errors
    ///
    /// When `ip` or `ethtool` is missing or refuses.
    pub fn tangle(&self, tangle: Tangle) -> Result<TangledCable> {
        self.set_offload(Offload::Off)?;
        for host in [Host::Client, Host::V1] {
            without_checksum_offload(self.namespace(host))?;
        }
        self.node.ip("link set dev client nomaster\n\
             link add tangle0 type veth peer name tangle1\n\
             link set tangle1 master lab0 up\n\
             link set tangle0 up")?;
        let cut = Arc::new(AtomicBool::new(false));
        let mut ways = Vec::new();
        // What a socket sends it does not receive: each end has one, for both ways.
        let client = Arc::new(Frames::open(&self.node, "client")?);
        let bridge = Arc::new(Frames::open(&self.node, "tangle0")?);
        for (number, from, to) in [(1, &client, &bridge), (2, &bridge, &client)] {
            let way = Way {
                from: Arc::clone(from),
                to: Arc::clone(to),
                tangle,
                state: tangle.seed ^ number,
                late: VecDeque::new(),
            };
            let cut = Arc::clone(&cut);
            ways.push(thread::spawn(move || way.carry(&cut)));
        }
        Ok(TangledCable { cut, ways })
    }
}

impl Drop for TangledCable {
    fn drop(&mut self) {
        self.cut.store(true, Ordering::Relaxed);
        for way in self.ways.drain(..) {
            // It ends with its interfaces, too.
            let _ended = way.join();
        }
    }
}

fn without_checksum_offload(namespace: &Namespace) -> Result<()> {
    let mut command = Command::new(packages::require("ethtool")?);
    let output = namespace.output(command.args(["-K", "eth0", "tx", "off"]))?;
    if !output.status.success() {
        bail!("ethtool: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// One direction of the cable, on a thread of its own.
struct Way {
    from: Arc<Frames>,
    to: Arc<Frames>,
    tangle: Tangle,
    state: u64,
    /// Frames that are late, and how many others are to overtake each.
    late: VecDeque<(u64, Vec<u8>)>,
}

impl Way {
    fn carry(mut self, cut: &AtomicBool) {
        while !cut.load(Ordering::Relaxed) {
            let done = match self.from.receive(LATE) {
                Ok(Some(frame)) => self.pass(frame),
                Ok(None) => self.let_go(u64::MAX),
                Err(error) => Err(error),
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn pass(&mut self, frame: Vec<u8>) -> Result<()> {
        if self.happens(self.tangle.lost) {
            return Ok(());
        }
        if self.happens(self.tangle.late) {
            let others = self.random() % 5 + 1;
            self.late.push_back((others, frame));
            return Ok(());
        }
        self.to.send(&frame)?;
        if self.happens(self.tangle.repeated) {
            self.to.send(&frame)?;
        }
        self.let_go(1)
    }

    /// So many more frames have overtaken those that are late.
    fn let_go(&mut self, overtaken: u64) -> Result<()> {
        for _ in 0..self.late.len() {
            let Some((others, frame)) = self.late.pop_front() else {
                break;
            };
            match others.saturating_sub(overtaken) {
                0 => self.to.send(&frame)?,
                left => self.late.push_back((left, frame)),
            }
        }
        Ok(())
    }

    fn happens(&mut self, percent: u64) -> bool {
        self.random() % 100 < percent
    }

    /// SplitMix64, once more: the lab uses none of the crates that it tests.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
