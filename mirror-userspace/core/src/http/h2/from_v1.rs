//! v1's frames: which streams it closes, and which it never took.
//!
//! Of v1's segments only the first bytes are captured. Frames are followed by their lengths, over what was not captured;
//! header blocks stay unread here, and are told to whoever wants to know what v1 answers (`answers`). Where a frame's header
//! is missing the way is lost, and found again where a segment begins: by a header as servers write them whose frame ends
//! where its segment ends, or at another such header. Until that is seen nothing is concluded, and where a header can't be
//! v1's nothing is, either: what is overlooked costs at most that v2 gets a request that v1 refused, and that an answer is
//! not compared.

use super::{
    collect::{Collected, take},
    frame::{FrameHeader, HEADER, Kind},
    midstream::{LONGEST, is_usual},
};

/// What v1 says of a connection's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// It closes this one, and will do nothing more for it (section 6.4).
    Closed {
        /// The stream.
        stream: u32,
        /// Why, by section 7.
        code: u32,
    },
    /// It has not done anything for the client's streams above this one, and never will (section 6.8).
    Leaving {
        /// The last stream that it may have done something for.
        last: u32,
    },
    /// A frame that says what it answers, if [wanted](FromV1::tell_frames).
    Frame(Framed<'a>),
}

/// A frame of DATA, HEADERS, PUSH_PROMISE or CONTINUATION, piece by piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed<'a> {
    /// Its header. What follows of it may be [doubted](Self::Lost) until the way is [certain](Self::Proved).
    Begins(FrameHeader),
    /// More of its payload.
    Payload(&'a [u8]),
    /// So many bytes of its payload were not captured.
    Missing(u32),
    /// Its payload is over.
    Ends,
    /// From here on, and for the last frame, it is certain that frames are read.
    Proved,
    /// The way is lost: what was told since it was found, if that is not proved, was not so, and frames may be missing.
    Lost,
}

/// NO_ERROR: v1 has answered, and needs no more of the request (sections 7 and 8.1).
pub const NO_ERROR: u32 = 0;
/// REFUSED_STREAM: nothing was done for the stream (sections 7 and 8.7).
pub const REFUSED_STREAM: u32 = 7;

/// Reads v1's frames. Takes no memory beside itself; work is linear in the bytes that are captured.
#[derive(Debug, Default)]
pub struct FromV1 {
    state: State,
    proof: Proof,
    /// What the frame says by which the way may be found.
    held: Option<Told<'static>>,
    tells_frames: bool,
}

/// How certain it is that frames are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Proof {
    #[default]
    None,
    /// One header was read that may be one.
    One,
    Whole,
}

#[derive(Debug, Default)]
enum State {
    /// It is not known where a frame begins.
    #[default]
    Lost,
    Header(Collected<HEADER>),
    Payload {
        left: u32,
        part: Part,
    },
}

/// What is read of a payload.
#[derive(Debug)]
enum Part {
    Nothing,
    Code {
        stream: u32,
        code: Collected<4>,
    },
    Last(Collected<4>),
    /// To be told.
    Frame,
}

impl FromV1 {
    /// Tells frames that say what is answered, too: [`Told::Frame`]. The way is found anew for it.
    pub fn tell_frames(&mut self) {
        *self = Self {
            tells_frames: true,
            ..Self::default()
        };
    }

