//! When a ring's reader sleeps, and what wakes it.
//!
//! Waking a reader costs the kernel program, and so the mirrored service, many times as much as copying
//! a segment, and the reader as much again. A reader that has work asks for no wakeups: it sleeps for
//! a [`Nap`] at a time and polls again. A nap's price is the same whatever it brings, so it gets longer until it brings
//! enough: 3 ms at first, and at most 10, or 40 while it brings a handful; of a ring of less than 16 MiB less, as it is full sooner. An eighth of a ring is
//! too much for one, as the scheduler may take as long again before it lets the reader run: a longer one ends as soon as that much
//! is there, for which the reader looks every 10 ms. Only after [`LINGER`] more empty polls does it raise its flag in
//! `SLEEPING` of every program ([`wakeups`](super::wakeups)), upon which they wake it with the next
//! record. So a reader wakes 25 to 340 times per second under traffic and five times without, and a
//! record waits half a nap for it on average, 1.5 to 20 ms; the first after a pause does not wait.
//!
//! A program reads the flag before it commits a record, so a record that was being written when the flag
//! was raised comes without a wakeup. That is why the reader polls once more after raising the flag,
//! sleeps for at most 1 ms the first time, and never longer than [`TICK`].

use std::{future::poll_fn, io, os::fd::OwnedFd, sync::Arc, task::Poll, time::Duration};

use tokio::{
    io::{Interest, unix::AsyncFd},
    time::{sleep, timeout},
};

use super::wakeups::Wakeups;

/// Poll intervals of a ring that has, or may soon have, records, for a thread with nothing else to do.
const SHORTEST: Duration = Duration::from_millis(3);
const LONGEST: Duration = Duration::from_millis(10);
/// The longest of those that bring less than [`FEW`], of a reader that sees how full its ring is.
const CALMEST: Duration = Duration::from_millis(40);
/// The ring that the longest are for: a smaller one is full sooner.
const ROOMY: usize = 16 * 1024 * 1024;
/// Records that make a nap long enough. Of the largest, they are half of a ring of 16 MiB.
const ENOUGH: usize = 128;
/// Records that are worth waking for.
const FEW: usize = 20;
/// Poll interval when the thread also serves connections.
const GLANCE: Duration = Duration::from_millis(1);
/// Empty polls before the reader goes to sleep.
const LINGER: u32 = 3;
/// The longest sleep, should a wakeup be lost.
const TICK: Duration = Duration::from_millis(200);

/// How deep the reader sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// The reader polls; this many polls in a row were empty.
    Awake(u32),
    /// The flag is up, and records from before it may still come.
    Dozing,
    /// The flag has been up for long enough.
    Asleep,
}

/// What to do before the next look at the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Pause until the next poll.
    Pause,
    /// Raise the flag, and poll at once.
    RaiseFlag,
    /// Sleep until woken, but no longer than this.
    Sleep(Duration),
}

impl Depth {
    /// After an empty poll: whether to poll again without asking to be woken.
    const fn lingers(&mut self) -> bool {
        match self {
            Self::Awake(looks) if *looks < LINGER => {
                *looks += 1;
                true
            }
            _ => false,
        }
    }

    /// After an empty poll: what to do before the next one.
    fn step(&mut self) -> Step {
        if self.lingers() {
            return Step::Pause;
        }
        match *self {
            Self::Awake(_) => {
                *self = Self::Dozing;
                Step::RaiseFlag
            }
            Self::Dozing => {
                *self = Self::Asleep;
                Step::Sleep(GLANCE)
            }
            Self::Asleep => Step::Sleep(TICK),
        }
    }
}

/// How long the next nap is.
#[derive(Debug)]
struct Nap {
    length: Duration,
    /// The longest of naps that bring few records, and of others.
    calmest: Duration,
    longest: Duration,
    /// Records since the last one.
    brought: usize,
    /// Bytes of them.
    bytes: u64,
    /// So many are too much for one.
    too_many: u64,
}

impl Nap {
    /// For a ring of so many bytes; whether its reader sees how full it is.
    fn new(ring: usize, sees_fill: bool) -> Self {
        let most = |of_roomy: Duration| {
            let micros = of_roomy.as_micros() * ring.min(ROOMY) as u128 / ROOMY as u128;
            let most = Duration::from_micros(u64::try_from(micros).unwrap_or_default());
            most.max(SHORTEST)
        };
        let longest = most(LONGEST);
        Self {
            length: SHORTEST,
            calmest: if sees_fill { most(CALMEST) } else { longest },
            longest,
            brought: 0,
            bytes: 0,
            too_many: ring as u64 / 8,
        }
    }

    const fn reset(&mut self) {
        self.length = SHORTEST;
        self.brought = 0;
        self.bytes = 0;
    }

