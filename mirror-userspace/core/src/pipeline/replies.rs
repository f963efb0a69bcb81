//! v1's replies on one connection, and which request each of them answers.
//!
//! Only the first bytes of each segment of v1 are captured, so no reply's body is read. The client says where a
//! reply begins: when it sent a request, and nothing was outstanding, it had received all that v1 had sent
//! (its acknowledgment number). Behind a reply whose length is known begins the next. The k-th reply answers the
//! k-th request, interim ones (1xx) aside.
//!
//! Nothing is guessed. Where a reply's place is not known, its request's reply is *unseen*, until the client has
//! received all that v1 has sent when it asks again.

use std::collections::VecDeque;

use super::counters::RepliesOfV1;
use crate::{
    budget::{Budget, Reserved},
    http::{
        Answer,
        reply::{self, ReplyBody, ReplyHead},
    },
    segment::{SeqNum, Time},
    stream::FromServer,
};

/// Requests outstanding at once. A client that pipelines more is not followed until v1 has answered them.
const MOST: usize = 8;

/// What one connection's replies cost: themselves, and a ring that doubles when it is full.
const COST: usize = size_of::<Replies>() + 3 * MOST / 2 * size_of::<Asked>() + 64;

/// What is outstanding on a connection.
#[derive(Debug)]
pub(super) struct Replies {
    /// Where the next reply begins, where that is known.
    next: Option<SeqNum>,
    /// Behind the last byte that v1 was seen to send.
    sent: Option<SeqNum>,
    /// What the client had received when it asked last.
    asked_at: Option<SeqNum>,
    /// There may be other requests before these.
    doubtful: bool,
    asked: VecDeque<Asked>,
    _held: Reserved,
}

#[derive(Debug)]
struct Asked {
    /// Its number on the connection.
    number: u32,
    /// Its reply has no body, whatever its head says.
    bodiless: bool,
    /// When its last byte was captured.
    ended: Option<Time>,
}

impl Replies {
    /// Nothing is outstanding; `None` without memory for it.
    pub(super) fn new(budget: &Budget) -> Option<Box<Self>> {
        Some(Box::new(Self {
            next: None,
            sent: None,
            asked_at: None,
            doubtful: false,
            asked: VecDeque::new(),
            _held: budget.reserve(COST)?,
        }))
    }

    /// The client asks, having received what is before `received`.
    pub(super) fn ask(
        &mut self,
        number: u32,
        method: &[u8],
        received: Option<SeqNum>,
        counters: &mut RepliesOfV1,
    ) {
        if self.next.is_none() && self.is_quiet(received) || self.asked.len() >= MOST {
            self.forget(counters);
            self.doubtful = self.asked_at == received;
        }
        if self.asked.is_empty() && !self.doubtful {
            self.next = received;
        }
        self.asked_at = received;
        self.asked.push_back(Asked {
            number,
            bodiless: matches!(method, b"HEAD" | b"CONNECT"),
            ended: None,
        });
    }

    /// The client has received all that v1 has sent, and more than when it asked last: v1 has answered.
    fn is_quiet(&self, received: Option<SeqNum>) -> bool {
        let has_all = received.is_some() && received == self.sent;
        has_all && received != self.asked_at
    }

    /// A request's last byte was captured.
    pub(super) fn end(&mut self, number: u32, at: Time) {
        if let Some(last) = self.asked.back_mut().filter(|last| last.number == number) {
            last.ended = Some(at);
        }
    }

    /// Something was lost that may have been a request.
    pub(super) fn lose(&mut self, received: Option<SeqNum>, counters: &mut RepliesOfV1) {
        self.forget(counters);
        self.doubtful = true;
        self.asked_at = received;
    }

    /// Gives up what is outstanding.
    pub(super) fn forget(&mut self, counters: &mut RepliesOfV1) {
        counters.unseen += self.asked.len() as u64;
        self.asked.clear();
        self.next = None;
    }

    /// Takes what v1 sent; `answered` is told each reply that says something of the request that the client sent
    /// last, and `tell` the number of each request and the status of its final reply.
    pub(super) fn handle(
        &mut self,
        from_server: &FromServer<'_>,
        counters: &mut RepliesOfV1,
        mut answered: impl FnMut(Answer),
        mut tell: impl FnMut(u32, u16),
    ) {
        let end = from_server.seq + from_server.wire_len;
        if self.sent.is_none_or(|sent| sent.precedes(end)) {
            self.sent = Some(end);
        }
        while let Some(next) = self.next.filter(|next| next.precedes(end))
            && !self.asked.is_empty()
        {
            let head = self.read(next, from_server);
            self.next = head.and_then(|head| Some(next + u32::try_from(head.len?).ok()?));
            let Some(head) = head else { return };
            if head.is_interim() {
                counters.count(head.status);
                if self.asked.len() == 1 {
                    let (status, closes) = (head.status, false);
                    answered(Answer { status, closes });
                }
            } else if let Some(request) = self.asked.pop_front() {
                self.answer(&head, &request, from_server.at, counters);
                tell(request.number, head.status);
                if self.asked.is_empty() && !self.doubtful {
                    answered(Answer {
                        status: head.status,
                        closes: head.ends_connection(request.bodiless) == Some(true),
                    });
                }
            }
        }
    }

    /// The head that begins at `next`, if it is there for certain.
    fn read(&self, next: SeqNum, from_server: &FromServer<'_>) -> Option<ReplyHead> {
        let skipped = usize::try_from(next.distance_from(from_server.seq)).ok()?;
        let bytes = from_server.bytes.get(skipped..)?;
        reply::parse(bytes).ok().flatten()
    }

    fn answer(&mut self, head: &ReplyHead, request: &Asked, at: Time, counters: &mut RepliesOfV1) {
        counters.count(head.status);
        if let Some(ended) = request.ended {
            counters.latency.record(at.since(ended));
        }
        let body = match head.body {
            _ if head.status == 101 => None,
            _ if request.bodiless => Some(0),
            ReplyBody::None => Some(0),
            ReplyBody::Length(len) => u32::try_from(len).ok(),
            ReplyBody::Chunked | ReplyBody::UntilClose | ReplyBody::Unknown => None,
        };
        // Sequence numbers tell less than 2 GiB apart.
        let body = body.filter(|len| *len < 1 << 30);
        self.next = self.next.zip(body).map(|(next, len)| next + len);
    }
}
