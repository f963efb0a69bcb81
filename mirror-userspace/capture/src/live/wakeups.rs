//! The flags by which readers that sleep ask to be woken, in the maps of all programs that feed their rings.
//!
//! A set of programs has a flag for each ring, so a reader that goes to sleep raises one flag, and one more
//! for each further set or port of copies: less than 3 µs each (2 cores, Linux 6.18). Programs that
//! join later are told who sleeps before they see their first segment. That leaves no gap: a reader
//! that goes to sleep before they have joined is in the list, one that does so afterwards finds them.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{Array, Map, MapData, MapError},
};

use super::entries::share;

/// Flags for a mirror's rings, by shard: not 0 while its reader wants to be woken.
pub(super) struct Flags {
    all: Array<MapData, u32>,
    first: u32,
}

impl Flags {
    /// Those of the rings from `first` on.
    pub(super) fn of(ebpf: &Ebpf, first: u32) -> Result<Self> {
        let all = Array::try_from(Map::Array(share(ebpf, "SLEEPING")?))?;
        Ok(Self { all, first })
    }

    fn set(&mut self, shard: u32, value: u32) -> Result<(), MapError> {
        self.all.set(self.first.saturating_add(shard), value, 0)
    }
}

/// Whose flags they are: programs that [joined](Wakeups::join).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joined(u64);

/// The flags of all programs.
#[derive(Clone, Default)]
pub(super) struct Wakeups(Arc<Mutex<Raised>>);

#[derive(Default)]
struct Raised {
    /// The shards whose readers sleep.
    shards: Vec<u32>,
    programs: Vec<(Joined, Flags)>,
    joined: u64,
}

impl Wakeups {
    /// Adds programs, which are told of readers that sleep.
    pub(super) fn join(&self, mut flags: Flags) -> Result<Joined> {
        self.with(|raised| {
            for &shard in &raised.shards {
                flags
                    .set(shard, 1)
                    .context("raising a sleeping reader's flag")?;
            }
            raised.joined += 1;
            let joined = Joined(raised.joined);
            raised.programs.push((joined, flags));
            Ok(joined)
        })
    }

    /// Removes programs: they are told nothing any more, and nobody sleeps as far as they know.
    pub(super) fn leave(&self, joined: Joined) {
        self.with(|raised| {
            for &shard in &raised.shards {
                let mut all = raised.programs.iter_mut();
                if let Some((_, flags)) = all.find(|(other, _)| *other == joined)
                    && let Err(error) = flags.set(shard, 0)
                {
                    log::debug!("shard {shard}'s wakeup flag stays: {error}");
                }
            }
            raised.programs.retain(|(other, _)| *other != joined);
        });
    }

    /// The shard's reader is about to sleep, and looks once more.
    pub(super) fn raise(&self, shard: u32) {
        self.with(|raised| {
            if !raised.shards.contains(&shard) {
                raised.shards.push(shard);
            }
            raised.set(shard, 1);
        });
    }

    /// The shard's reader is awake: waking it would be a waste.
    pub(super) fn lower(&self, shard: u32) {
        self.with(|raised| {
            raised.shards.retain(|other| *other != shard);
            raised.set(shard, 0);
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Raised) -> T) -> T {
        // A panic leaves a list that is whole.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Raised {
    fn set(&mut self, shard: u32, value: u32) {
        for (_, flags) in &mut self.programs {
            if let Err(error) = flags.set(shard, value) {
                log::warn!("shard {shard} can't set its wakeup flag to {value}: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program's flags, and another handle of them to look at; `None`, said loudly, without the
    /// permission to make maps.
    fn flags() -> Option<(Flags, Array<MapData, u32>)> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: maps need root");
            return None;
        }
        let params = aya_obj::Map::new_from_params(
            aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_ARRAY as u32,
            4,
            4,
            8,
            0,
        );
        let map = MapData::create(params, "test_flags", None).unwrap();
        let same = std::os::fd::AsFd::as_fd(map.fd())
            .try_clone_to_owned()
            .unwrap();
        let same = MapData::from_fd(same).unwrap();
        let array = |map| Array::try_from(Map::Array(map)).unwrap();
        let all = array(map);
        Some((Flags { all, first: 2 }, array(same)))
    }

    #[test]
    fn every_program_knows_who_sleeps_whenever_it_joined() {
        let (Some((early, of_early)), Some((late, of_late))) = (flags(), flags()) else {
            return;
        };
        let is_up = |all: &Array<MapData, u32>, shard: u32| all.get(&(2 + shard), 0).unwrap() != 0;
        let wakeups = Wakeups::default();
        let first = wakeups.join(early).unwrap();
        wakeups.raise(1);
        wakeups.raise(1);
        wakeups.join(late).unwrap();
        assert!(is_up(&of_early, 1) && is_up(&of_late, 1));
        assert!(!is_up(&of_late, 0), "its reader is awake");
        wakeups.lower(1);
        assert!(!is_up(&of_early, 1) && !is_up(&of_late, 1));

        wakeups.raise(3);
        wakeups.leave(first);
        assert!(!is_up(&of_early, 3) && is_up(&of_late, 3));
        wakeups.raise(4);
        assert!(!is_up(&of_early, 4) && is_up(&of_late, 4));
    }
}
