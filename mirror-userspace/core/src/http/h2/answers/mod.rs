//! What v1 answers, out of the frames that are captured of it: heads, bodies, trailers, and how calls of gRPC end.
//!
//! Only the first bytes of each segment may be there. A header block that is not whole may have inserted entries of the
//! dynamic table, so that all are forgotten by it; those that come later are known again, and what refers to older ones is
//! left out ([`Decoder::partial`]). A status is mostly one of the static table, and is known all the same. Nothing is
//! guessed: an answer is told if it is certain, a head if all of its fields are.

mod said;
mod streams;

pub use said::{GRPC_UNKNOWN, Said, Unseen, grpc_status};

use self::streams::Answers;
use super::{
    Framed, Shared,
    block::Block,
    frame::{END_HEADERS, END_STREAM, FrameHeader, HEADER, Kind},
    hpack::Decoder,
    limits::Credit,
    payload::Payload,
    streams::Whose,
};
use crate::budget::Budget;

/// Reads what v1 answers on one connection. Its memory comes out of the budget that readers share.
#[derive(Debug)]
pub struct AnswerReader {
    decoder: Decoder,
    credit: Credit,
    frame: Option<Frame>,
    block: Option<Block>,
    /// Whether it is certain that frames are read.
    proven: bool,
    answers: Answers,
}

/// The frame at hand.
#[derive(Debug)]
struct Frame {
    header: FrameHeader,
    payload: Payload,
}

impl Frame {
    const fn has(&self, flag: u8) -> bool {
        self.header.flags & flag != 0
    }
}

impl AnswerReader {
    /// Nothing is known yet, and nothing needs to be: it may begin anywhere.
    #[must_use]
    pub fn new(budget: &Budget) -> Self {
        Self {
            decoder: Decoder::partial(budget),
            credit: Credit::default(),
            frame: None,
            block: None,
            proven: false,
            answers: Answers::new(budget),
        }
    }

