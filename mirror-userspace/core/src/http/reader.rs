//! Reads one complete head, which may arrive in pieces, between two requests.
//!
//! A head in one piece is handed on borrowed. Only a head in several pieces is copied, into a buffer that
//! is paid for from the budget and freed with the head.

use super::{
    Limits, Lost, Protocol,
    detect::{DECISIVE, Detected, PREFACE, begins_known_method, detect},
    resync::Resync,
    scan::{Blank, Oddness, Scan, Scanned},
};
use crate::budget::{Budget, Reserved};

/// What is known of the connection while a head is awaited.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    /// The first bytes of the connection have not yet revealed its protocol.
    Undecided,
    /// The connection carries HTTP/1: one request follows another.
    InStep,
    /// The connection carried HTTP/1 up to an offer of HTTP/2. The first bytes have not yet revealed whether
    /// v1 declined it.
    Offered,
    /// v1 accepted an offer of HTTP/2: its preface follows.
    Accepted,
    /// A segment seems to begin a request. Its head has to prove it.
    Tentative(Resync),
}

/// What a piece of the stream was found to be.
#[derive(Debug)]
pub(super) enum Read<'a> {
    /// The head is not complete.
    More,
    /// The head, and the bytes after it.
    Head(Raw<'a>, &'a [u8]),
    /// The end of a head that is refused, and the bytes after it.
    Odd(Raw<'a>, Lost, &'a [u8]),
    /// The connection does not carry HTTP/1.
    Other(Protocol),
    /// It carries HTTP/2: so many bytes of the preface came before these bytes.
    Http2(usize, &'a [u8]),
    /// No head begins like this.
    Refused(Lost),
}

/// A complete head's bytes.
#[derive(Debug)]
pub(super) enum Raw<'a> {
    Borrowed(&'a [u8]),
    Kept(Box<Kept>),
}

impl Raw<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Kept(kept) => &kept.bytes,
        }
    }
}

/// Collects the bytes of one head, which may arrive in pieces.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) standing: Standing,
    blank: Blank,
    scan: Scan,
    kept: Option<Box<Kept>>,
}

impl Reader {
    pub(super) fn new(standing: Standing) -> Self {
        Self {
            standing,
            blank: Blank::default(),
            scan: Scan::default(),
            kept: None,
        }
    }

    /// Whether nothing of a request has come yet.
    pub(super) const fn is_empty(&self) -> bool {
        self.kept.is_none()
    }

    /// Whether the connection is taken for HTTP/1.
    pub(super) const fn is_http(&self) -> bool {
        matches!(self.standing, Standing::InStep | Standing::Offered)
    }

    /// Why the request is not mirrored, if its head is odd.
    pub(super) const fn odd(&self) -> Option<Lost> {
        self.scan.odd()
    }

    /// How many field lines the head has.
    pub(super) fn lines(&self) -> usize {
        self.scan.lines()
    }

