//! Loads the kernel half, once for each attachment.

use anyhow::Result;
use aya::{Ebpf, EbpfLoader};

use super::{
    config::LiveConfig,
    locked_memory,
    object::{object, tap_object},
};

/// The smallest ring there is, in bytes: a page.
const SMALLEST_RING: u32 = 4096;

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
            // Nothing will be written to it, and each program has its own of 128 KiB.
            loader.map_max_entries("AYA_LOGS", SMALLEST_RING);
        }
        Ok(Self { loader, object })
    }

    /// One more program, its maps made.
    pub(super) fn load(&mut self) -> Result<Ebpf> {
        self.load_from(self.object)
    }

    /// One more program for a port that receives copies, its maps made.
    pub(super) fn load_tap(&mut self) -> Result<Ebpf> {
        self.load_from(tap_object()?)
    }

    fn load_from(&mut self, object: &[u8]) -> Result<Ebpf> {
        self.loader.load(object).map_err(|error| {
            let error = anyhow::Error::new(error).context("making the kernel program's maps");
            locked_memory::explain(error)
        })
    }
}
