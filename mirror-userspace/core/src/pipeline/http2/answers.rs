//! What v1 answers to the requests of a connection, told behind their copies.
//!
//! v1 may answer before a request has ended, and so before its copy is handed over. What it says then waits.

use super::{Open, Request, RequestContext, Requests};
use crate::{
    budget::{Budget, Reserved},
    http::h2::{AnswerReader, ByStream, Framed, Said, Shared},
    pipeline::{
        assembly::Assembly,
        output::{Output, RequestKey, SaidByV1},
    },
};

/// Most things that wait on one connection: what is said beyond that of requests that have not ended is not told.
const WAITING: usize = 256;

/// What a connection's answers cost, beside what waits and what its reader keeps.
const COST: usize = size_of::<Answers>();

/// v1's answers on one connection.
pub(super) struct Answers {
    reader: AnswerReader,
    early: Early,
    _held: Reserved,
}

/// What v1 says to requests that are not handed over yet.
struct Early {
    waiting: Vec<(u32, RequestKey, SaidByV1)>,
    reserved: Reserved,
}

impl Answers {
    /// `None` without memory for it.
    pub(super) fn new(budget: &Budget) -> Option<Box<Self>> {
        Some(Box::new(Self {
            reader: AnswerReader::new(budget),
            early: Early {
                waiting: Vec::new(),
                reserved: budget.empty(),
            },
            _held: budget.reserve(COST)?,
        }))
    }

    /// Takes a piece of a frame.
    pub(super) fn handle(
        &mut self,
        framed: Framed<'_>,
        shared: &mut Shared,
        requests: &Requests,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        let Self { reader, early, .. } = self;
        let calls = requests.any_calls;
        reader.handle(framed, calls, shared, &mut |stream, said| {
            early.tell(stream, said, requests, place, assembly);
        });
    }

    /// v1 has reset a stream.
    pub(super) fn handle_reset(
        &mut self,
        (stream, code): (u32, u32),
        requests: &Requests,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        let Self { reader, early, .. } = self;
        reader.handle_reset(stream, code, &mut |stream, said| {
            early.tell(stream, said, requests, place, assembly);
        });
    }

    /// The connection is over.
    pub(super) fn handle_close(
        &mut self,
        requests: &Requests,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        self.pass_on(requests, assembly);
        let Self { reader, early, .. } = self;
        reader.handle_close(&mut |stream, said| {
            early.tell(stream, said, requests, place, assembly);
        });
    }

    /// Tells what waited for requests that are handed over by now.
    pub(super) fn pass_on(&mut self, requests: &Requests, assembly: &mut Assembly) {
        self.early.pass_on(&requests.open, assembly);
    }

    /// The client does not want this one any more.
    pub(super) fn forget(&mut self, stream: u32) {
        self.reader.forget(stream);
        self.early.forget(stream);
    }
}

impl Early {
    fn tell(
        &mut self,
        stream: u32,
        said: Said<'_>,
        requests: &Requests,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        if stream.is_multiple_of(2) || stream > requests.highest {
            return;
        }
        let of_contents = !matches!(said, Said::Answer { .. } | Said::Unknown | Said::Failed);
        if of_contents && !assembly.tells_replies {
            return;
        }
        let request = requests.place(stream, place).request();
        let said = SaidByV1::from(said);
        if !is_held(&requests.open, stream) {
            assembly.outputs.push_back(Output::OfV1 { request, said });
            return;
        }
        if self.waiting.len() < WAITING && self.reserved.grow(size_of_waiting(&said)) {
            self.waiting.push((stream, request, said));
        } else {
            // Some of it would be taken for all.
            self.forget(stream);
        }
    }

    fn pass_on(&mut self, open: &ByStream<Open>, assembly: &mut Assembly) {
        if self.waiting.is_empty() {
            return;
        }
        let Self { waiting, reserved } = self;
        let ready = waiting.extract_if(.., |(stream, ..)| !is_held(open, *stream));
        let told = ready.map(|(_, request, said)| {
            reserved.shrink(size_of_waiting(&said));
            Output::OfV1 { request, said }
        });
        assembly.outputs.extend(told);
        self.tidy();
    }

    fn forget(&mut self, stream: u32) {
        let Self { waiting, reserved } = self;
        waiting.retain(|(waiting, _, said)| {
            let stays = *waiting != stream;
            if !stays {
                reserved.shrink(size_of_waiting(said));
            }
            stays
        });
        self.tidy();
    }

    /// Gives back the room of what is taken out.
    fn tidy(&mut self) {
        let len = self.waiting.len();
        if self.waiting.capacity() > 4 * len {
            self.waiting.shrink_to(2 * len);
        }
    }
}

/// What one thing that waits costs.
const fn size_of_waiting(said: &SaidByV1) -> usize {
    size_of::<(u32, RequestKey, SaidByV1)>() + said.size()
}

/// Whether a request's copy is still to come.
fn is_held(open: &ByStream<Open>, stream: u32) -> bool {
    let open = open.get(stream);
    open.is_some_and(|open| matches!(open.request, Request::Held(_)))
}
