//! Two replies that are there whole, compared: the way in for whoever has both, as the fuzz target has.

use mirror_core::verdict::{Changes, NotCompared};

use super::{Asked, ContentRules, Contents, Part};

/// A reply that is there whole.
#[derive(Clone, Copy, Debug)]
pub struct WholeReply<'a> {
    /// Its status.
    pub status: u16,
    /// The lines of its fields, each with its end.
    pub head: &'a [u8],
    /// Its body without framing.
    pub body: &'a [u8],
}

/// What differs in the reply of a candidate from that of a baseline; none if one of both alone fails. The body of the
/// former is taken in pieces of `piece` bytes.
///
/// # Errors
/// They are not compared, and why that is.
pub fn compare_replies(
    rules: &ContentRules,
    baseline: WholeReply<'_>,
    candidate: WholeReply<'_>,
    piece: usize,
) -> Result<Changes, NotCompared> {
    let mut contents = Contents::new(rules.clone(), false);
    contents.begin((), "GET /", |_| Asked {
        line: b"GET /"[..].into(),
        same: None,
    });
    let mut judged = None;
    for (part, reply, piece) in [
        (Part::Baseline, baseline, usize::MAX),
        (Part::Candidate, candidate, piece.max(1)),
    ] {
        if let Some(mut kept) = contents.keep(()) {
            kept.handle_head(reply.status, reply.head);
            reply
                .body
                .chunks(piece)
                .for_each(|bytes| kept.handle_body(bytes));
            kept.complete();
            judged = contents.handle_reply((), part, kept);
        }
    }
    let not_compared = contents.take_not_compared();
    match not_compared.total() {
        0 => Ok(judged.map_or_else(Changes::default, |judged| judged.candidate)),
        _ => Err(not_compared),
    }
}
