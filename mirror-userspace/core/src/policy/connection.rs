//! What a head says of its connection (RFC 9110 section 7.6.1), which the copy's is not.

use super::splice::Splice;
use crate::http::Field;
use crate::http::{Head, Version};

/// Leaves out those options of a `Connection` line that are to be dropped, and the line if none is left. Whether it is
/// such a line.
pub(super) fn drop_options(
    head: &Head<'_>,
    field: &Field,
    is_dropped: impl Fn(&[u8]) -> bool,
    splice: &mut Splice<'_, '_>,
) -> bool {
    if !head.bytes(field.name).eq_ignore_ascii_case(b"connection") {
        return false;
    }
    let options = head.bytes(field.value).split(|byte| *byte == b',');
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut drops = false;
    for option in options.map(<[u8]>::trim_ascii) {
        match is_dropped(option) {
            true => drops = true,
            false => kept.extend([&b", "[..], option]),
        }
    }
    match kept.get(1..) {
        _ if !drops => {}
        Some(kept) => splice.set_value(field, kept),
        None => splice.remove(field),
    }
    true
}

/// Whether a copy without `close` leaves its connection open: in HTTP/1.0 it would not, and an offer to leave HTTP/1 needs
/// its connection.
pub(super) fn stays_without_close(head: &Head<'_>) -> bool {
    head.version == Version::Http11 && head.upgrade.is_none()
}

/// Whether an option says that the connection is to be closed.
pub(super) fn is_close(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"close")
}
