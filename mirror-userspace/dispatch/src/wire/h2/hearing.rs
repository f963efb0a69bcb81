//! What the target's frames mean to the session and its streams.

use std::mem;

use mirror_core::{
    http::h2::frame::{ACK, END_STREAM, FrameHeader, Kind},
    segment::Time,
};

use super::{
    block::Whole,
    frames::{self, Code, MAX_WINDOW},
    reply::{self, Fields},
    session::Session,
    turn::Writing,
};

/// Composed bytes above which a target that has us answer its frames and does not read the answers is given up.
const UNREAD: usize = 256 << 10;
/// Bytes of bodies after which the connection's window is refreshed: half of it.
const REFRESH: i64 = MAX_WINDOW / 2;

/// What is to be done about what the target said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The head of a reply has come: the copy on this stream is answered.
    Answered {
        /// The stream.
        stream: u32,
        /// The status of the reply.
        status: u16,
    },
    /// The head of the reply that comes next says to wait for so many seconds.
    RetryAfter {
        /// The status of the reply.
        status: u16,
        /// The seconds.
        seconds: u32,
    },
    /// A reply ended with this status of gRPC.
    Grpc(u32),
    /// The status says that the target has no room, which the reply's head did not; and perhaps for how many
    /// milliseconds to wait.
    CallRefused(Option<u32>),
    /// The copy on this stream is written, and its reply is over.
    Over(u32),
    /// The copy on this stream is over for another reason.
    Lost(u32, Lost),
    /// The target has said for the first time how many streams it allows.
    Allows(usize),
    /// The connection takes no more copies; those that remain go on.
    Retired,
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The target says that it has not taken the copy, or never will: GOAWAY (section 6.8).
    Untaken,
    /// It was given to the connection before the target said how many streams it allows: fewer.
    Surplus,
    /// The same of this stream alone: REFUSED_STREAM (section 8.7).
    Refused,
    /// The target wants HTTP/1.1 for it: HTTP_1_1_REQUIRED (section 7).
    Http1Required,
    /// The target reset the stream for another reason.
    Reset,
    /// The reply breaks a rule whose breach is an error of the stream.
    Malformed,
    /// The reply is longer than it is worth reading.
    Long,
}

/// Why a connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The target does not speak HTTP/2.
    NotHttp2,
    /// It breaks a rule whose breach is an error of the connection, or exceeds what it may cost.
    Broken,
}

impl Session {
    /// What the next of these bytes bring, if anything; they are taken off. To be called until they bring nothing,
    /// and with no bytes after [`advance`](Self::advance).
    ///
    /// # Errors
    ///
    /// If the connection is of no more use.
    pub(crate) fn hear(&mut self, now: Time, bytes: &mut &[u8]) -> Result<Option<Heard>, Fault> {
        let mut input = mem::take(&mut self.input);
        let heard = loop {
            if let Some(heard) = self.heard.pop_front() {
                break Ok(Some(heard));
            }
            match input.next(bytes, |stream| self.keeps(stream)) {
                Ok(None) => break Ok(None),
                Ok(Some((frame, payload))) => {
                    if let Err(fault) = self.handle_frame(now, &frame, payload) {
                        break Err(fault);
                    }
                }
                Err(fault) => break Err(fault),
            }
        };
        input.forget();
        self.input = input;
        heard.map_err(|fault| if self.greeted { fault } else { Fault::NotHttp2 })
    }

