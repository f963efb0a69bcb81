//! An offer of HTTP/2, left out of the copy: the request stays what it is, and the copy's connection HTTP/1.

use super::{connection, splice::Splice};
use crate::http::{Field, Head};

/// Leaves out a field line, or the options in it, that belong to the offer (RFC 7540 section 3.2). Whether
/// there was anything to leave out.
pub(super) fn drop(head: &Head<'_>, field: &Field, splice: &mut Splice<'_, '_>) -> bool {
    let name = head.bytes(field.name);
    let is_of_offer = |name: &[u8]| {
        name.eq_ignore_ascii_case(b"upgrade") || name.eq_ignore_ascii_case(b"http2-settings")
    };
    if is_of_offer(name) {
        splice.remove(field);
        return true;
    }
    connection::drop_options(head, field, is_of_offer, splice)
}
