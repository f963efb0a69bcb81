//! v1's own replies, read as far as they were captured, to be compared with v2's.

use std::collections::HashMap;

use mirror_core::{
    budget::{Budget, Reserved},
    http::{self, h2::Unseen},
    pipeline::{Expect, RequestKey, SaidByV1},
};

use crate::{
    compare::{Fate, Kept},
    wire::h1::reply::{Limits, ReplyReader, Step},
};

/// Heads have as much room as those of v2's; bodies are only counted beyond what is kept.
const LIMITS: Limits = Limits {
    head: http::Limits::DEFAULT.head,
    fields: http::Limits::DEFAULT.fields,
    body: u64::MAX,
};

/// The replies of v1 that are being read: of requests that are waited for.
#[derive(Debug, Default)]
pub(super) struct OfV1(HashMap<RequestKey, Reading, foldhash::fast::RandomState>);

/// A reply of v1 that is being read.
#[derive(Debug)]
enum Reading {
    Http1 {
        reader: ReplyReader,
        /// What a head takes that comes in pieces.
        held: Reserved,
    },
    Http2(Box<Kept>),
}

impl OfV1 {
    /// The reply over HTTP/1 to this request is to be kept in `kept`; what a head takes beside it comes out of `budget`.
    pub(super) fn begin(
        &mut self,
        request: RequestKey,
        expect: Expect,
        kept: Box<Kept>,
        budget: &Budget,
    ) {
        let mut reader = ReplyReader::new(expect, LIMITS);
        reader.keep_in(Some(kept));
        let held = budget.empty();
        self.0.insert(request, Reading::Http1 { reader, held });
    }

    /// The same over HTTP/2.
    pub(super) fn begin_http2(&mut self, request: RequestKey, kept: Box<Kept>) {
        self.0.insert(request, Reading::Http2(kept));
    }

    /// Nobody waits for v1's reply to this request any more: what is kept of it gives its room back.
    pub(super) fn forget(&mut self, request: RequestKey) {
        self.0.remove(&request);
    }

    /// v1 said something of a reply over HTTP/2. The reply, once nothing more of it comes.
    pub(super) fn handle_said(
        &mut self,
        request: RequestKey,
        said: &SaidByV1,
    ) -> Option<Box<Kept>> {
        let Reading::Http2(kept) = self.0.get_mut(&request)? else {
            return None;
        };
        match said {
            SaidByV1::Head { status, lines } => kept.handle_head(*status, lines),
            // Its head came before this request was known.
            SaidByV1::Body(_) | SaidByV1::BodyMissed | SaidByV1::Trailers(_)
                if !kept.has_head() => {}
            SaidByV1::Body(bytes) => kept.handle_body(bytes),
            SaidByV1::BodyMissed => kept.miss_body(),
            SaidByV1::Trailers(lines) => kept.handle_trailer_lines(lines),
            SaidByV1::End if kept.has_head() => kept.complete(),
            SaidByV1::End | SaidByV1::Missed(Unseen::NotCaptured) => kept.lose(Fate::NotCaptured),
            SaidByV1::Missed(Unseen::Rest) => kept.miss_rest(),
            SaidByV1::Missed(Unseen::NotDecoded) => kept.lose(Fate::NotDecoded),
            SaidByV1::Missed(Unseen::Malformed) => kept.spoil(),
            SaidByV1::Broken | SaidByV1::Answer { .. } | SaidByV1::Unknown | SaidByV1::Failed => {}
        }
        let is_over = matches!(said, SaidByV1::End | SaidByV1::Missed(_) | SaidByV1::Broken);
        if !is_over {
            return None;
        }
        match self.0.remove(&request) {
            Some(Reading::Http2(kept)) => Some(kept),
            _ => None,
        }
    }

    /// More of a reply was captured, or the rest of it was not. The reply, once nothing more of it comes.
    pub(super) fn handle(
        &mut self,
        request: RequestKey,
        bytes: Option<&[u8]>,
    ) -> Option<Box<Kept>> {
        let Reading::Http1 { reader, held } = self.0.get_mut(&request)? else {
            return None;
        };
        let step = bytes.map(|bytes| reader.handle_data(bytes));
        let needed = reader.held().saturating_sub(held.bytes());
        let has_room = held.grow(needed);
        if step == Some(Ok(Step::More)) && has_room {
            return None;
        }
        let Some(Reading::Http1 { mut reader, .. }) = self.0.remove(&request) else {
            return None;
        };
        let mut kept = reader.take_kept()?;
        match step {
            Some(Ok(Step::Complete(..))) => kept.complete(),
            Some(Ok(Step::More)) => kept.lose(Fate::NoRoom),
            Some(Ok(Step::Cut(_))) | None => kept.miss_rest(),
            Some(Err(_)) => kept.spoil(),
        }
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use mirror_core::{pipeline::ConnectionId, value::Rate};

    use super::*;
    use crate::compare::{Asked, ContentRules, Contents, Part};

    fn key(number: u32) -> RequestKey {
        RequestKey {
            connection: ConnectionId(1),
            number,
        }
    }

    /// What is not known of a head is no difference.
    #[test]
    fn a_head_that_is_cut_is_not_compared() {
        let reply = b"HTTP/1.1 200 OK\r\nServer: v1\r\nX-Long: aaaaaaaaaaaaaaaaaaaaa\r\n\r\n";
        for (captured, open) in [(50, false), (reply.len(), true)] {
            let rules = ContentRules {
                rate: Rate::ALL,
                ..ContentRules::default()
            };
            let mut contents = Contents::new(rules, false).of_captured();
            contents.begin(key(1), "GET /", |_| Asked {
                line: b"GET /"[..].into(),
                same: None,
            });
            let mut of_v1 = OfV1::default();
            let kept = contents.keep(key(1)).unwrap();
            of_v1.begin(key(1), Expect::Body, kept, contents.budget());
            let bytes = reply.get(..captured);
            assert!(of_v1.handle(key(1), bytes).is_none());
            let kept = of_v1.handle(key(1), None).unwrap();
            assert!(
                contents
                    .handle_reply(key(1), Part::Baseline, kept)
                    .is_none()
            );
            assert_eq!(contents.is_open(key(1)), open);
            let not_compared = contents.take_not_compared();
            let counted = (not_compared.not_captured, not_compared.total());
            assert_eq!(counted, if open { (0, 0) } else { (1, 1) });
        }
    }
}
