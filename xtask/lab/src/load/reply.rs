//! Finding the end of a reply while it arrives, without keeping it.

/// Where in a reply we are.
#[derive(Debug)]
pub(super) enum ReplyReader {
    /// In the head; what there is of it.
    Head(Vec<u8>),
    /// In the body; so many bytes to come.
    Body(u64),
}

impl Default for ReplyReader {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

/// A head longer than this is no reply of a server under test, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not all of the reply.
    Incomplete,
    /// The whole reply has been read.
    Complete,
    /// Nothing that ends by a length: the load needs servers that send one.
    Unreadable,
}

impl ReplyReader {
    /// Takes the next bytes, up to the end of the reply that is awaited; returns those after it.
    pub(super) fn take<'b>(&mut self, bytes: &'b [u8]) -> (State, &'b [u8]) {
        let mut rest = bytes;
        if let Self::Head(head) = self {
            head.extend_from_slice(bytes);
            let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
                let state = if head.len() > LONGEST_HEAD {
                    State::Unreadable
                } else {
                    State::Incomplete
                };
                return (state, &[]);
            };
            let Some(length) = head.get(..end).and_then(content_length) else {
                return (State::Unreadable, &[]);
            };
            let behind = head.len() - end - 4;
            rest = bytes.get(bytes.len() - behind..).unwrap_or_default();
            *self = Self::Body(length);
        }
        let Self::Body(left) = self else {
            return (State::Incomplete, &[]);
        };
        let taken = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
        *left -= taken as u64;
        let rest = rest.get(taken..).unwrap_or_default();
        if *left > 0 {
            return (State::Incomplete, rest);
        }
        *self = Self::default();
        (State::Complete, rest)
    }
}

fn content_length(head: &[u8]) -> Option<u64> {
    let head = str::from_utf8(head).ok()?;
    let mut fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_the_reply_is_cut() {
        let reply = b"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 3\r\n\r\nabc";
        for cut in 1..reply.len() {
            let mut reader = ReplyReader::default();
            let (state, rest) = reader.take(&reply[..cut]);
            assert_eq!((state, rest), (State::Incomplete, &b""[..]), "{cut}");
            let next = [&reply[cut..], b"HTTP"].concat();
            let (state, rest) = reader.take(&next);
            assert_eq!((state, rest), (State::Complete, &b"HTTP"[..]), "{cut}");
        }
    }

    #[test]
    fn a_reply_without_a_length_is_refused() {
        let mut reader = ReplyReader::default();
        let (state, _) = reader.take(b"HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(state, State::Unreadable);
    }
}
