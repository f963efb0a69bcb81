//! The contents of SETTINGS, WINDOW_UPDATE and RST_STREAM frames (RFC 9113 sections 6.4, 6.5 and 6.9).
//!
//! Nothing of them is kept: what a client sets is for v1's replies. Windows are not followed either, since only v1's
//! bytes say how much of one is used: a window that overflows is v1's to refuse, by GOAWAY or RST_STREAM.

use super::{Refusal, collect::Collected};

/// SETTINGS_ENABLE_PUSH (section 6.5.2).
pub(super) const ENABLE_PUSH: u16 = 2;

/// A frame of small parts, of which each is looked at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control {
    pub(super) stream: u32,
    /// Bytes of the payload that are still to come.
    pub(super) left: u32,
    pub(super) part: Part,
}

/// What the parts are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// A setting of SETTINGS, of six bytes.
    Setting(Collected<6>),
    /// An error code, of RST_STREAM.
    Reset(Collected<4>),
    /// An increment, of WINDOW_UPDATE.
    Window(Collected<4>),
}

/// What a part turned out to be.
pub(super) enum Said {
    Setting { id: u16, value: u32 },
    Reset { code: u32 },
    Window { increment: u32 },
}

impl Control {
    /// The next part, if all its bytes have come.
    pub(super) fn next(&mut self, from: &mut &[u8]) -> Option<Said> {
        let before = from.len();
        let said = match &mut self.part {
            Part::Setting(bytes) => bytes.fill(from).map(|[a, b, c, d, e, f]| Said::Setting {
                id: u16::from_be_bytes([a, b]),
                value: u32::from_be_bytes([c, d, e, f]),
            }),
            Part::Reset(bytes) => bytes.fill(from).map(|bytes| Said::Reset {
                code: u32::from_be_bytes(bytes),
            }),
            Part::Window(bytes) => bytes.fill(from).map(|[a, b, c, d]| Said::Window {
                increment: u32::from_be_bytes([a & 0x7f, b, c, d]),
            }),
        };
        self.left -= u32::try_from(before - from.len()).unwrap_or(self.left);
        said
    }
}

/// What a server has to refuse (section 6.5.2).
///
/// # Errors
/// [`Refusal::Framing`].
pub(super) const fn check_setting(id: u16, value: u32) -> Result<(), Refusal> {
    let good = match id {
        ENABLE_PUSH => value <= 1,
        // SETTINGS_INITIAL_WINDOW_SIZE
        4 => value < 1 << 31,
        // SETTINGS_MAX_FRAME_SIZE
        5 => value >= 1 << 14 && value < 1 << 24,
        _ => true,
    };
    if good { Ok(()) } else { Err(Refusal::Framing) }
}
