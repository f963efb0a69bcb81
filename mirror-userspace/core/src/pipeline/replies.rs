//! v1's replies on one connection, and which request each of them answers.
//!
//! Only the first bytes of each segment of v1 are captured, so bodies are not read. The client says where a
//! reply begins: when it sent a request, and nothing was outstanding, it had received all that v1 had sent
//! (its acknowledgment number). Behind a reply whose length is known begins the next, and behind the last chunk of
//! one in chunks, if every line between them was captured. The k-th reply answers the k-th request, interim ones
//! (1xx) aside.
//!
//! Nothing is guessed. Where a reply's place is not known, its request's reply is *unplaced* or *unseen*, until the
//! client has received all that v1 has sent when it asks again.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    counters::RepliesOfV1,
    output::{Output, RequestKey},
};
use crate::{
    budget::{Budget, Reserved},
    http::{
        Answer,
        reply::{self, Chunks, Passed, ReplyBody, ReplyHead},
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
    place: Place,
    /// Behind the last byte that v1 was seen to send.
    sent: Option<SeqNum>,
    /// v1 has ended the connection.
    ended: bool,
    /// What the client had received when it asked last.
    asked_at: Option<SeqNum>,
    /// There may be other requests before these.
    doubtful: bool,
    asked: VecDeque<Asked>,
    /// The reply that is being told.
    following: Option<Following>,
    _held: Reserved,
}

/// Where v1's bytes are known up to.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// It is not known where the next reply begins.
    Unknown,
    /// Nowhere, as the last reply's end was not captured.
    BehindUnread,
    /// The next reply begins here.
    Reply(SeqNum),
    /// A chunked body goes on here.
    Chunks(SeqNum, Chunks),
}

/// The reply that is being told.
#[derive(Clone, Copy, Debug)]
struct Following {
    /// Its request.
    number: u32,
    /// Where it goes on.
    next: SeqNum,
}

/// What is told of v1's reply to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told<'a> {
    /// Its status.
    Status(u16),
    /// More of it, from its head on.
    Bytes(&'a [u8]),
    /// Nothing more of it was captured.
    Missed,
}

