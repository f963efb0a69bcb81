//! Heads without their secrets, for recordings.

use bytes::BytesMut;

use super::{
    field::MutableField,
    field_rules::REDACTED,
    request_target::TargetParts,
    rewrite::{copy, with},
    splice::Splice,
};
use crate::http::{Head, h2::FieldList};

/// Appends the head to `out` with the values of these fields replaced, and, if there are any, the user
/// information of an absolute-form target; nothing else is changed.
///
/// It does not reach the query. [`Trailers`](super::Trailers) do the same behind a chunked body.
pub fn redact(head: &Head<'_>, fields: &[MutableField], out: &mut BytesMut) {
    out.reserve(head.raw.len() + fields.len() * REDACTED.len());
    let mut splice = Splice::new(head, out);
    let user = TargetParts::of(head.target()).user;
    if let Some(user) = user.filter(|_| !fields.is_empty()) {
        let target = head.target.range().start;
        splice.replace(user.start + target..user.end + target, &[REDACTED]);
    }
    for field in head.fields {
        let name = head.bytes(field.name);
        if fields.iter().any(|redacted| redacted.name().matches(name)) {
            splice.set_value(field, &[REDACTED]);
        }
    }
    splice.finish();
}

/// Appends a header block of this list, of a request of HTTP/2 or its trailers, with the values of these fields replaced;
/// nothing else is changed. It refers to no dynamic table, so that it can stand anywhere.
pub fn redact_block(list: &FieldList, fields: &[MutableField], out: &mut BytesMut) {
    for field in list {
        let hidden = fields.iter().any(|it| it.name().matches(field.name));
        if hidden {
            with(field, REDACTED, out);
        } else {
            copy(field, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_head;

    #[test]
    fn only_the_named_values_are_gone() {
        let raw =
            b"GET /?k=1 HTTP/1.1\r\ncookie:  a=b\r\nX:1\r\nCOOKIE:\r\nAuthorization: B x\r\n\r\n";
        let fields = ["Cookie", "authorization"].map(|name| name.parse().unwrap());
        let mut out = BytesMut::new();
        with_head(raw, |head| redact(head, &fields, &mut out));
        let expected = "GET /?k=1 HTTP/1.1\r\ncookie: redacted\r\nX:1\r\nCOOKIE: redacted\r\n\
                        Authorization: redacted\r\n\r\n";
        assert_eq!(out, expected.as_bytes());

        out.clear();
        with_head(raw, |head| redact(head, &[], &mut out));
        assert_eq!(out, &raw[..]);

        out.clear();
        let raw = b"GET http://me:secret@h/@ HTTP/1.1\r\nHost: h\r\n\r\n";
        with_head(raw, |head| redact(head, &fields, &mut out));
        assert_eq!(
            out,
            &b"GET http://redacted@h/@ HTTP/1.1\r\nHost: h\r\n\r\n"[..]
        );
    }
}