    /// Takes a segment's first bytes, of which it had `len`; `starts` unless they begin inside of what was sent
    /// before. The client has not used a stream above `highest`.
    pub fn handle_segment(
        &mut self,
        bytes: &[u8],
        len: u32,
        starts: bool,
        highest: u32,
        tell: &mut impl FnMut(Told<'_>),
    ) {
        let guessed = self.proof == Proof::One;
        self.follow(bytes, len, starts, highest, tell);
        if guessed && matches!(self.state, State::Lost) {
            // What seemed to be a frame was none; this segment may begin with one.
            self.follow(bytes, len, starts, highest, tell);
        }
    }

    /// Bytes of v1 were not captured at all.
    pub fn handle_gap(&mut self, len: u32, tell: &mut impl FnMut(Told<'_>)) {
        match &mut self.state {
            State::Payload { left, part } if len > 0 && len <= *left && part.is_over() => {
                *left -= len;
                if matches!(part, Part::Frame) {
                    tell(Told::Frame(Framed::Missing(len)));
                }
                self.end_payload(tell);
            }
            _ if len > 0 => self.lose(tell),
            _ => {}
        }
    }

    fn follow(
        &mut self,
        mut bytes: &[u8],
        len: u32,
        starts: bool,
        highest: u32,
        tell: &mut impl FnMut(Told<'_>),
    ) {
        let captured = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if matches!(self.state, State::Lost) {
            if !starts {
                return;
            }
            self.state = State::Header(Collected::default());
        }
        loop {
            match &mut self.state {
                State::Lost => return,
                State::Header(header) => {
                    let Some(raw) = header.fill(&mut bytes) else {
                        break;
                    };
                    self.on_header(raw, highest, tell);
                }
                State::Payload { left, part } => {
                    let mut content = take(&mut bytes, left);
                    if matches!(part, Part::Frame) && !content.is_empty() {
                        tell(Told::Frame(Framed::Payload(content)));
                    }
                    let told = part.read(&mut content);
                    match self.proof {
                        Proof::Whole => told.into_iter().for_each(&mut *tell),
                        Proof::None | Proof::One => self.held = told.or(self.held),
                    }
                    if !self.end_payload(tell) {
                        break;
                    }
                }
            }
        }
        self.handle_gap(len.saturating_sub(captured), tell);
        // Its frame ends where the segment does.
        let over = matches!(&self.state, State::Header(header) if header.is_empty());
        if over && self.proof == Proof::One {
            self.prove(tell);
        }
    }

    fn on_header(&mut self, raw: [u8; HEADER], highest: u32, tell: &mut impl FnMut(Told<'_>)) {
        let header = FrameHeader::parse(raw);
        let FrameHeader { len, stream, .. } = header;
        let good = match self.proof {
            Proof::Whole => is_allowed(&header),
            Proof::One => is_usual(&raw, &header),
            Proof::None => is_usual(&raw, &header) && len <= LONGEST,
        };
        if !good || stream % 2 == 1 && stream > highest {
            return self.lose(tell);
        }
        match self.proof {
            Proof::None => self.proof = Proof::One,
            Proof::One => self.prove(tell),
            Proof::Whole => {}
        }
        let part = match header.kind {
            // Even numbers are of streams that v1 pushes.
            Kind::Reset if stream % 2 == 1 => Part::Code {
                stream,
                code: Collected::default(),
            },
            Kind::GoAway => Part::Last(Collected::default()),
            Kind::Data | Kind::Headers | Kind::PushPromise | Kind::Continuation
                if self.tells_frames =>
            {
                tell(Told::Frame(Framed::Begins(header)));
                Part::Frame
            }
            _ => Part::Nothing,
        };
        self.state = State::Payload { left: len, part };
    }

    /// Behind a payload that is over comes a header.
    fn end_payload(&mut self, tell: &mut impl FnMut(Told<'_>)) -> bool {
        let State::Payload { left: 0, part } = &self.state else {
            return false;
        };
        if matches!(part, Part::Frame) {
            tell(Told::Frame(Framed::Ends));
        }
        self.state = State::Header(Collected::default());
        true
    }

    fn prove(&mut self, tell: &mut impl FnMut(Told<'_>)) {
        self.proof = Proof::Whole;
        if let Some(told) = self.held.take() {
            tell(told);
        }
        if self.tells_frames {
            tell(Told::Frame(Framed::Proved));
        }
    }

    fn lose(&mut self, tell: &mut impl FnMut(Told<'_>)) {
        let tells_frames = self.tells_frames;
        *self = Self {
            tells_frames,
            ..Self::default()
        };
        if tells_frames {
            tell(Told::Frame(Framed::Lost));
        }
    }
}

impl Part {
    /// Takes what is read of it off `content`.
    fn read(&mut self, content: &mut &[u8]) -> Option<Told<'static>> {
        let told = match self {
            Self::Nothing | Self::Frame => return None,
            Self::Code { stream, code } => Told::Closed {
                stream: *stream,
                code: u32::from_be_bytes(code.fill(content)?),
            },
            Self::Last(last) => {
                let [a, b, c, d] = last.fill(content)?;
                let last = u32::from_be_bytes([a & 0x7f, b, c, d]);
                Told::Leaving { last }
            }
        };
        *self = Self::Nothing;
        Some(told)
    }

    /// Whether the rest of the payload says nothing.
    const fn is_over(&self) -> bool {
        matches!(self, Self::Nothing | Self::Frame)
    }
}

/// Whether v1 may send it, as far as the header alone says so: it may push, if the client lets it (section 8.4).
const fn is_allowed(header: &FrameHeader) -> bool {
    let pushes = match header.kind {
        Kind::PushPromise => header.stream % 2 == 1 && header.len >= 4,
        Kind::Data | Kind::Headers | Kind::Continuation => header.stream != 0,
        _ => false,
    };
    pushes || header.is_well_formed()
}