    fn handle_frame(
        &mut self,
        now: Time,
        frame: &FrameHeader,
        payload: &[u8],
    ) -> Result<(), Fault> {
        self.flood.count(now)?;
        let is = |flag: u8| frame.flags & flag != 0;
        if !self.greeted && (frame.kind != Kind::Settings || is(ACK)) {
            // Section 3.4: a server begins with its settings.
            return Err(Fault::NotHttp2);
        }
        if let Some(stream) = self.blocks.expects()
            && (frame.kind != Kind::Continuation || frame.stream != stream)
        {
            return Err(Fault::Broken);
        }
        match frame.kind {
            Kind::Data => {
                self.keep(frame, payload);
                self.handle_data(frame.stream, frame.len, is(END_STREAM))
            }
            Kind::Headers => match self.blocks.begin(frame, payload)? {
                Some(whole) => self.handle_block(now, whole),
                None => self.is_ours(frame.stream).map(drop),
            },
            Kind::Continuation => match self.blocks.go_on(frame, payload)? {
                Some(whole) => self.handle_block(now, whole),
                None => Ok(()),
            },
            Kind::Reset => self.handle_reset(frame.stream, number(payload)),
            Kind::Settings if is(ACK) => Ok(()),
            Kind::Settings => self.handle_settings(payload),
            Kind::Ping if is(ACK) => Ok(()),
            Kind::Ping => {
                frames::ping_ack(&mut self.out, payload);
                self.check_unread()
            }
            Kind::GoAway => {
                self.handle_goaway(number(payload) & !(1 << 31));
                Ok(())
            }
            Kind::WindowUpdate => {
                self.handle_window_update(frame.stream, number(payload) & !(1 << 31))
            }
            Kind::Priority | Kind::PushPromise | Kind::Unknown => Ok(()),
        }
    }

    fn check_unread(&self) -> Result<(), Fault> {
        if self.pending() > UNREAD {
            return Err(Fault::Broken);
        }
        Ok(())
    }

    /// Whether the copy on this stream goes on: frames behind its end are nothing new, but for one that was never
    /// opened (section 5.1).
    fn is_ours(&self, stream: u32) -> Result<bool, Fault> {
        let turn = self.turns.get(&stream);
        let idle = turn.is_some_and(|turn| turn.writing == Writing::Unopened);
        if idle || stream >= self.next {
            return Err(Fault::Broken);
        }
        Ok(turn.is_some())
    }

    fn handle_data(&mut self, stream: u32, len: u32, ends: bool) -> Result<(), Fault> {
        self.received += i64::from(len);
        if self.received >= REFRESH {
            frames::window_update(&mut self.out, self.received);
            self.received = 0;
        }
        if !self.is_ours(stream)? {
            return Ok(());
        }
        let Some(turn) = self.turns.get_mut(&stream) else {
            return Ok(());
        };
        if !turn.answered || turn.replied {
            self.lose(stream, Code::PROTOCOL_ERROR, Lost::Malformed);
            return Ok(());
        }
        turn.body += u64::from(len);
        if len > 0 {
            self.flood.forgive();
        }
        if turn.body > self.limits.reply.body {
            self.lose(stream, Code::CANCEL, Lost::Long);
        } else if ends {
            self.handle_end(stream);
        }
        Ok(())
    }

    fn handle_block(&mut self, now: Time, whole: Whole) -> Result<(), Fault> {
        let Whole { stream, ends } = whole;
        if !self.is_ours(stream)? {
            return Ok(());
        }
        let Some(turn) = self.turns.get_mut(&stream) else {
            return Ok(());
        };
        let fields = match turn.replied {
            true => Fields::Malformed,
            false => reply::read(self.blocks.list(), turn.answered),
        };
        turn.note(fields, self.blocks.list(), ends);
        let grpc = match fields {
            Fields::Interim if !ends => return Ok(()),
            Fields::Head {
                status,
                grpc,
                retry_after,
                ..
            } => {
                turn.answered = true;
                turn.job.forget();
                let waits = retry_after.map(|seconds| Heard::RetryAfter { status, seconds });
                self.heard.extend(waits);
                self.heard.push_back(Heard::Answered { stream, status });
                if self.turns.get(&stream).is_some_and(|turn| turn.written) {
                    self.allow_time(stream, now, self.limits.body_time);
                }
                // In a head that a body follows it is none.
                grpc.filter(|_| ends)
            }
            Fields::Trailers { grpc } if ends => grpc,
            Fields::Interim | Fields::Trailers { .. } | Fields::Malformed => {
                self.lose(stream, Code::PROTOCOL_ERROR, Lost::Malformed);
                return Ok(());
            }
        };
        self.flood.forgive();
        self.heard.extend(grpc.map(Heard::Grpc));
        if grpc.is_some_and(reply::has_no_room)
            && self.turns.get(&stream).is_some_and(|turn| !turn.refused)
        {
            let pushback = reply::pushback(self.blocks.list());
            self.heard.push_back(Heard::CallRefused(pushback));
        }
        if ends {
            self.handle_end(stream);
        }
        Ok(())
    }

