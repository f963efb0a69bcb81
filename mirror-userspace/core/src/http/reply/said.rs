//! What the fields of a reply's head say of its end and its connection.

use super::ReplyBody;
use crate::http::grammar;

/// What the fields seen so far say.
#[derive(Default)]
pub(super) struct Said {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
    pub(super) length: StatedLength,
    pub(super) retry_after: Option<u32>,
    coded: bool,
    chunked: bool,
}

/// What the `Content-Length` fields of a head say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatedLength {
    /// Nothing.
    #[default]
    Unsaid,
    /// One number, however often.
    Of(u64),
    /// Different numbers, or something else than numbers up to `i64::MAX` (see RFC 9112 section 6.3, item 5).
    Doubtful,
}

impl Said {
    /// Adds a field.
    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in members(value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            11 if name.eq_ignore_ascii_case(b"retry-after") => {
                self.retry_after = seconds(value);
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                for member in members(value) {
                    self.length = match (self.length, grammar::length(member)) {
                        (StatedLength::Unsaid, Some(len)) => StatedLength::Of(len),
                        (StatedLength::Of(before), Some(len)) if before == len => {
                            StatedLength::Of(len)
                        }
                        _ => StatedLength::Doubtful,
                    };
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                for coding in members(value) {
                    self.coded = true;
                    self.chunked = coding.eq_ignore_ascii_case(b"chunked");
                }
            }
            _ => {}
        }
    }

    /// Adds a line that continues the value `before` of a field (RFC 9112 section 5.2).
    ///
    /// A fold between two members of a list changes nothing; one within a member leaves neither a number nor the
    /// coding that it may look like.
    pub(super) fn fold(&mut self, name: &[u8], before: &[u8], line: &[u8]) {
        self.push(name, line);
        let ends = [before.trim_ascii().last(), line.trim_ascii().first()];
        if ends.iter().any(|byte| matches!(byte, None | Some(b','))) {
            return;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            self.length = StatedLength::Doubtful;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") && members(line).count() == 1 {
            self.chunked = false;
        }
    }

    /// RFC 9112 section 6.3, for a reply to anything but HEAD and CONNECT.
    pub(super) const fn body(&self, status: u16, complete: bool) -> ReplyBody {
        match self.length {
            // Item 1.
            _ if status < 200 || matches!(status, 204 | 304) => ReplyBody::None,
            // A later line could add a coding, which counts more than any length.
            _ if !complete => ReplyBody::Unknown,
            // Items 3 and 4.
            _ if self.chunked => ReplyBody::Chunked,
            _ if self.coded => ReplyBody::UntilClose,
            // Items 5, 6 and 8.
            StatedLength::Doubtful => ReplyBody::Unknown,
            StatedLength::Of(len) => ReplyBody::Length(len),
            StatedLength::Unsaid => ReplyBody::UntilClose,
        }
    }
}

/// The seconds that a value of `Retry-After` states (RFC 9110 section 10.2.3); `None` if it states a date, or more
/// seconds than `u32::MAX`.
#[must_use]
pub fn seconds(value: &[u8]) -> Option<u32> {
    grammar::length(value.trim_ascii())?.try_into().ok()
}

/// Empty ones count for nothing in a reply.
fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    grammar::list(value).filter(|member| !member.is_empty())
}
