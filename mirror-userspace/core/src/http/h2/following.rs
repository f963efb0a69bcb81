//! A connection from its preface on: frames to streams to events.

use super::{
    Event, Loss, Refusal, Shared,
    block::Block,
    collect::{Collected, take},
    control::{Control, ENABLE_PUSH, Part, Said, check_setting},
    frame::{END_HEADERS, END_STREAM, FrameHeader, HEADER, Kind},
    hpack::Decoder,
    limits::Credit,
    payload::Payload,
    preface::{Greeting, Preface},
    streams::{Streams, Whose},
};
use crate::budget::Budget;

/// All that is known of a connection which is followed.
#[derive(Debug)]
pub(super) struct Following {
    state: State,
    /// Whether the frame has come that has to be the first.
    greeted: bool,
    /// SETTINGS_ENABLE_PUSH
    push: bool,
    /// Whether the client has sent GOAWAY.
    leaving: bool,
    decoder: Decoder,
    streams: Streams,
    block: Option<Block>,
    credit: Credit,
}

/// Which kind of bytes comes next.
#[derive(Debug)]
enum State {
    Preface(Preface),
    Header(Collected<HEADER>),
    Data {
        stream: u32,
        payload: Payload,
        ends: bool,
    },
    Fragment {
        payload: Payload,
        ends_block: bool,
    },
    Control(Control),
    /// A payload that says nothing.
    Skip(u32),
}

/// Where a connection stands that is no longer followed.
pub(super) struct Left {
    /// The highest stream number that was used.
    pub(super) highest: u32,
    /// Bytes up to the next frame header; `None` if it is not known where that is.
    pub(super) frame: Option<u32>,
}