    /// Goes by what the last one brought; if that is nothing, it says nothing.
    fn next(&mut self) -> Duration {
        let is_too_much = std::mem::take(&mut self.bytes) >= self.too_many;
        let longer = self.longest.min(self.length + Duration::from_millis(1));
        self.length = match std::mem::take(&mut self.brought) {
            0 => self.length,
            _ if is_too_much => SHORTEST,
            few if few < FEW && self.length < self.longest => longer,
            few if few < FEW => self.calmest.min(self.length + self.length / 4),
            many if self.length > self.longest => match many < 2 * FEW {
                true => self.length,
                false => self.longest,
            },
            few if few < ENOUGH => longer,
            many if many >= 2 * ENOUGH => SHORTEST.max(self.length / 2),
            _ => self.length,
        };
        self.length
    }
}

/// Decides when one reader sleeps, and wakes it.
pub(super) struct Sleeper {
    depth: Depth,
    nap: Nap,
    /// What becomes readable with a record.
    files: Vec<Arc<OwnedFd>>,
    /// The files, watched; only while the flag is up, as a watched file wakes whoever watches.
    watched: Vec<AsyncFd<Arc<OwnedFd>>>,
    /// Where our flags are, and which; `None` if the ring wakes its reader in any case.
    flag: Option<(Wakeups, u32)>,
}

impl Sleeper {
    /// `bytes` are those of all rings together; each file is one. A reader that has a flag sees how full its ring is.
    pub(super) fn new(files: Vec<OwnedFd>, bytes: usize, flag: Option<(Wakeups, u32)>) -> Self {
        Self {
            depth: Depth::Awake(0),
            nap: Nap::new(bytes / files.len().max(1), flag.is_some()),
            files: files.into_iter().map(Arc::new).collect(),
            watched: Vec::new(),
            flag,
        }
    }

    /// There were so many records with so many bytes, or some are withheld: no more wakeups are needed.
    pub(super) fn stay_awake(&mut self, records: usize, bytes: u64) {
        self.nap.brought += records;
        self.nap.bytes += bytes;
        let slept = !matches!(self.depth, Depth::Awake(_));
        self.depth = Depth::Awake(0);
        if slept {
            self.watched.clear();
            if let Some((wakeups, shard)) = &self.flag {
                wakeups.lower(*shard);
            }
        }
    }

    /// How long the whole thread may sleep before another look, in parts between which it is seen whether so many
    /// bytes [are too many](Self::ends_nap); `None` if it is time to [`wait`](Self::wait).
    pub(super) fn nap(&mut self) -> Option<impl Iterator<Item = Duration> + use<>> {
        let mut left = self.depth.lingers().then(|| self.nap.next())?;
        Some(std::iter::from_fn(move || {
            let part = left.min(LONGEST);
            left -= part;
            (!part.is_zero()).then_some(part)
        }))
    }

    /// Whether a nap is over because so many bytes are there.
    pub(super) const fn ends_nap(&self, bytes: usize) -> bool {
        bytes as u64 >= self.nap.too_many
    }

    /// Waits until it is worth another look at the ring. Can be cancelled at any time.
    pub(super) async fn wait(&mut self) {
        match self.depth.step() {
            Step::Pause => sleep(GLANCE).await,
            Step::RaiseFlag => {
                // Whoever comes now and then need not wait for others.
                self.nap.reset();
                if let Err(error) = self.watch() {
                    log::warn!("a ring can't be watched, so it is polled: {error}");
                }
                if let Some((wakeups, shard)) = &self.flag {
                    wakeups.raise(*shard);
                }
            }
            Step::Sleep(longest) => {
                // Without files to watch, the reader would not wake in time.
                let longest = if self.watched.is_empty() {
                    GLANCE
                } else {
                    longest
                };
                // Woken or not, the next step is a look.
                let _ = timeout(longest, self.woken()).await;
            }
        }
    }

