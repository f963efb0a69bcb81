//! What is known of each answer that is under way.

use super::{
    super::{ByStream, FieldList, NO_ERROR, REFUSED_STREAM, is_grpc},
    said::{GRPC_UNKNOWN, Said, Unseen, grpc_status, status},
};
use crate::budget::{Budget, Reserved};

/// Most answers under way; of more, the oldest are forgotten. No server is known that lets a client have as many open.
const MOST: usize = 1_024;
/// Bytes that each reserves: its entry, in nodes that are half full.
const ENTRY: usize = 64;

/// The answers that are under way.
#[derive(Debug)]
pub(super) struct Answers {
    open: ByStream<Answer>,
    /// Whether there may be one of which nothing is missing.
    any_whole: bool,
    reserved: Reserved,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    /// Its status, if that was captured.
    status: Option<u16>,
    kind: Kind,
    /// Whether its contents are told.
    told: bool,
    lacks_body: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Answered by its head.
    Plain,
    /// A call of gRPC, which is answered by its end.
    Call,
    /// It may be either.
    Unknown,
}

impl Answers {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            open: ByStream::default(),
            any_whole: false,
            reserved: budget.empty(),
        }
    }

    /// A header block.
    pub(super) fn on_block(
        &mut self,
        stream: u32,
        ends: bool,
        list: &FieldList,
        calls: bool,
        tell: &mut impl FnMut(u32, Said<'_>),
    ) {
        let lacks = list.lacks_fields() || list.is_too_large();
        let known = self.open.get(stream).copied();
        let is_answered = known.is_some_and(|known| known.status.is_some());
        match (list.values(":status").next().map(status), known) {
            (Some(None), _) => self.spoil(stream, tell),
            (Some(Some(_)), _) if is_answered => self.spoil(stream, tell),
            (Some(Some(100..=199)), _) if ends => self.spoil(stream, tell),
            (Some(Some(100..=199)), _) => {}
            (Some(Some(status)), known) => {
                let kind = match list.values("content-type").next() {
                    Some(value) if is_grpc(value) => Kind::Call,
                    None if lacks && calls => Kind::Unknown,
                    _ => Kind::Plain,
                };
                let told = !lacks && known.is_none();
                if told {
                    let fields = list;
                    tell(stream, Said::Head { status, fields });
                } else if known.is_none() {
                    tell(stream, Said::Missed(Unseen::NotDecoded));
                }
                if kind == Kind::Plain {
                    let grpc = None;
                    tell(stream, Said::Answer { status, grpc });
                }
                let answer = Answer {
                    status: Some(status),
                    kind,
                    told,
                    lacks_body: false,
                };
                if ends {
                    self.forget(stream);
                    answer.finish(stream, Some(list), tell);
                } else {
                    self.insert(stream, answer, tell);
                }
            }
            (None, Some(answer)) if ends => {
                self.forget(stream);
                match answer.told {
                    true if lacks => tell(stream, Said::Missed(Unseen::NotDecoded)),
                    true => tell(stream, Said::Trailers(list)),
                    false => {}
                }
                let told = answer.told && !lacks;
                Answer { told, ..answer }.finish(stream, Some(list), tell);
            }
            // A second block ends the reply (section 8.1), and without a status none begins.
            (None, _) if !lacks && !ends => self.spoil(stream, tell),
            (None, _) if lacks => self.miss(stream, ends, Unseen::NotDecoded, tell),
            (None, _) => self.miss(stream, ends, Unseen::NotCaptured, tell),
        }
    }

    /// A header block that can't be read.
    pub(super) fn miss_block(
        &mut self,
        stream: u32,
        ends: bool,
        tell: &mut impl FnMut(u32, Said<'_>),
    ) {
        self.miss(stream, ends, Unseen::NotCaptured, tell);
    }

    fn miss(&mut self, stream: u32, ends: bool, why: Unseen, tell: &mut impl FnMut(u32, Said<'_>)) {
        let known = self.open.get(stream).copied();
        match known {
            Some(answer) => answer.miss_end(stream, tell),
            None => tell(stream, Said::Missed(why)),
        }
        let answer = Answer {
            told: false,
            lacks_body: true,
            ..known.unwrap_or(Answer {
                status: None,
                kind: Kind::Unknown,
                told: false,
                lacks_body: true,
            })
        };
        if ends {
            self.forget(stream);
            if answer.kind != Kind::Plain {
                tell(stream, Said::Unknown);
            }
        } else {
            self.insert(stream, answer, tell);
        }
    }

    /// More of a body.
    pub(super) fn on_body(
        &mut self,
        stream: u32,
        bytes: &[u8],
        tell: &mut impl FnMut(u32, Said<'_>),
    ) {
        let known = self.open.get(stream);
        if known.is_some_and(|known| known.told && !known.lacks_body) {
            tell(stream, Said::Body(bytes));
        }
    }

    /// Something of a body is missing.
    pub(super) fn miss_body(&mut self, stream: u32, tell: &mut impl FnMut(u32, Said<'_>)) {
        if let Some(known) = self.open.get_mut(stream) {
            known.miss_body(stream, tell);
        }
    }

    /// A frame of a body ends the reply.
    pub(super) fn on_end(&mut self, stream: u32, tell: &mut impl FnMut(u32, Said<'_>)) {
        match self.remove(stream) {
            Some(answer) => answer.finish(stream, None, tell),
            None => {
                tell(stream, Said::Missed(Unseen::NotCaptured));
                tell(stream, Said::Unknown);
            }
        }
    }

    /// v1 resets the stream.
    pub(super) fn on_reset(
        &mut self,
        stream: u32,
        code: u32,
        tell: &mut impl FnMut(u32, Said<'_>),
    ) {
        let answer = self.remove(stream);
        match (code, answer) {
            // Its copies are cancelled.
            (REFUSED_STREAM, _) | (NO_ERROR, None) => {}
            // It has answered, and not all of that was seen.
            (NO_ERROR, Some(answer)) => answer.give_up(stream, tell),
            _ => {
                tell(stream, Said::Failed);
                if answer.is_none_or(|answer| answer.told) {
                    tell(stream, Said::Broken);
                }
            }
        }
    }

    /// Frames may be missing.
    pub(super) fn lose(&mut self, tell: &mut impl FnMut(u32, Said<'_>)) {
        if !std::mem::take(&mut self.any_whole) {
            return;
        }
        for (stream, answer) in self.open.iter_mut() {
            if answer.kind == Kind::Plain {
                answer.miss_end(stream, tell);
                answer.told = false;
            } else {
                // How a call went is told by its trailers, which may still come.
                answer.miss_body(stream, tell);
            }
        }
    }

    /// Nothing more will come.
    pub(super) fn close(&mut self, tell: &mut impl FnMut(u32, Said<'_>)) {
        for (stream, answer) in self.open.take() {
            answer.give_up(stream, tell);
        }
        self.reserved.release();
    }

    /// Nobody wants to know about this one.
    pub(super) fn forget(&mut self, stream: u32) {
        self.remove(stream);
    }

    fn remove(&mut self, stream: u32) -> Option<Answer> {
        let removed = self.open.remove(stream)?;
        self.reserved.shrink(ENTRY);
        Some(removed)
    }

    fn insert(&mut self, stream: u32, answer: Answer, tell: &mut impl FnMut(u32, Said<'_>)) {
        self.any_whole |= answer.told;
        if let Some(known) = self.open.get_mut(stream) {
            *known = answer;
            return;
        }
        if self.open.len() >= MOST {
            let oldest = self.open.iter_mut().next().map(|(oldest, _)| oldest);
            if let Some((oldest, answer)) = oldest.and_then(|it| Some((it, self.remove(it)?))) {
                answer.give_up(oldest, tell);
            }
        }
        if self.reserved.grow(ENTRY) {
            self.open.insert(stream, answer);
        } else {
            answer.give_up(stream, tell);
        }
    }

    /// A reply breaks a rule whose breach is an error of its stream.
    fn spoil(&mut self, stream: u32, tell: &mut impl FnMut(u32, Said<'_>)) {
        self.forget(stream);
        tell(stream, Said::Missed(Unseen::Malformed));
        tell(stream, Said::Unknown);
    }
}

impl Answer {
    /// It is over; its last header block.
    fn finish(self, stream: u32, last: Option<&FieldList>, tell: &mut impl FnMut(u32, Said<'_>)) {
        let said = last.and_then(|last| last.values("grpc-status").next().map(grpc_status));
        let lacks = last.is_some_and(|last| last.lacks_fields() || last.is_too_large());
        let grpc = match self.kind {
            Kind::Call if !lacks => said.or(Some(GRPC_UNKNOWN)),
            _ => said,
        };
        match (self.kind, self.status, grpc) {
            (Kind::Plain, ..) => {}
            (_, Some(status), Some(_)) => tell(stream, Said::Answer { status, grpc }),
            _ => tell(stream, Said::Unknown),
        }
        if self.told {
            tell(stream, Said::End);
        }
    }

    /// How it ends will not be known.
    fn give_up(self, stream: u32, tell: &mut impl FnMut(u32, Said<'_>)) {
        self.miss_end(stream, tell);
        if self.kind != Kind::Plain {
            tell(stream, Said::Unknown);
        }
    }

    /// What comes behind its head is not known.
    fn miss_end(self, stream: u32, tell: &mut impl FnMut(u32, Said<'_>)) {
        if self.told {
            let why = match self.kind {
                Kind::Plain => Unseen::Rest,
                // Without its status there is nothing to compare.
                Kind::Call | Kind::Unknown => Unseen::NotCaptured,
            };
            tell(stream, Said::Missed(why));
        }
    }

    fn miss_body(&mut self, stream: u32, tell: &mut impl FnMut(u32, Said<'_>)) {
        if self.told && !self.lacks_body {
            tell(stream, Said::BodyMissed);
        }
        self.lacks_body = true;
    }
}