    /// The reply on a stream is over.
    fn handle_end(&mut self, stream: u32) {
        if let Some(turn) = self.turns.get_mut(&stream) {
            turn.replied = true;
            if turn.written {
                self.heard.push_back(Heard::Over(stream));
            }
        }
    }

    fn handle_reset(&mut self, stream: u32, code: u32) -> Result<(), Fault> {
        if !self.is_ours(stream)? {
            return Ok(());
        }
        let replied = self.turns.get(&stream).is_some_and(|turn| turn.replied);
        self.heard.push_back(match Code(code) {
            // Section 8.1: it has answered, and wants no more of the copy.
            Code::NO_ERROR if replied => Heard::Over(stream),
            Code::REFUSED_STREAM => Heard::Lost(stream, Lost::Refused),
            Code::HTTP_1_1_REQUIRED => Heard::Lost(stream, Lost::Http1Required),
            _ => Heard::Lost(stream, Lost::Reset),
        });
        Ok(())
    }

    fn handle_settings(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let before = self.settings.window;
        self.settings.take(payload)?;
        if !self.greeted {
            self.greeted = true;
            self.give_up_surplus();
        }
        frames::settings_ack(&mut self.out);
        let more = self.settings.window - before;
        if more != 0 {
            // Section 6.9.2: of streams that are open, too.
            let mut grown = Vec::new();
            for (stream, turn) in &mut self.turns {
                if turn.writing == Writing::Unopened {
                    continue;
                }
                turn.window += more;
                if turn.window > MAX_WINDOW {
                    return Err(Fault::Broken);
                }
                grown.push(*stream);
            }
            grown
                .into_iter()
                .for_each(|stream| self.handle_window(stream));
        }
        self.check_unread()
    }

    /// Of the copies that were given before, more than the target allows go elsewhere, the last one first.
    fn give_up_surplus(&mut self) {
        let allowed = self.settings.streams;
        self.heard.push_back(Heard::Allows(allowed));
        let surplus = self.turns.len().saturating_sub(allowed);
        // Where none is allowed, it may be so everywhere.
        let why = if allowed == 0 {
            Lost::Untaken
        } else {
            Lost::Surplus
        };
        let last = self.turns.keys().rev().take(surplus);
        self.heard
            .extend(last.map(|stream| Heard::Lost(*stream, why)));
    }

    fn handle_goaway(&mut self, last: u32) {
        self.retired = true;
        // The last one first, so that those before it are put in front of it.
        for (&stream, turn) in self.turns.iter().rev() {
            if stream > last || turn.writing == Writing::Unopened {
                self.heard.push_back(Heard::Lost(stream, Lost::Untaken));
            }
        }
        self.heard.push_back(Heard::Retired);
    }

    fn handle_window_update(&mut self, stream: u32, more: u32) -> Result<(), Fault> {
        if stream == 0 {
            self.window += i64::from(more);
            // Sections 6.9 and 6.9.1.
            if more == 0 || self.window > MAX_WINDOW {
                return Err(Fault::Broken);
            }
        } else {
            if !self.is_ours(stream)? {
                return Ok(());
            }
            let Some(turn) = self.turns.get_mut(&stream) else {
                return Ok(());
            };
            turn.window += i64::from(more);
            if more == 0 || turn.window > MAX_WINDOW {
                self.lose(stream, Code::FLOW_CONTROL_ERROR, Lost::Malformed);
                return Ok(());
            }
        }
        self.handle_window(stream);
        Ok(())
    }

    /// The copy on a stream is over, by our word.
    fn lose(&mut self, stream: u32, code: Code, why: Lost) {
        self.reset(stream, code);
        self.heard.push_back(Heard::Lost(stream, why));
    }
}

/// The first four bytes of a payload.
fn number(payload: &[u8]) -> u32 {
    payload
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
