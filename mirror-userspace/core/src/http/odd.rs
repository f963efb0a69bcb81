//! Heads that are not mirrored because something in them is odd: where do their requests end?
//!
//! Most oddities leave no doubt. A control byte in a cookie, a space in a name, one line too many: whoever
//! takes such a head finds the same body behind it, and the connection goes on if v1 took it. In doubt is a
//! head whose lines readers may tell apart differently, or in which something could pass for a framing
//! field to some of them.

use super::{
    Lost, Version,
    framing::{self, Readings, Refusal},
    grammar,
};

/// Judges an odd head: everything up to the first empty line, whatever ends its lines.
pub(super) fn judge(raw: &[u8], why: Lost) -> Refusal {
    if let Some((method, version)) = request_line(raw)
        && fields(raw).all(|line| line.is_clear())
    {
        let pairs = fields(raw).map(|line| (line.name, line.value.trim_ascii()));
        return match framing::decide(method, version, pairs) {
            Ok(decision) => Refusal::certain(why, decision),
            Err(refusal) => Refusal { why, ..refusal },
        };
    }
    Refusal::doubtful(why, readings(raw))
}

/// The method and the version, if all readers find the same request line.
fn request_line(raw: &[u8]) -> Option<(&[u8], Version)> {
    let line = raw.split(|byte| *byte == b'\n').next()?;
    let line = line
        .strip_suffix(b"\r")
        .filter(|line| !line.contains(&b'\r'))?;
    let (before, version) = line.trim_ascii_end().split_last_chunk::<9>()?;
    let method = before.split(|byte| *byte == b' ').next()?;
    match version {
        b" HTTP/1.0" => Some((method, Version::Http10)),
        // RFC 9110 section 2.5: as the highest minor version known.
        [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => {
            Some((method, Version::Http11))
        }
        _ => None,
    }
}

/// The lines between the request line and the empty line.
fn fields(raw: &[u8]) -> impl Iterator<Item = Line<'_>> + Clone {
    raw.split_inclusive(|byte| *byte == b'\n')
        .skip(1)
        .map(Line::of)
        .filter(|line| !line.text.is_empty())
}

/// A field line of an odd head.
#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a [u8],
    /// Up to the colon; all of it if there is none.
    name: &'a [u8],
    value: &'a [u8],
    crlf: bool,
}

impl<'a> Line<'a> {
    fn of(line: &'a [u8]) -> Self {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let text = bare.strip_suffix(b"\r").unwrap_or(bare);
        let (name, value) = split_at_colon(text);
        Self {
            text,
            name,
            value,
            crlf: text.len() < bare.len(),
        }
    }

    /// Whether all readers find this line, and agree whether it frames the body.
    fn is_clear(&self) -> bool {
        let exactly = |known: &[u8]| self.name.eq_ignore_ascii_case(known);
        self.crlf
            && !self.text.contains(&b'\r')
            && !self.text.starts_with(b" ")
            && !self.text.starts_with(b"\t")
            && match Resembles::of(self.name) {
                None => true,
                Some(Resembles::Length) => exactly(b"content-length") && self.is_plain(),
                Some(Resembles::Coding) => exactly(b"transfer-encoding") && self.is_plain(),
            }
    }

    fn is_plain(&self) -> bool {
        self.value.iter().all(|byte| grammar::is_value_byte(*byte))
    }
}

fn split_at_colon(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b':') {
        Some(colon) => (
            line.get(..colon).unwrap_or_default(),
            line.get(colon + 1..).unwrap_or_default(),
        ),
        None => (line, &[]),
    }
}

/// The framing field that some reader could find in a name.
#[derive(Clone, Copy)]
enum Resembles {
    Length,
    Coding,
}

impl Resembles {
    /// By its first letters, whatever stands between them.
    fn of(name: &[u8]) -> Option<Self> {
        let begins = |letters: &[u8]| {
            let found = name.iter().filter(|byte| byte.is_ascii_alphabetic());
            let found = found.map(u8::to_ascii_lowercase).take(letters.len());
            found.eq(letters.iter().copied())
        };
        if begins(b"contentlength") {
            Some(Self::Length)
        } else if begins(b"transferencoding") {
            Some(Self::Coding)
        } else {
            None
        }
    }
}

/// All that some reader could take from the lines, which a bare CR may end, too.
fn readings(raw: &[u8]) -> Readings {
    let mut readings = Readings::default();
    let mut before = None;
    for line in raw.split(|byte| matches!(byte, b'\r' | b'\n')) {
        let (name, value) = split_at_colon(line);
        // RFC 9112 section 5.2: a folded line goes on with the field before it.
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        let said = if value.is_empty() {
            line
        } else {
            value.trim_ascii()
        };
        for (found, number) in [
            (Resembles::of(name), said),
            (before.filter(|_| folded), line),
        ] {
            match found {
                Some(Resembles::Length) => readings.push_length(number),
                Some(Resembles::Coding) => readings.chunked = true,
                None => {}
            }
        }
        if !line.is_empty() && !folded {
            before = Resembles::of(name);
        }
    }
    readings
}

#[cfg(test)]
mod tests;
