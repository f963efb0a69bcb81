//! What frames mean for the requests of a connection: how each goes on, and how it ends.

use super::{
    Event, FieldList, Limits, Loss, request,
    streams::{Stream, Streams},
};

impl Streams {
    /// DATA, without its padding.
    pub(super) fn on_body(
        &mut self,
        stream: u32,
        content: &[u8],
        emit: &mut impl FnMut(Event<'_>),
    ) {
        let Some(known) = self.get_mut(stream).filter(|stream| stream.told) else {
            return;
        };
        let mut bytes = content;
        let mut too_long = false;
        if let Some(expected) = &mut known.expected {
            let len = content.len() as u64;
            too_long = len > *expected;
            let allowed = usize::try_from(*expected).unwrap_or(usize::MAX);
            bytes = content.get(..allowed).unwrap_or(content);
            *expected = expected.saturating_sub(len);
        }
        if !bytes.is_empty() {
            emit(Event::Body { stream, bytes });
        }
        if too_long {
            self.lose(stream, Loss::Malformed, emit);
        }
    }

    /// END_STREAM of a DATA frame that is over.
    pub(super) fn on_end(&mut self, stream: u32, emit: &mut impl FnMut(Event<'_>)) {
        match self.close(stream) {
            Some(closed) if closed.told => emit(closed.ending(stream)),
            _ => {}
        }
    }

    /// The header block that opened a stream.
    pub(super) fn on_request(
        &mut self,
        id: u32,
        ends: bool,
        list: &FieldList,
        limits: &Limits,
        emit: &mut impl FnMut(Event<'_>),
    ) {
        let checked = if list.is_too_large() {
            Err(Loss::TooLarge)
        } else {
            request::check(id, ends, list)
        };
        let mut stream = Stream {
            told: false,
            expected: None,
        };
        let told = checked.and_then(|head| {
            stream.expected = head.length;
            if ends && head.length.is_some_and(|length| length > 0) {
                return Err(Loss::Malformed);
            }
            stream.told = true;
            if !ends {
                self.insert(id, stream, limits)?;
            }
            Ok(head)
        });
        match told {
            Ok(head) => {
                emit(Event::Head(head));
                if ends {
                    emit(Event::End { stream: id });
                }
            }
            Err(why) => {
                emit(Event::Lost { stream: id, why });
                let no_room = stream.told;
                stream.told = false;
                if !ends && !no_room {
                    // Where there is no room for it either, `Streams` knows that it may be open.
                    let _ = self.insert(id, stream, limits);
                }
            }
        }
    }

    /// A header block of a stream that is open.
    pub(super) fn on_trailers(
        &mut self,
        id: u32,
        ends: bool,
        fields: &FieldList,
        emit: &mut impl FnMut(Event<'_>),
    ) {
        let loss = if fields.is_too_large() {
            Some(Loss::TooLarge)
        } else if !ends || !request::are_trailers(fields) {
            // Section 8.1: a second block ends the request.
            Some(Loss::Malformed)
        } else {
            None
        };
        if let Some(why) = loss {
            self.lose(id, why, emit);
        }
        if !ends {
            return;
        }
        match self.close(id) {
            Some(closed) if closed.told => {
                let ending = closed.ending(id);
                if matches!(ending, Event::End { .. }) {
                    emit(Event::Trailers { stream: id, fields });
                }
                emit(ending);
            }
            _ => {}
        }
    }

    /// An open request is lost; its frames are still to be told from others.
    pub(super) fn lose(&mut self, stream: u32, why: Loss, emit: &mut impl FnMut(Event<'_>)) {
        if let Some(known) = self.get_mut(stream).filter(|known| known.told) {
            known.told = false;
            emit(Event::Lost { stream, why });
        }
    }

    /// The client gives a request up, or what is left of the reply to it.
    pub(super) fn on_reset(&mut self, stream: u32, code: u32, emit: &mut impl FnMut(Event<'_>)) {
        // Even numbers are of streams that v1 pushed.
        let told = self.close(stream).is_none_or(|stream| stream.told);
        if stream % 2 == 1 && told {
            emit(Event::Reset { stream, code });
        }
    }
}

impl Stream {
    /// What is said at END_STREAM: a body that is shorter than stated makes its request malformed (section 8.1.1).
    fn ending(self, stream: u32) -> Event<'static> {
        if self.expected.is_some_and(|expected| expected > 0) {
            let why = Loss::Malformed;
            return Event::Lost { stream, why };
        }
        Event::End { stream }
    }
}