impl Following {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            state: State::Preface(Preface::default()),
            greeted: false,
            push: true,
            leaving: false,
            decoder: Decoder::new(budget),
            streams: Streams::new(budget),
            block: None,
            credit: Credit::default(),
        }
    }

    /// Takes this stream number for used, and its request for told.
    pub(super) fn skip_to(&mut self, stream: u32) {
        self.streams.skip_to(stream);
    }

    /// v1 has closed the stream.
    pub(super) fn forget(&mut self, stream: u32) -> bool {
        self.streams
            .forget(stream)
            .is_some_and(|stream| stream.told)
    }

    /// Takes bytes off `bytes` until they are used up.
    ///
    /// # Errors
    /// Why the connection can't be followed any longer; `bytes` begins where that was noticed.
    pub(super) fn run(
        &mut self,
        bytes: &mut &[u8],
        shared: &mut Shared,
        emit: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Refusal> {
        loop {
            match &mut self.state {
                State::Preface(preface) => match preface.take(bytes) {
                    Greeting::More => return Ok(()),
                    Greeting::Whole => {}
                    Greeting::Other => return Err(Refusal::Framing),
                },
                State::Header(header) => {
                    let Some(header) = header.fill(bytes) else {
                        return Ok(());
                    };
                    self.on_header(&FrameHeader::parse(header), shared)?;
                    continue;
                }
                State::Data {
                    stream,
                    payload,
                    ends,
                } => {
                    let (stream, ends) = (*stream, *ends);
                    let content = payload.take(bytes)?;
                    let whole = payload.left() == 0;
                    self.streams.on_body(stream, content, emit);
                    if !whole {
                        return Ok(());
                    }
                    if ends {
                        self.streams.on_end(stream, emit);
                    }
                }
                State::Fragment {
                    payload,
                    ends_block,
                } => {
                    let ends = *ends_block;
                    let content = payload.take(bytes)?;
                    let whole = payload.left() == 0;
                    if !self.on_fragment(content, whole, ends, shared, emit)? {
                        return Ok(());
                    }
                }
                State::Control(control) => {
                    while control.left > 0 {
                        let stream = control.stream;
                        let Some(said) = control.next(bytes) else {
                            return Ok(());
                        };
                        match said {
                            Said::Setting { id, value } => {
                                check_setting(id, value)?;
                                if id == ENABLE_PUSH {
                                    self.push = value == 1;
                                }
                            }
                            Said::Reset { code } => self.streams.on_reset(stream, code, emit),
                            Said::Window { increment: 0 } if stream == 0 => {
                                return Err(Refusal::Framing);
                            }
                            Said::Window { increment: 0 } => return Err(Refusal::Ambiguous),
                            Said::Window { .. } => {}
                        }
                    }
                }
                State::Skip(left) => {
                    take(bytes, left);
                    if *left > 0 {
                        return Ok(());
                    }
                }
            }
            self.state = State::Header(Collected::default());
        }
    }

    fn on_header(&mut self, header: &FrameHeader, shared: &Shared) -> Result<(), Refusal> {
        let FrameHeader { len, stream, .. } = *header;
        self.state = State::Skip(len);
        let bytes = usize::try_from(len).unwrap_or(usize::MAX);
        self.credit
            .earn(HEADER.saturating_add(bytes), &shared.limits);
        header.check()?;
        let acknowledges = header.flags & 1 != 0;
        if !self.greeted && (header.kind != Kind::Settings || acknowledges) {
            return Err(Refusal::Framing);
        }
        self.greeted = true;
        // Section 4.3: nothing comes between the frames of a header block.
        let open_block = self.block.as_ref().map(|block| block.stream);
        if open_block != (header.kind == Kind::Continuation).then_some(stream) {
            return Err(Refusal::Framing);
        }
        let idle = stream % 2 == 1 && self.streams.is_idle(stream);
        // Even numbers are of streams that v1 pushes, if it may.
        let pushed = stream != 0 && stream % 2 == 0 && !self.push;
        match header.kind {
            Kind::Data if idle => return Err(Refusal::Framing),
            Kind::Data if self.streams.is_closed(stream) => return Err(Refusal::Ambiguous),
            Kind::Data => {
                self.state = State::Data {
                    stream,
                    payload: Payload::new(header)?,
                    ends: header.flags & END_STREAM != 0,
                };
            }
            Kind::Headers | Kind::Continuation => {
                match &mut self.block {
                    Some(block) => block.go_on(&shared.limits)?,
                    None => {
                        let whose = self.streams.on_headers(stream)?;
                        let ends = header.flags & END_STREAM != 0;
                        self.block = Some(Block::new(stream, whose, ends, &shared.budget));
                        if self.leaving && whose == Whose::New {
                            return Err(Refusal::Ambiguous);
                        }
                    }
                }
                self.state = State::Fragment {
                    payload: Payload::new(header)?,
                    ends_block: header.flags & END_HEADERS != 0,
                };
            }
            Kind::Reset | Kind::WindowUpdate if idle || pushed => return Err(Refusal::Framing),
            Kind::Reset => self.control(stream, len, Part::Reset(Collected::default())),
            Kind::WindowUpdate => self.control(stream, len, Part::Window(Collected::default())),
            Kind::Settings => self.control(stream, len, Part::Setting(Collected::default())),
            Kind::Priority if len != 5 => return Err(Refusal::Ambiguous),
            Kind::GoAway => self.leaving = true,
            Kind::Priority | Kind::PushPromise | Kind::Ping | Kind::Unknown => {}
        }
        Ok(())
    }

    const fn control(&mut self, stream: u32, left: u32, part: Part) {
        self.state = State::Control(Control { stream, left, part });
    }

    /// Takes a piece of a header block; says whether its frame is over.
    fn on_fragment(
        &mut self,
        content: &[u8],
        whole: bool,
        ends: bool,
        shared: &mut Shared,
        emit: &mut impl FnMut(Event<'_>),
    ) -> Result<bool, Refusal> {
        let Some(block) = &mut self.block else {
            return Ok(whole);
        };
        let at_once = whole && ends && block.bytes().is_empty();
        if !at_once {
            block.push(content, &shared.limits)?;
        } else if content.len() > shared.limits.block {
            return Err(Refusal::Block);
        }
        if !(whole && ends) {
            return Ok(whole);
        }
        let bytes = if at_once { content } else { block.bytes() };
        let Shared { limits, list, .. } = &mut *shared;
        self.credit.decode(&mut self.decoder, bytes, limits, list)?;
        let Block {
            stream,
            whose,
            ends,
            ..
        } = *block;
        self.block = None;
        let list = &shared.list;
        match whose {
            Whose::New => self
                .streams
                .on_request(stream, ends, list, &shared.limits, emit),
            Whose::Known => self.streams.on_trailers(stream, ends, list, emit),
            Whose::Nobody => {}
        }
        Ok(true)
    }

    /// Bytes are missing.
    ///
    /// # Errors
    /// [`Refusal::Gap`] if they may be more than a body's.
    pub(super) fn on_gap(
        &mut self,
        len: u64,
        shared: &mut Shared,
        emit: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Refusal> {
        let missing = u32::try_from(len).unwrap_or(u32::MAX);
        let State::Data {
            stream, payload, ..
        } = &mut self.state
        else {
            return Err(Refusal::Gap);
        };
        if missing > payload.left() {
            return Err(Refusal::Gap);
        }
        if payload.skip(missing) {
            self.streams.lose(*stream, Loss::Gap, emit);
        }
        self.run(&mut &[][..], shared, emit)
    }

    /// Tells all requests that are open as lost, and where the connection stands.
    pub(super) fn leave(&mut self, why: Loss, emit: &mut impl FnMut(Event<'_>)) -> Left {
        let mut lost = |stream| emit(Event::Lost { stream, why });
        self.streams.close_all().for_each(&mut lost);
        let block = self.block.take();
        block
            .filter(|block| block.whose == Whose::New)
            .iter()
            .for_each(|block| lost(block.stream));
        let frame = match &self.state {
            State::Preface(_) => None,
            State::Header(header) => header.is_empty().then_some(0),
            State::Data { payload, .. } | State::Fragment { payload, .. } => Some(payload.left()),
            State::Control(control) => Some(control.left),
            State::Skip(left) => Some(*left),
        };
        let highest = self.streams.highest();
        Left { highest, frame }
    }
}
