//! The flags by which readers that sleep ask to be woken, in the programs of all attachments.
//!
//! Each program has flags of its own, one a shard, so a reader that goes to sleep raises as many
//! flags as there are attachments: less than 3 µs each (2 cores, Linux 6.18). A program that
//! joins later is told who sleeps before it sees its first segment. That leaves no gap: a reader
//! that goes to sleep before it has joined is in the list, one that does so afterwards finds it.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use aya::maps::{Array, MapData};

use super::config::AttachmentId;

/// A program's flags, by shard: not 0 while its reader wants to be woken.
pub(super) type Flags = Array<MapData, u32>;

/// The flags of all programs.
#[derive(Clone, Default)]
pub(super) struct Wakeups(Arc<Mutex<Raised>>);

#[derive(Default)]
struct Raised {
    /// The shards whose readers sleep.
    shards: Vec<u32>,
    programs: Vec<(AttachmentId, Flags)>,
}

impl Wakeups {
    /// Adds a program, which is told of readers that sleep.
    pub(super) fn join(&self, id: AttachmentId, mut flags: Flags) -> Result<()> {
        self.with(|raised| {
            for &shard in &raised.shards {
                flags
                    .set(shard, 1, 0)
                    .context("raising a sleeping reader's flag")?;
            }
            raised.programs.push((id, flags));
            Ok(())
        })
    }

    /// Removes a program: it is told nothing any more.
    pub(super) fn leave(&self, id: AttachmentId) {
        self.with(|raised| raised.programs.retain(|(other, _)| *other != id));
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
        for (id, flags) in &mut self.programs {
            if let Err(error) = flags.set(shard, value, 0) {
                log::warn!(
                    "shard {shard} can't set its wakeup flag to {value} for attachment {id}: {error}"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program's flags, and another handle of them to look at; `None`, said loudly, without the
    /// permission to make maps.
    fn flags() -> Option<(Flags, Flags)> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: maps need root");
            return None;
        }
        let params = aya_obj::Map::new_from_params(
            aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_ARRAY as u32,
            4,
            4,
            4,
            0,
        );
        let map = MapData::create(params, "test_flags", None).unwrap();
        let same = std::os::fd::AsFd::as_fd(map.fd())
            .try_clone_to_owned()
            .unwrap();
        let same = MapData::from_fd(same).unwrap();
        let array = |map| Array::try_from(aya::maps::Map::Array(map)).unwrap();
        Some((array(map), array(same)))
    }

    #[test]
    fn every_program_knows_who_sleeps_whenever_it_joined() {
        let (Some((early, of_early)), Some((late, of_late))) = (flags(), flags()) else {
            return;
        };
        let is_up = |flags: &Flags, shard| flags.get(&shard, 0).unwrap() != 0;
        let wakeups = Wakeups::default();
        wakeups.join(AttachmentId(0), early).unwrap();
        wakeups.raise(1);
        wakeups.raise(1);
        wakeups.join(AttachmentId(1), late).unwrap();
        assert!(is_up(&of_early, 1) && is_up(&of_late, 1));
        assert!(!is_up(&of_late, 0), "its reader is awake");
        wakeups.lower(1);
        assert!(!is_up(&of_early, 1) && !is_up(&of_late, 1));

        wakeups.leave(AttachmentId(0));
        wakeups.raise(3);
        assert!(!is_up(&of_early, 3) && is_up(&of_late, 3));
    }
}
