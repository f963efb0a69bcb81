//! Values that flags and documents share, each checked where it is read.

mod bad_value;
mod host;
mod rate;

pub use bad_value::BadValue;
pub use host::Host;
pub(crate) use host::{host_end, is_reg_name};
pub use rate::Rate;

/// A port that can be connected to: 1 to 65535, digits only.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}
