//! What a reply's head means for its connection.

use mirror_core::{
    http::{
        Version,
        reply::{ReplyBody, ReplyHead, StatedLength, parse_whole},
    },
    pipeline::Expect,
};

use super::{BadReply, Chunked, Framing, Reply};

/// What a head says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// Another head follows (RFC 9110 section 15.2).
    Interim,
    /// This head is the reply's own.
    Final(Reply, Framing),
}

/// Parses the head that `bytes` start with, of at most so many `fields`; `None` if it is incomplete.
pub(super) fn parse(
    bytes: &[u8],
    fields: usize,
    expect: Expect,
) -> Result<Option<(Parsed, usize)>, BadReply> {
    let head = parse_whole(bytes, fields).map_err(|_| BadReply)?;
    let Some((head, used)) = head.and_then(|head| Some((head, head.len?))) else {
        return Ok(None);
    };
    if head.is_interim() {
        return Ok(Some((Parsed::Interim, used)));
    }
    let (reply, framing) = judge(&head, expect)?;
    Ok(Some((Parsed::Final(reply, framing), used)))
}

/// The framing of the reply to a request that lets one `expect` this, and whether the connection persists.
fn judge(head: &ReplyHead, expect: Expect) -> Result<(Reply, Framing), BadReply> {
    if head.length == StatedLength::Doubtful {
        return Err(BadReply);
    }
    let persistent = head.closes == Some(false);
    let (reusable, framing) = match head.body {
        // An upgrade or a CONNECT leaves HTTP with its reply, whatever that says.
        _ if expect == Expect::Tunnel || head.status == 101 => (false, Framing::Length(0)),
        _ if expect == Expect::NoBody => (persistent, Framing::Length(0)),
        ReplyBody::None => (persistent, Framing::Length(0)),
        ReplyBody::Length(length) => (persistent, Framing::Length(length)),
        ReplyBody::Chunked => {
            // Where a length or HTTP/1.0 casts doubt, the connection is not used again.
            let doubted = head.length != StatedLength::Unsaid || head.version == Version::Http10;
            let framing = Framing::Chunked(Chunked::default());
            (persistent && !doubted, framing)
        }
        ReplyBody::UntilClose => (false, Framing::UntilClose),
        ReplyBody::Unknown => return Err(BadReply),
    };
    let reply = Reply {
        status: head.status,
        reusable,
        closes: head.close,
        retry_after: head.retry_after,
    };
    Ok((reply, framing))
}
