//! Loads the kernel half: for a port of copies each time, else for many attachments at once.

use anyhow::Result;
use aya::{Ebpf, EbpfLoader};
use mirror_common::{
    counter::slot,
    settings::{MAX_PORTS, MAX_SHARDS, ROWS, SEATS},
};

use super::{
    config::LiveConfig,
    locked_memory,
    object::{object, tap_object},
};

/// The smallest ring there is, in bytes: a page.
const SMALLEST_RING: u32 = 4096;

/// The maps that have entries for each attachment, and how many.
const OF_SEATS: [(&str, usize); 4] = [
    ("SETTINGS", 1),
    ("COUNTERS", slot::SLOTS),
    ("PROGRAMS", slot::SLOTS),
    ("ANSWERED", MAX_PORTS),
];
/// Those that have an entry for each ring.
const OF_ROWS: [&str; 2] = ["RINGS", "SLEEPING"];

/// Kept for all attachments: making one reads the kernel's types, 15 MiB for a moment.
pub(super) struct Loader {
    loader: EbpfLoader<'static>,
    object: &'static [u8],
}

impl Loader {
    /// For programs that feed this kind of ring.
    pub(super) fn new(config: &LiveConfig) -> Result<Self> {
        let object = object(config.ring)?;
        let mut loader = EbpfLoader::new();
        // The program reads no structures of the kernel: nothing is to be relocated by its types.
        loader.btf(None);
        if !config.log_kernel {
            // Nothing will be written to it, and it has 128 KiB.
            loader.map_max_entries("AYA_LOGS", SMALLEST_RING);
        }
        Ok(Self { loader, object })
    }

    /// Programs that attachments share, their maps made.
    pub(super) fn load(&mut self) -> Result<Ebpf> {
        self.size(SEATS, ROWS)?;
        self.load_from(self.object)
    }

    /// A program for one port that receives copies, its maps made.
    pub(super) fn load_tap(&mut self) -> Result<Ebpf> {
        self.size(1, 1)?;
        self.load_from(tap_object()?)
    }

    /// Has the maps made for so many attachments, and rows of rings.
    fn size(&mut self, seats: usize, rows: usize) -> Result<()> {
        for (map, each) in OF_SEATS {
            let entries = u32::try_from(each * seats)?;
            self.loader.map_max_entries(map, entries);
        }
        for map in OF_ROWS {
            let entries = u32::try_from(MAX_SHARDS * rows)?;
            self.loader.map_max_entries(map, entries);
        }
        Ok(())
    }

    fn load_from(&mut self, object: &[u8]) -> Result<Ebpf> {
        self.loader.load(object).map_err(|error| {
            let error = anyhow::Error::new(error).context("making the kernel program's maps");
            locked_memory::explain(error)
        })
    }
}
