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
    /// The whole reply.
    Complete,
    /// Nothing that ends by a length: the load needs servers that send one.
    Unreadable,
}

impl ReplyReader {
    /// Takes the next bytes of the one reply that is awaited.
    pub(super) fn take(&mut self, bytes: &[u8]) -> State {
        match self {
            Self::Body(left) => *left = left.saturating_sub(bytes.len() as u64),
            Self::Head(head) => {
                head.extend_from_slice(bytes);
                let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
                    return if head.len() > LONGEST_HEAD {
                        State::Unreadable
                    } else {
                        State::Incomplete
                    };
                };
                let Some(length) = head.get(..end).and_then(content_length) else {
                    return State::Unreadable;
                };
                let arrived = (head.len() - end - 4) as u64;
                *self = Self::Body(length.saturating_sub(arrived));
            }
        }
        match self {
            Self::Body(0) => {
                *self = Self::default();
                State::Complete
            }
            _ => State::Incomplete,
        }
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
            assert_eq!(reader.take(&reply[..cut]), State::Incomplete, "{cut}");
            assert_eq!(reader.take(&reply[cut..]), State::Complete, "{cut}");
        }
    }

    #[test]
    fn a_reply_without_a_length_is_refused() {
        let mut reader = ReplyReader::default();
        assert_eq!(reader.take(b"HTTP/1.1 200 OK\r\n\r\n"), State::Unreadable);
    }
}
