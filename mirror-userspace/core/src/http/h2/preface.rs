//! The client's connection preface (RFC 9113 section 3.4).

/// What an HTTP/2 connection begins with; a SETTINGS frame follows.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The preface, as far as it has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Preface(u8);

/// What came of it.
pub(super) enum Greeting {
    More,
    Whole,
    /// Other bytes than the preface's.
    Other,
}

impl Preface {
    /// Takes its bytes off `from`.
    pub(super) fn take(&mut self, from: &mut &[u8]) -> Greeting {
        let wanted = PREFACE.get(usize::from(self.0)..).unwrap_or_default();
        let (some, rest) = from.split_at_checked(wanted.len()).unwrap_or((*from, &[]));
        if !wanted.starts_with(some) {
            return Greeting::Other;
        }
        *from = rest;
        self.0 += u8::try_from(some.len()).unwrap_or_default();
        if some.len() == wanted.len() {
            Greeting::Whole
        } else {
            Greeting::More
        }
    }
}
