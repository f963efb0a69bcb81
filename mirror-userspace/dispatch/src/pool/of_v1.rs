//! v1's own replies, read as far as they were captured, to be compared with v2's.

use std::collections::HashMap;

use mirror_core::{
    http,
    pipeline::{Expect, RequestKey},
};

use crate::{
    compare::Kept,
    wire::h1::reply::{Limits, ReplyReader, Step},
};

/// Heads have as much room as those of v2's; bodies are only counted beyond what is kept.
const LIMITS: Limits = Limits {
    head: http::Limits::DEFAULT.head,
    fields: http::Limits::DEFAULT.fields,
    body: u64::MAX,
};
/// Readers above which those that nobody waits for are looked for.
const MANY: usize = 4_096;

/// The replies of v1 that are being read.
#[derive(Debug, Default)]
pub(super) struct OfV1(HashMap<RequestKey, ReplyReader, foldhash::fast::RandomState>);

impl OfV1 {
    /// The reply to this request is to be kept in `kept`. `is_open` says which requests are still waited for.
    pub(super) fn begin(
        &mut self,
        request: RequestKey,
        expect: Expect,
        kept: Box<Kept>,
        is_open: impl Fn(RequestKey) -> bool,
    ) {
        if self.0.len() >= MANY {
            self.0.retain(|request, _| is_open(*request));
        }
        let mut reader = ReplyReader::new(expect, LIMITS);
        reader.keep_in(Some(kept));
        self.0.insert(request, reader);
    }

    /// More of a reply was captured, or the rest of it was not. The reply, once nothing more of it comes.
    pub(super) fn handle(
        &mut self,
        request: RequestKey,
        bytes: Option<&[u8]>,
    ) -> Option<Box<Kept>> {
        let reader = self.0.get_mut(&request)?;
        let step = bytes.map(|bytes| reader.handle_data(bytes));
        if step == Some(Ok(Step::More)) {
            return None;
        }
        let mut kept = self.0.remove(&request)?.take_kept()?;
        match step {
            Some(Ok(Step::Complete(..))) => kept.complete(),
            Some(Ok(Step::More | Step::Cut(_))) | None => kept.miss_rest(),
            Some(Err(_)) => kept.spoil(),
        }
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use mirror_core::{budget::Budget, pipeline::ConnectionId, value::Rate};

    use super::*;
    use crate::compare::{Asked, ContentRules, Contents, Part};

    fn key(number: u32) -> RequestKey {
        RequestKey {
            connection: ConnectionId(1),
            number,
        }
    }

    #[test]
    fn readers_that_nobody_waits_for_go() {
        let mut of_v1 = OfV1::default();
        for number in 0..3 * u32::try_from(MANY).unwrap() {
            let kept = Box::new(Kept::new(10, Budget::new(100).empty()));
            of_v1.begin(key(number), Expect::Body, kept, |request| {
                request.number + 1_000 > number
            });
            assert!(of_v1.0.len() <= MANY + MANY / 2);
        }
        assert!(
            of_v1
                .handle(key(1), Some(b"HTTP/1.1 200 OK\r\n\r\n"))
                .is_none()
        );
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
            of_v1.begin(key(1), Expect::Body, kept, |_| true);
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
