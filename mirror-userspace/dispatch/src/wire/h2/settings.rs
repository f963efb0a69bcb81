//! What the target wants of us (RFC 9113 section 6.5.2).

use super::{
    frames::{FIRST_WINDOW, MAX_FRAME, MAX_WINDOW},
    hearing::Fault,
};

/// The target's settings, as far as they matter to whoever sends requests. Its header table is not used, its
/// frames may always be as large as ours are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Streams that may be open at once.
    pub(super) streams: usize,
    /// The window that a stream begins with.
    pub(super) window: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            streams: usize::MAX,
            window: FIRST_WINDOW,
        }
    }
}

impl Settings {
    /// Takes the payload of a SETTINGS frame. Of one that is named more than once the last value counts.
    ///
    /// # Errors
    ///
    /// If a value is out of its range.
    pub(super) fn take(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let (settings, _) = payload.as_chunks::<6>();
        for [a, b, c, d, e, f] in settings {
            let value = u32::from_be_bytes([*c, *d, *e, *f]);
            let wide = i64::from(value);
            match u16::from_be_bytes([*a, *b]) {
                // A server may only say that it doesn't push either.
                2 if value > 1 => return Err(Fault::Broken),
                3 => self.streams = usize::try_from(value).unwrap_or(usize::MAX),
                4 if wide > MAX_WINDOW => return Err(Fault::Broken),
                4 => self.window = wide,
                5 if !(MAX_FRAME..1 << 24).contains(&usize::try_from(value).unwrap_or(0)) => {
                    return Err(Fault::Broken);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
