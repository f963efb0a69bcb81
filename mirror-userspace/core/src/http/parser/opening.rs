//! The first bytes of a connection, which may tell whose it is.

use super::{HttpEvent, Limits, Lost, Parser, Reader, Standing, State};
use crate::{
    budget::Budget,
    http::{
        proxy::{self, Start},
        reader::Kept,
    },
};

impl Parser {
    /// Takes the next bytes of a connection of which nothing but a part of a PROXY header may have come, and returns
    /// those that are behind it.
    pub(super) fn open<'a>(
        &mut self,
        bytes: &'a [u8],
        limits: &Limits,
        budget: &Budget,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) -> &'a [u8] {
        let State::Opening(kept) = &mut self.state else {
            return bytes;
        };
        let Some(kept) = kept else {
            match proxy::read(bytes) {
                Start::More => self.keep_opening(None, bytes, budget, emit),
                Start::Other => {
                    self.begin();
                    return bytes;
                }
                Start::Header(len, client) => {
                    self.begin();
                    let (header, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
                    emit(HttpEvent::Proxied(client, header));
                    return rest;
                }
            }
            return &[];
        };
        #[cfg(test)]
        crate::http::tests::work::done(bytes.len());
        let before = kept.bytes().len();
        // A version 1 header is short, and of version 2 its length is known.
        if !kept.push(bytes) {
            self.lose_opening(emit);
            return &[];
        }
        match proxy::read(kept.bytes()) {
            Start::More => &[],
            Start::Header(len, client) => {
                let header = kept.bytes().get(..len).unwrap_or_default();
                emit(HttpEvent::Proxied(client, header));
                self.begin();
                bytes.get(len.saturating_sub(before)..).unwrap_or_default()
            }
            Start::Other => {
                self.read_opening(before, limits, budget, emit);
                bytes
            }
        }
    }

    /// What was kept begins no header: it is looked at as what it is, up to `before`, where the bytes at hand begin.
    #[cold]
    fn read_opening(
        &mut self,
        before: usize,
        limits: &Limits,
        budget: &Budget,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) {
        let State::Opening(Some(kept)) = std::mem::take(&mut self.state) else {
            return;
        };
        self.begin();
        // It is given back first, so that it is never paid for twice: no more is kept than looks like a header's
        // beginning.
        let mut first = [0; proxy::LONGEST_LINE];
        let looked = first.iter_mut().zip(kept.bytes()).take(before);
        looked.for_each(|(place, byte)| *place = *byte);
        drop(kept);
        self.run(
            first.get(..before).unwrap_or_default(),
            limits,
            budget,
            emit,
        );
    }

    fn keep_opening(
        &mut self,
        kept: Option<Box<Kept>>,
        bytes: &[u8],
        budget: &Budget,
        emit: &mut impl FnMut(HttpEvent<'_>),
    ) {
        let mut kept = kept.or_else(|| Kept::new(budget));
        if kept.as_mut().is_some_and(|kept| kept.push(bytes)) {
            self.state = State::Opening(kept);
        } else {
            self.lose_opening(emit);
        }
    }

    fn lose_opening(&mut self, emit: &mut impl FnMut(HttpEvent<'_>)) {
        self.refuse(Lost::Evicted, Standing::Undecided, emit);
    }

    fn begin(&mut self) {
        self.state = State::Head(Reader::new(Standing::Undecided));
    }
}
