//! As much of rtnetlink (RFC 3549, `rtnetlink(7)`) as attaching needs: a dump, and an
//! acknowledged request.
//!
//! Written here because what is needed is two messages and an attribute walk, and the crates that
//! have them bring an asynchronous runtime binding and a type for each attribute of Linux.
//! A socket belongs to the network namespace of the thread that opened it.

use std::io;

use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket},
};
use std::os::fd::{AsRawFd as _, OwnedFd};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What a reader must be able to take: the kernel fills at most 32 KiB a datagram.
const DATAGRAM: usize = 64 * 1024;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
/// Flag bits above an attribute's type: nested, network byte order.
const NLA_TYPE_MASK: u16 = 0x3fff;

/// `struct nlmsghdr`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    len: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
}

/// `struct nlattr`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct AttributeHeader {
    len: u16,
    kind: u16,
}

/// Asks for all objects of a kind and hands each answer's body to `each`.
pub(in crate::live) fn dump(
    kind: u16,
    body: &impl Body,
    mut each: impl FnMut(&[u8]),
) -> io::Result<()> {
    let socket = ask(kind, NLM_F_DUMP, body.as_bytes())?;
    read_replies(&socket, |reply, body| match reply {
        NLMSG_DONE => Some(outcome(body)),
        NLMSG_ERROR => Some(outcome(body)),
        _ => {
            each(body);
            None
        }
    })
}

/// Asks for all sockets of a kind (`sock_diag(7)`), and hands each answer's body to `is_last`, until it says so.
pub(in crate::live) fn dump_sockets(
    body: &impl Body,
    mut is_last: impl FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    const BY_FAMILY: u16 = 20;
    let body = body.as_bytes();
    let socket = ask_of(SockProtocol::NetlinkSockDiag, BY_FAMILY, NLM_F_DUMP, body)?;
    read_replies(&socket, |reply, body| match reply {
        NLMSG_DONE | NLMSG_ERROR => Some(outcome(body)),
        _ => is_last(body).then_some(Ok(())),
    })
}

/// Asks for one thing: the body of its answer.
pub(in crate::live) fn get(kind: u16, body: &impl Body) -> io::Result<Vec<u8>> {
    let socket = ask(kind, 0, body.as_bytes())?;
    let mut answer = Vec::new();
    read_replies(&socket, |reply, body| {
        if reply == NLMSG_ERROR {
            return Some(outcome(body));
        }
        answer = body.to_vec();
        Some(Ok(()))
    })?;
    Ok(answer)
}

/// Asks for a change and waits until it is done.
pub(in crate::live) fn request(kind: u16, body: &impl Body) -> io::Result<()> {
    acknowledged(kind, NLM_F_ACK, body.as_bytes())
}

/// Asks for an object that does not exist yet, and waits until it does. The attributes are
/// [written](attribute) one after the other.
pub(in crate::live) fn create(kind: u16, body: &impl Body, attributes: &[u8]) -> io::Result<()> {
    let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    acknowledged(kind, flags, &[body.as_bytes(), attributes].concat())
}

fn acknowledged(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let socket = ask(kind, flags, body)?;
    read_replies(&socket, |reply, body| {
        (reply == NLMSG_ERROR).then(|| outcome(body))
    })
}

/// A message's fixed part, such as `struct tcmsg`.
pub(in crate::live) trait Body: IntoBytes + Immutable {}
impl<T: IntoBytes + Immutable> Body for T {}

fn ask(kind: u16, flags: u16, body: &[u8]) -> io::Result<OwnedFd> {
    ask_of(SockProtocol::NetlinkRoute, kind, flags, body)
}

fn ask_of(protocol: SockProtocol, kind: u16, flags: u16, body: &[u8]) -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        protocol,
    )?;
    let len = size_of::<Header>() + body.len();
    let header = Header {
        len: u32::try_from(len).map_err(io::Error::other)?,
        kind,
        flags: NLM_F_REQUEST | flags,
        sequence: 1,
        port: 0,
    };
    let message = [header.as_bytes(), body].concat();
    send(socket.as_raw_fd(), &message, MsgFlags::empty())?;
    Ok(socket)
}

fn read_replies(
    socket: &OwnedFd,
    mut each: impl FnMut(u16, &[u8]) -> Option<io::Result<()>>,
) -> io::Result<()> {
    let mut datagram = vec![0; DATAGRAM];
    loop {
        let len = match recv(socket.as_raw_fd(), &mut datagram, MsgFlags::empty()) {
            Err(Errno::EINTR) => continue,
            len => len?,
        };
        let mut rest = datagram.get(..len).unwrap_or_default();
        while let Ok((header, _)) = Header::read_from_prefix(rest) {
            let len = usize::try_from(header.len).map_err(io::Error::other)?;
            let body = rest
                .get(size_of::<Header>()..len)
                .ok_or(io::ErrorKind::InvalidData)?;
            if let Some(outcome) = each(header.kind, body) {
                return outcome;
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// The error code that `NLMSG_ERROR` and `NLMSG_DONE` begin with: 0, or a negated errno.
fn outcome(body: &[u8]) -> io::Result<()> {
    match i32::read_from_prefix(body) {
        Ok((code, _)) if code < 0 => Err(io::Error::from_raw_os_error(-code)),
        _ => Ok(()),
    }
}

/// An attribute, padded to where the next may begin.
pub(in crate::live) fn attribute(kind: u16, value: &[u8]) -> io::Result<Vec<u8>> {
    let len = size_of::<AttributeHeader>() + value.len();
    let header = AttributeHeader {
        len: u16::try_from(len).map_err(io::Error::other)?,
        kind,
    };
    let mut bytes = [header.as_bytes(), value].concat();
    bytes.resize(len.next_multiple_of(4), 0);
    Ok(bytes)
}

/// The attributes that a message or a nested attribute consists of; ends at the first broken one.
pub(in crate::live) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = AttributeHeader::read_from_prefix(rest).ok()?;
        let len = usize::from(header.len);
        let value = rest.get(size_of::<AttributeHeader>()..len)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((header.kind & NLA_TYPE_MASK, value))
    })
}

/// A string attribute's text, without the NUL that ends it.
pub(in crate::live) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&byte| byte == 0);
    let text = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_walked_and_a_broken_one_ends_the_walk() {
        let bytes = [
            5, 0, 3, 0, 7, 0, 0, 0, // one byte, padded to four
            8, 0, 2, 0x80, 1, 2, 3, 4, // flagged as nested
            200, 0, 1, 0, 9, // claims more than there is
        ];
        let walked: Vec<_> = attributes(&bytes).collect();
        assert_eq!(walked, [(3, &[7][..]), (2, &[1, 2, 3, 4][..])]);
        assert_eq!(attributes(&[0; 64]).count(), 0, "a length of 0 is broken");
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let inner = attribute(1, b"dummy\0").unwrap();
        let bytes = [
            attribute(3, b"eth0\0").unwrap(),
            attribute(18, &inner).unwrap(),
        ]
        .concat();
        let walked: Vec<_> = attributes(&bytes).collect();
        assert_eq!(walked, [(3, &b"eth0\0"[..]), (18, &inner)]);
        let nested: Vec<_> = attributes(walked[1].1).collect();
        assert_eq!(nested, [(1, &b"dummy\0"[..])]);
        assert!(attribute(1, &[0; 70_000]).is_err());
    }

    #[test]
    fn texts_end_at_their_nul() {
        assert_eq!(text(b"eth0\0\0"), "eth0");
        assert_eq!(text(b"eth0"), "eth0");
    }
}
