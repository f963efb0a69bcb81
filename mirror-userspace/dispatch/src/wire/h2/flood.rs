//! Targets that keep us busy with frames.

use std::time::Duration;

use mirror_core::segment::Time;

use super::hearing::Fault;

/// How many frames the target sends that bring nothing (section 10.5).
#[derive(Debug, Default)]
pub(super) struct Flood {
    frames: u32,
    since: Time,
}

impl Flood {
    /// Most of them within [`Self::SPAN`], while nothing comes of the copies.
    const FRAMES: u32 = 10_000;
    const SPAN: Duration = Duration::from_secs(10);

    /// A copy goes on.
    pub(super) const fn forgive(&mut self) {
        self.frames = 0;
    }

    /// One more.
    pub(super) fn count(&mut self, now: Time) -> Result<(), Fault> {
        if now.since(self.since) >= Self::SPAN {
            self.since = now;
            self.frames = 0;
        }
        self.frames += 1;
        if self.frames > Self::FRAMES {
            return Err(Fault::Broken);
        }
        Ok(())
    }
}
