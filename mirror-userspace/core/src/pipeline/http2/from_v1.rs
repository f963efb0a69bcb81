//! What v1 says of a connection's streams, and what that means for their copies.
//!
//! What v1 refuses, its client sends again (RFC 9113 section 8.7): the first copy is dropped, or cut if it is under way.
//! One that has been answered by then can't be taken back, and v2 gets that request twice.

use super::{Followed, Http2, Requests, answers::Answers};
use crate::{
    http::{
        Lost,
        h2::{FromV1, NO_ERROR, REFUSED_STREAM, Reader, Told},
    },
    pipeline::{GivenUp, assembly::Assembly, context::RequestContext},
    segment::SeqNum,
    stream::{FromServer, REACH},
};

/// Streams of a connection that GOAWAYs refuse, at most: others are left alone. No more can be open at any server that is
/// known when it says the first one, and what comes later is refused as it comes.
pub(super) const REFUSED: u32 = 4096;

/// v1's frames, where its segments put them.
#[derive(Default)]
pub(super) struct Listening {
    frames: FromV1,
    /// Behind the last byte that was seen.
    next: Option<SeqNum>,
    /// What it answers, if that is told.
    answers: Option<Box<Answers>>,
}

impl Listening {
    /// Begins to read what is answered, if there is memory for it.
    fn answer(&mut self, assembly: &Assembly) {
        self.answers = Answers::new(&assembly.of_http2);
        if self.answers.is_some() {
            self.frames.tell_frames();
        }
    }

    /// Tells what waited for copies that are handed over by now.
    pub(super) fn pass_on(&mut self, requests: &Requests, assembly: &mut Assembly) {
        if let Some(answers) = &mut self.answers {
            answers.pass_on(requests, assembly);
        }
    }

    /// The client does not want an answer any more.
    pub(super) fn forget(&mut self, stream: u32) {
        if let Some(answers) = &mut self.answers {
            answers.forget(stream);
        }
    }

    /// The connection is over.
    pub(super) fn close(
        &mut self,
        requests: &Requests,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        if let Some(mut answers) = self.answers.take() {
            answers.handle_close(requests, place, assembly);
        }
    }

    fn handle(&mut self, sent: &FromServer<'_>, highest: u32, tell: &mut impl FnMut(Told<'_>)) {
        let ahead = self.next.map_or(0, |next| sent.seq.distance_from(next));
        if u64::try_from(ahead).is_ok_and(|ahead| ahead > REACH) {
            // It is not of this connection, and what is would be known then.
            return;
        }
        let known = u32::try_from(ahead.saturating_neg()).unwrap_or(0);
        if known >= sent.wire_len {
            return;
        }
        self.next = Some(sent.seq + sent.wire_len);
        self.frames
            .handle_gap(u32::try_from(ahead).unwrap_or(0), tell);
        let captured = usize::try_from(known).ok();
        let bytes = captured.and_then(|known| sent.bytes.get(known..));
        let (bytes, len) = (bytes.unwrap_or_default(), sent.wire_len - known);
        self.frames
            .handle_segment(bytes, len, known == 0, highest, tell);
    }
}

impl Http2 {
    /// Takes what v1 sent.
    pub(in super::super) fn handle_from_v1(
        &mut self,
        sent: &FromServer<'_>,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        let Self {
            followed: Followed::Reader(reader),
            requests,
            v1,
            ..
        } = self
        else {
            return;
        };
        if !reader.is_following() || sent.wire_len == 0 {
            return;
        }
        if assembly.tells_answers && v1.answers.is_none() {
            v1.answer(assembly);
        }
        let Some(mut shared) = assembly.http2.take() else {
            return;
        };
        let mut answers = v1.answers.take();
        let highest = requests.highest;
        v1.handle(sent, highest, &mut |told| match told {
            Told::Closed { stream, code } => {
                requests.handle_closed(stream, code, reader, place, assembly);
                if let Some(answers) = &mut answers {
                    answers.handle_reset((stream, code), requests, place, assembly);
                }
            }
            Told::Leaving { last } => requests.handle_leaving(last, reader, place, assembly),
            Told::Frame(framed) => {
                if let Some(answers) = &mut answers {
                    answers.handle(framed, &mut shared, requests, place, assembly);
                }
            }
        });
        assembly.http2 = Some(shared);
        v1.answers = answers;
        v1.pass_on(requests, assembly);
    }
}

impl Requests {
    /// v1 has closed a stream. If the request had not ended, after an error it never will: v2 sees a reset, too. Had it, v1
    /// may have carried it out, unless it says that it has not.
    fn handle_closed(
        &mut self,
        stream: u32,
        code: u32,
        reader: &mut Reader,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        match code {
            REFUSED_STREAM => self.refuse(stream, reader, place, assembly),
            NO_ERROR => self.handle_answered(stream, reader, place, assembly),
            _ => {
                reader.forget(stream);
                let place = self.place(stream, place);
                if let Some(mut request) = self.close(stream) {
                    assembly.lose(&place, &mut request, Lost::Reset);
                }
            }
        }
    }

    /// v1 has answered a request, and needs no more of it. The client may still end it, or not: clients of gRPC say that a
    /// call has no second message in a frame of its own, which some servers do not wait for.
    fn handle_answered(
        &mut self,
        stream: u32,
        reader: &mut Reader,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        let open = self.open.get(stream);
        if open.is_some_and(|open| open.is_grpc && open.request.holds_one_message()) {
            reader.forget(stream);
            let place = self.place(stream, place);
            if let Some(mut request) = self.close(stream) {
                assembly.finish(&place, &mut request);
            }
        }
    }

    /// v1 has done nothing for the streams above `last`, nor will it.
    fn handle_leaving(
        &mut self,
        last: u32,
        reader: &mut Reader,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        if last >= self.last {
            return;
        }
        // Those above have been refused. A client's streams have odd numbers (section 5.1.1).
        let before = std::mem::replace(&mut self.last, last);
        let mut stream = self.highest.min(before.saturating_sub(1) | 1);
        let above = stream.saturating_sub(last).div_ceil(2).min(self.refusable);
        self.refusable -= above;
        for _ in 0..above {
            self.refuse(stream, reader, place, assembly);
            stream = stream.saturating_sub(2);
        }
    }

    /// v1 has not taken a request.
    fn refuse(
        &mut self,
        stream: u32,
        reader: &mut Reader,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        reader.forget(stream);
        let place = self.place(stream, place);
        match self.close(stream) {
            Some(mut request) => assembly.refuse(&place, &mut request),
            None => {
                assembly.cancel(place.request(), GivenUp::RefusedByV1);
            }
        }
    }
}