    #[expect(
        deprecated,
        reason = "its successor is unsafe for the sake of types that may close their file early; an `OwnedFd` does not"
    )]
    fn watch(&mut self) -> io::Result<()> {
        self.watched = self
            .files
            .iter()
            .map(|file| AsyncFd::with_interest(Arc::clone(file), Interest::READABLE))
            .collect::<io::Result<_>>()?;
        Ok(())
    }

    async fn woken(&self) {
        poll_fn(|context| {
            let mut woken = Poll::Pending;
            for file in &self.watched {
                if let Poll::Ready(Ok(mut ready)) = file.poll_read_ready(context) {
                    ready.clear_ready();
                    woken = Poll::Ready(());
                }
            }
            woken
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_lingers_then_dozes_then_sleeps() {
        let mut depth = Depth::Awake(0);
        let steps: Vec<_> = (0..7).map(|_| depth.step()).collect();
        assert_eq!(
            steps,
            [
                Step::Pause,
                Step::Pause,
                Step::Pause,
                Step::RaiseFlag,
                Step::Sleep(GLANCE),
                Step::Sleep(TICK),
                Step::Sleep(TICK),
            ]
        );
    }

    /// A reader that sees how full its ring is, or one that does not.
    fn sleeper(ring: usize, sees_fill: bool) -> Sleeper {
        Sleeper::new(Vec::new(), ring, sees_fill.then(|| (Wakeups::default(), 0)))
    }

    /// How long a nap is, in milliseconds, that brings this.
    fn nap(sleeper: &mut Sleeper, records: usize, bytes: u64) -> u128 {
        let parts: Vec<_> = sleeper.nap().unwrap().collect();
        assert!(parts.iter().all(|part| *part <= LONGEST), "{parts:?}");
        sleeper.stay_awake(records, bytes);
        parts.iter().sum::<Duration>().as_millis()
    }

    /// Lengths of naps, each of which brings so many records.
    fn naps(ring: usize, sees_fill: bool, brought: impl IntoIterator<Item = usize>) -> Vec<u128> {
        let mut sleeper = sleeper(ring, sees_fill);
        let brought = brought.into_iter();
        brought
            .map(|records| nap(&mut sleeper, records, 100 * records as u64))
            .collect()
    }

    #[test]
    fn a_nap_gets_longer_until_it_brings_enough() {
        for (sees_fill, last) in [(false, [10, 10]), (true, [12, 15])] {
            let few = naps(ROOMY, sees_fill, [5; 10]);
            assert_eq!(
                (&few[..8], &few[8..]),
                (&[3, 4, 5, 6, 7, 8, 9, 10][..], &last[..])
            );
            let naps = |brought: [usize; 7]| naps(ROOMY, sees_fill, brought);
            let enough = naps([5, 5, ENOUGH, 200, 255, 5, 5]);
            assert_eq!(enough, [3, 4, 5, 5, 5, 5, 6]);
            let many = naps([5, 5, 5, 5, 5, 256, 5]);
            assert_eq!(many, [3, 4, 5, 6, 7, 8, 4]);
            assert_eq!(naps([1_000; 7]), [3; 7]);
        }
    }

    #[test]
    fn where_there_is_little_naps_are_long() {
        assert_eq!(naps(ROOMY, false, [5; 50]).pop(), Some(10));
        assert_eq!(naps(ROOMY, true, [5; 50]).pop(), Some(40));
        // 40 ms of 500 records per second, and then of as many as bring 20 in 10 ms, and of more.
        let calm = [5; 14].into_iter();
        let after = |brought: [usize; 3]| {
            let naps = naps(ROOMY, true, calm.clone().chain(brought));
            naps[naps.len() - 2..].to_vec()
        };
        assert_eq!(after([FEW, FEW, FEW]), [40, 40]);
        assert_eq!(after([2 * FEW - 1, 2 * FEW, 5]), [40, 10]);
        assert_eq!(after([ENOUGH, 2 * ENOUGH, 5]), [10, 5]);
    }

    #[test]
    fn a_nap_that_brings_an_eighth_of_the_ring_is_too_long() {
        let mut sleeper = sleeper(ROOMY, true);
        let little = (2 << 20) - 1;
        assert!(!sleeper.ends_nap(little) && sleeper.ends_nap(little + 1));
        let mut nap = |bytes: usize| nap(&mut sleeper, 5, bytes as u64);
        let lengths = [little, little, little, little + 1, little, little].map(&mut nap);
        assert_eq!(lengths, [3, 4, 5, 6, 3, 4]);
    }

    #[test]
    fn a_small_ring_is_looked_at_more_often() {
        let longest = |sees_fill| {
            let longest = |ring| naps(ring, sees_fill, [5; 50]).pop();
            [1 << 20, 4 << 20, 8 << 20, 16 << 20, 64 << 20].map(longest)
        };
        assert_eq!(longest(false), [3, 3, 5, 10, 10].map(Some));
        assert_eq!(longest(true), [3, 10, 20, 40, 40].map(Some));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_first_nap_after_a_pause_is_short() {
        let mut sleeper = sleeper(ROOMY, true);
        for _ in 0..9 {
            nap(&mut sleeper, 1, 100);
        }
        assert_eq!(nap(&mut sleeper, 1, 100), 15);
        while sleeper.nap().is_some() {}
        sleeper.wait().await;
        sleeper.stay_awake(1, 100);
        assert_eq!(nap(&mut sleeper, 1, 100), 4);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_byte_wakes_a_sleeper() {
        let (read, write) = std::io::pipe().unwrap();
        let mut sleeper = Sleeper::new(vec![read.into()], ROOMY, None);
        while sleeper.depth != Depth::Asleep {
            sleeper.wait().await;
        }
        std::io::Write::write_all(&mut &write, b"!").unwrap();
        sleeper.woken().await;

        sleeper.stay_awake(1, 100);
        assert_eq!(sleeper.depth, Depth::Awake(0));
        assert!(
            sleeper.watched.is_empty(),
            "nothing wakes a reader that is awake"
        );
    }
}