impl Told<'_> {
    /// The same for whoever sends copies.
    pub(super) fn output(self, request: RequestKey) -> Output {
        match self {
            Self::Status(status) => Output::Answer { request, status },
            Self::Bytes(bytes) => Output::Reply {
                request,
                bytes: Some(Bytes::copy_from_slice(bytes)),
            },
            Self::Missed => Output::Reply {
                request,
                bytes: None,
            },
        }
    }
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
            place: Place::Unknown,
            sent: None,
            ended: false,
            asked_at: None,
            doubtful: false,
            asked: VecDeque::new(),
            following: None,
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
        let unknown = matches!(self.place, Place::Unknown | Place::BehindUnread);
        if unknown && self.is_quiet(received) || self.asked.len() >= MOST {
            self.forget(counters);
            self.doubtful = self.asked_at == received;
        }
        if self.asked.is_empty() && !self.doubtful && !self.is_in_reply(received) {
            self.place = received.map_or(Place::Unknown, Place::Reply);
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

    /// The client does not wait for the end of the last reply, which it does not have yet.
    fn is_in_reply(&self, received: Option<SeqNum>) -> bool {
        let Some(received) = received else {
            return false;
        };
        match self.place {
            Place::Reply(next) => received.precedes(next),
            Place::Chunks(at, _) => !at.precedes(received),
            Place::BehindUnread => self.sent.is_some_and(|sent| received.precedes(sent)),
            Place::Unknown => false,
        }
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
        let why = match self.place {
            Place::BehindUnread => &mut counters.unplaced,
            _ => &mut counters.unseen,
        };
        *why += self.asked.len() as u64;
        self.asked.clear();
        self.place = Place::Unknown;
    }

    /// The connection is tracked no longer, as its client ended it or as `given_up` says. The request whose reply is being
    /// told, of which nothing more will be.
    pub(super) fn close(&mut self, given_up: bool, counters: &mut RepliesOfV1) -> Option<u32> {
        let over = self.ended || !given_up;
        let silent = match (self.place, self.sent) {
            (Place::Reply(next), Some(sent)) => !next.precedes(sent),
            _ => false,
        };
        if over && silent && !self.doubtful {
            counters.unanswered += self.asked.len() as u64;
            self.asked.clear();
        }
        let following = self.following.take().filter(|it| !self.is_told(it));
        self.forget(counters);
        following.map(|following| following.number)
    }

    /// Whether all of the reply that is being told was told.
    fn is_told(&self, following: &Following) -> bool {
        matches!(self.place, Place::Reply(behind) if !following.next.precedes(behind))
    }

    /// Takes what v1 sent; `answered` is told each reply that says something of the request that the client sent
    /// last; `tell`, if that is of use, the number of each request, the status of its final reply, and what of it
    /// was captured.
    pub(super) fn handle(
        &mut self,
        from_server: &FromServer<'_>,
        counters: &mut RepliesOfV1,
        mut answered: impl FnMut(Answer),
        mut tell: Option<impl FnMut(u32, Told<'_>)>,
    ) {
        self.ended |= from_server.ends;
        let end = from_server.seq + from_server.wire_len;
        if self.sent.is_none_or(|sent| sent.precedes(end)) {
            self.sent = Some(end);
        }
        if let Some(tell) = &mut tell {
            self.tell_more(from_server, end, tell);
        }
        loop {
            let next = match self.place {
                Place::Chunks(at, chunks) if at.precedes(end) => {
                    self.place = pass(at, chunks, from_server, end);
                    continue;
                }
                Place::Reply(next) if next.precedes(end) && !self.asked.is_empty() => next,
                _ => return,
            };
            let Some(head) = read(next, from_server) else {
                self.place = Place::Unknown;
                return;
            };
            let body = head
                .len
                .and_then(|len| Some(next + u32::try_from(len).ok()?));
            if head.is_interim() {
                self.place = body.map_or(Place::BehindUnread, Place::Reply);
                counters.answered.count(head.status);
                if self.asked.len() == 1 {
                    let (status, closes) = (head.status, false);
                    answered(Answer { status, closes });
                }
            } else if let Some(request) = self.asked.pop_front() {
                self.place = behind(&head, body, request.bodiless);
                counters.answered.count(head.status);
                if let Some(ended) = request.ended {
                    counters.latency.record(from_server.at.since(ended));
                }
                if let Some(tell) = &mut tell {
                    tell(request.number, Told::Status(head.status));
                    self.tell_from(request.number, next, from_server, tell);
                }
                if self.asked.is_empty() && !self.doubtful {
                    answered(Answer {
                        status: head.status,
                        closes: head.ends_connection(request.bodiless) == Some(true),
                    });
                }
            }
        }
    }
}

impl Replies {
    /// Tells what a segment, which ends at `end`, has of the reply that is being told.
    fn tell_more(
        &mut self,
        from_server: &FromServer<'_>,
        end: SeqNum,
        tell: &mut impl FnMut(u32, Told<'_>),
    ) {
        let Some(Following { number, next }) = self.following else {
            return;
        };
        if self.is_told(&Following { number, next }) {
            self.following = None;
        } else if next.precedes(end) || from_server.ends {
            self.tell_from(number, next, from_server, tell);
        }
    }

    /// Tells what a segment has of a reply, from this place on.
    fn tell_from(
        &mut self,
        number: u32,
        from: SeqNum,
        from_server: &FromServer<'_>,
        tell: &mut impl FnMut(u32, Told<'_>),
    ) {
        let skipped = usize::try_from(from.distance_from(from_server.seq)).ok();
        let bytes = skipped.and_then(|skipped| from_server.bytes.get(skipped..));
        let taken = bytes.and_then(|bytes| u32::try_from(bytes.len()).ok());
        if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
            tell(number, Told::Bytes(bytes));
        }
        let end = from_server.seq + from_server.wire_len;
        let next = taken.map(|taken| from + taken);
        // A body that ends with the connection may have been cut as well.
        let goes_on = next.filter(|next| !next.precedes(end) && !from_server.ends);
        if goes_on.is_none() {
            tell(number, Told::Missed);
        }
        self.following = goes_on.map(|next| Following { number, next });
    }
}

/// The head that begins at `next`, if it is there for certain.
fn read(next: SeqNum, from_server: &FromServer<'_>) -> Option<ReplyHead> {
    let skipped = usize::try_from(next.distance_from(from_server.seq)).ok()?;
    let bytes = from_server.bytes.get(skipped..)?;
    reply::parse(bytes).ok().flatten()
}

/// Where v1's bytes go on behind a reply's head, whose body begins at `body`.
fn behind(head: &ReplyHead, body: Option<SeqNum>, bodiless: bool) -> Place {
    let Some(body) = body else {
        return Place::BehindUnread;
    };
    match head.body {
        _ if head.status == 101 => Place::Unknown,
        _ if bodiless => Place::Reply(body),
        ReplyBody::None => Place::Reply(body),
        // Sequence numbers tell less than 2 GiB apart.
        ReplyBody::Length(len) => match u32::try_from(len) {
            Ok(len) if len < 1 << 30 => Place::Reply(body + len),
            _ => Place::BehindUnread,
        },
        ReplyBody::Chunked => Place::Chunks(body, Chunks::default()),
        ReplyBody::UntilClose | ReplyBody::Unknown => Place::BehindUnread,
    }
}

/// Where v1's bytes go on behind a segment, which ends at `end` and has more of a chunked body.
fn pass(at: SeqNum, mut chunks: Chunks, from_server: &FromServer<'_>, end: SeqNum) -> Place {
    let ahead = at.distance_from(from_server.seq);
    let missed = u64::from(ahead.min(0).unsigned_abs());
    if chunks.skip(missed) == Passed::Lost {
        return Place::BehindUnread;
    }
    let at = if missed == 0 { at } else { from_server.seq };
    let known = usize::try_from(ahead.max(0)).ok();
    let bytes = known.and_then(|known| from_server.bytes.get(known..));
    let bytes = bytes.unwrap_or_default();
    match chunks.pass(bytes) {
        Passed::All => {
            let captured = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let cut = end.distance_from(at + captured);
            match chunks.skip(u64::try_from(cut).unwrap_or(0)) {
                Passed::Lost => Place::BehindUnread,
                Passed::All | Passed::End(_) => Place::Chunks(end, chunks),
            }
        }
        Passed::End(len) => match u32::try_from(len) {
            Ok(len) => Place::Reply(at + len),
            Err(_) => Place::BehindUnread,
        },
        Passed::Lost => Place::BehindUnread,
    }
}