    /// Takes the next bytes. Once it has returned a head, the reader is used up.
    pub(super) fn read<'a>(
        &mut self,
        bytes: &'a [u8],
        limits: &Limits,
        budget: &Budget,
    ) -> Read<'a> {
        let bytes = match self.skip_blank(bytes) {
            Ok([]) => return Read::More,
            Ok(bytes) => bytes,
            Err(why) => return self.refuse(why),
        };
        match self.judge_first(bytes) {
            Ok(true) => {}
            Ok(false) => return self.keep(bytes, budget),
            Err(not_a_head) => return not_a_head,
        }
        let oddness = match self.standing {
            Standing::InStep => Oddness::ReadOn,
            Standing::Undecided | Standing::Offered | Standing::Accepted => Oddness::ReadOnInHttp,
            Standing::Tentative(_) => Oddness::Refuse,
        };
        // What was kept while the first bytes were undecided was not scanned.
        let unscanned = self.kept.as_ref().and_then(|kept| {
            let bytes = kept.bytes.get(self.scan.seen()..)?;
            Some(self.scan.feed(bytes, limits, oddness))
        });
        let scanned = match unscanned {
            Some(Scanned::Refused(why)) => Scanned::Refused(why),
            _ => self.scan.feed(bytes, limits, oddness),
        };
        if matches!(self.standing, Standing::Undecided | Standing::Offered)
            && self.scan.names_http()
        {
            self.standing = Standing::InStep;
        }
        match scanned {
            Scanned::More => self.keep(bytes, budget),
            Scanned::Refused(why) => self.refuse(why),
            Scanned::End(len) => {
                let (head, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
                let raw = match self.kept.take() {
                    None => Raw::Borrowed(head),
                    Some(mut kept) => {
                        if !kept.push(head) {
                            return Read::Refused(Lost::Evicted);
                        }
                        Raw::Kept(kept)
                    }
                };
                match self.scan.odd() {
                    None => Read::Head(raw, rest),
                    Some(why) => Read::Odd(raw, why, rest),
                }
            }
        }
    }

    /// Whether empty lines are skipped: before a request, but not before the protocol is known.
    fn skip_blank<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Lost> {
        let none_allowed = matches!(self.standing, Standing::Tentative(_) | Standing::Accepted);
        if self.kept.is_some() || none_allowed {
            return Ok(bytes);
        }
        self.blank.skip(bytes)
    }

    /// Whether the protocol is known well enough to go on: `false` if more bytes are needed.
    fn judge_first<'a>(&mut self, bytes: &'a [u8]) -> Result<bool, Read<'a>> {
        match self.standing {
            Standing::Undecided | Standing::Offered if self.scan.seen() == 0 => {
                let (first, len) = self.first(bytes);
                match detect(first.get(..len).unwrap_or_default()) {
                    Detected::More => return Ok(false),
                    Detected::Protocol(Protocol::Http1) => self.standing = Standing::InStep,
                    // Section 3.4 of RFC 9113: nothing comes before it.
                    Detected::Protocol(Protocol::Http2) if self.blank.is_empty() => {
                        return Err(self.begin_http2(bytes));
                    }
                    Detected::Protocol(_) if matches!(self.standing, Standing::Offered) => {
                        return Err(Read::Other(Protocol::Upgraded));
                    }
                    Detected::Protocol(Protocol::Http2) => {
                        return Err(Read::Other(Protocol::NotHttp));
                    }
                    Detected::Protocol(other) => return Err(Read::Other(other)),
                    Detected::RequestLine => {}
                }
            }
            Standing::Accepted => {
                let (first, len) = self.first(bytes);
                let first = first.get(..len.min(PREFACE.len())).unwrap_or_default();
                return match PREFACE.strip_prefix(first) {
                    Some([]) => Err(self.begin_http2(bytes)),
                    Some(_) => Ok(false),
                    None => Err(Read::Other(Protocol::Upgraded)),
                };
            }
            // A segment may have begun with what only looked like the first bytes of a method.
            Standing::Tentative(_) if self.kept.is_some() && !self.scan.past_request_line() => {
                let (first, len) = self.first(bytes);
                if !begins_known_method(first.get(..len).unwrap_or_default()) {
                    return Err(Read::Refused(Lost::Malformed));
                }
            }
            _ => {}
        }
        Ok(true)
    }

    fn begin_http2<'a>(&self, bytes: &'a [u8]) -> Read<'a> {
        let kept = self.kept.as_ref();
        Read::Http2(kept.map_or(0, |kept| kept.bytes.len()), bytes)
    }

    /// The first bytes of the head, from what is kept and what came now.
    fn first(&self, bytes: &[u8]) -> ([u8; DECISIVE], usize) {
        let mut first = [0; DECISIVE];
        let kept = self.kept.as_ref().map_or(&[][..], |kept| &kept.bytes);
        let mut len = 0;
        for (place, byte) in first.iter_mut().zip(kept.iter().chain(bytes)) {
            *place = *byte;
            len += 1;
        }
        #[cfg(test)]
        super::tests::work::done(len);
        (first, len)
    }

    fn keep(&mut self, bytes: &[u8], budget: &Budget) -> Read<'static> {
        let kept = match &mut self.kept {
            Some(kept) => kept,
            empty => match Kept::new(budget) {
                Some(kept) => empty.insert(kept),
                None => return Read::Refused(Lost::Evicted),
            },
        };
        if kept.push(bytes) {
            Read::More
        } else {
            Read::Refused(Lost::Evicted)
        }
    }

    fn refuse(&self, why: Lost) -> Read<'static> {
        match self.standing {
            Standing::Undecided => Read::Other(Protocol::NotHttp),
            Standing::Offered | Standing::Accepted => Read::Other(Protocol::Upgraded),
            Standing::InStep | Standing::Tentative(_) => Read::Refused(why),
        }
    }
}

/// The beginning of a head that was cut.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    reserved: Reserved,
}

impl Kept {
    /// Bytes that are allocated at first for a head in pieces; most heads fit.
    const FIRST: usize = 512;

    pub(super) fn new(budget: &Budget) -> Option<Box<Self>> {
        let reserved = budget.reserve(size_of::<Self>())?;
        Some(Box::new(Self {
            bytes: Vec::new(),
            reserved,
        }))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends, doubling the memory when it is full. If the budget refuses, nothing changes.
    pub(super) fn push(&mut self, more: &[u8]) -> bool {
        let len = self.bytes.len().saturating_add(more.len());
        let capacity = self.bytes.capacity();
        if len > capacity {
            let Some(wanted) = len.max(Self::FIRST).checked_next_power_of_two() else {
                return false;
            };
            if !self.reserved.grow(wanted - capacity) {
                return false;
            }
            self.bytes.reserve_exact(wanted - self.bytes.len());
            #[cfg(test)]
            super::tests::work::done(capacity);
        }
        self.bytes.extend_from_slice(more);
        true
    }
}