    /// Takes a piece of a frame. `calls`: there were calls of gRPC on the connection. `tell` is told what v1 says on which
    /// stream.
    pub fn handle(
        &mut self,
        framed: Framed<'_>,
        calls: bool,
        shared: &mut Shared,
        tell: &mut impl FnMut(u32, Said<'_>),
    ) {
        match framed {
            Framed::Begins(header) => self.begin(header, shared, tell),
            Framed::Payload(bytes) => self.read(bytes, calls, shared, tell),
            Framed::Missing(len) => self.miss(len, tell),
            Framed::Ends if !self.proven => {}
            Framed::Ends => self.end(calls, shared, tell),
            Framed::Proved => {
                self.proven = true;
                self.end(calls, shared, tell);
            }
            Framed::Lost => {
                self.frame = None;
                self.block = None;
                self.decoder.forget();
                self.proven = false;
                self.answers.lose(tell);
            }
        }
    }

    /// v1 has reset a stream.
    pub fn handle_reset(&mut self, stream: u32, code: u32, tell: &mut impl FnMut(u32, Said<'_>)) {
        self.answers.on_reset(stream, code, tell);
    }

    /// Nobody wants to know any more what is answered on this stream.
    pub fn forget(&mut self, stream: u32) {
        self.answers.forget(stream);
    }

    /// Nothing more of the connection will be read.
    pub fn handle_close(&mut self, tell: &mut impl FnMut(u32, Said<'_>)) {
        self.answers.close(tell);
    }

    fn begin(
        &mut self,
        header: FrameHeader,
        shared: &Shared,
        tell: &mut impl FnMut(u32, Said<'_>),
    ) {
        let bytes = usize::try_from(header.len).unwrap_or(usize::MAX);
        self.credit
            .earn(HEADER.saturating_add(bytes), &shared.limits);
        let open = self.block.as_ref().map(|block| block.stream);
        let goes_on = header.kind == Kind::Continuation && open == Some(header.stream);
        self.frame = Payload::new(&header)
            .ok()
            .map(|payload| Frame { header, payload });
        // Section 4.3: nothing comes between the frames of a header block.
        if open.is_some() && !goes_on {
            self.lose_block(tell);
        }
        match header.kind {
            Kind::Headers => {
                let ends = header.flags & END_STREAM != 0;
                let block = Block::new(header.stream, Whose::Known, ends, &shared.budget);
                self.block = Some(block);
            }
            Kind::Continuation if goes_on => {
                let block = self.block.as_mut();
                if block.is_some_and(|block| block.go_on(&shared.limits).is_err()) {
                    self.lose_block(tell);
                }
            }
            // What v1 pushes has entries in the table, too.
            Kind::Continuation | Kind::PushPromise => self.lose_block(tell),
            _ => {}
        }
        if self.frame.is_none() {
            self.break_frame(&header, tell);
        }
    }

    fn read(
        &mut self,
        mut bytes: &[u8],
        calls: bool,
        shared: &mut Shared,
        tell: &mut impl FnMut(u32, Said<'_>),
    ) {
        let Some(frame) = &mut self.frame else {
            return;
        };
        let Ok(content) = frame.payload.take(&mut bytes) else {
            let header = frame.header;
            return self.break_frame(&header, tell);
        };
        if frame.header.kind == Kind::Data {
            // While there are doubts, the body at hand lacks something already.
            if self.proven && !content.is_empty() {
                self.answers.on_body(frame.header.stream, content, tell);
            }
            return;
        }
        let Some(block) = &mut self.block else {
            return;
        };
        let whole = frame.payload.left() == 0 && frame.has(END_HEADERS);
        if whole && self.proven && block.bytes().is_empty() && content.len() <= shared.limits.block
        {
            let (stream, ends) = (block.stream, block.ends);
            self.frame = None;
            self.block = None;
            self.decode(stream, ends, content, calls, shared, tell);
        } else if block.push(content, &shared.limits).is_err() {
            self.lose_block(tell);
        }
    }

    fn miss(&mut self, len: u32, tell: &mut impl FnMut(u32, Said<'_>)) {
        let Some(frame) = &mut self.frame else {
            return;
        };
        let stream = frame.header.stream;
        match frame.payload.skip(len) {
            true if frame.header.kind == Kind::Data => self.answers.miss_body(stream, tell),
            true => self.lose_block(tell),
            false => {}
        }
    }

    /// The frame at hand is over, and is one for certain.
    fn end(&mut self, calls: bool, shared: &mut Shared, tell: &mut impl FnMut(u32, Said<'_>)) {
        let Some(frame) = self.frame.take() else {
            return;
        };
        if frame.header.kind == Kind::Data {
            if frame.has(END_STREAM) {
                self.answers.on_end(frame.header.stream, tell);
            }
        } else if frame.has(END_HEADERS)
            && let Some(block) = self.block.take()
        {
            let (stream, ends) = (block.stream, block.ends);
            self.decode(stream, ends, block.bytes(), calls, shared, tell);
        }
    }

    fn decode(
        &mut self,
        stream: u32,
        ends: bool,
        block: &[u8],
        calls: bool,
        shared: &mut Shared,
        tell: &mut impl FnMut(u32, Said<'_>),
    ) {
        let Shared { limits, list, .. } = shared;
        match self.credit.decode(&mut self.decoder, block, limits, list) {
            Ok(()) => self.answers.on_block(stream, ends, list, calls, tell),
            Err(_) => {
                self.decoder.forget();
                self.answers.miss_block(stream, ends, tell);
            }
        }
    }

    /// A frame is not what its header says.
    fn break_frame(&mut self, header: &FrameHeader, tell: &mut impl FnMut(u32, Said<'_>)) {
        self.frame = None;
        match header.kind {
            Kind::Data if !self.proven => {}
            Kind::Data => {
                self.answers.miss_body(header.stream, tell);
                if header.flags & END_STREAM != 0 {
                    self.answers.on_end(header.stream, tell);
                }
            }
            _ => self.lose_block(tell),
        }
    }

    /// A header block is not there whole, or may not have been.
    fn lose_block(&mut self, tell: &mut impl FnMut(u32, Said<'_>)) {
        self.decoder.forget();
        // While there are doubts, nothing is concluded from it.
        if let Some(block) = self.block.take().filter(|_| self.proven) {
            self.answers.miss_block(block.stream, block.ends, tell);
        }
    }
}
