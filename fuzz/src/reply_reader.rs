//! A target's bytes to a reply: the same however they are cut, in bounded memory, always to an end.

use mirror_core::{
    http::reply::{self, ReplyBody},
    pipeline::Expect,
};
use mirror_dispatch::reply::{Limits, Reply, ReplyReader, Step};

use crate::{
    input::Input,
    second_parser::{self, Message},
};

/// How a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The reply ended before this offset.
    Complete(Reply, usize),
    /// The reply lasted until the connection was closed.
    AtClose(Reply),
    /// It outgrew its limit.
    Cut(Reply),
    /// There was none: the stream is at fault, or too short. Which of the two may depend on the
    /// cut, as a fault in a head may be noticed only once that is whole.
    None,
}

/// What the reader is told, and how its bytes are cut.
struct Setting {
    expect: Expect,
    limits: Limits,
    cut: [u8; 2],
    /// The stream comes over and over, until it is longer than any head may be.
    flood: bool,
}

/// Five bytes are the [`Setting`]; the rest is the stream.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(setting) = setting(&mut input) else {
        return;
    };
    let mut stream = input.0.to_vec();
    while setting.flood && !stream.is_empty() && stream.len() <= setting.limits.head {
        stream.extend_from_slice(input.0);
    }
    cuts(&stream);
    let [first, second] = setting.cut.map(usize::from);
    let whole = read(&setting, &stream, |_| stream.len());
    let even = read(&setting, &stream, |_| first);
    assert_eq!(whole, even, "cut every {first} bytes");
    let odd = read(&setting, &stream, |n| 1 + (second * (n + 1)) % 17);
    assert_eq!(whole, odd, "cut unevenly");
    let two = read(&setting, &stream, |_| first << 8 | second);
    assert_eq!(whole, two, "cut every {first}, {second} bytes");
    if let (Expect::Body, End::Complete(reply, end)) = (setting.expect, whole) {
        compare(&stream, reply, end);
    }
}

/// The head of a reply of v1 may be cut anywhere: what is said of a part holds for the whole.
fn cuts(stream: &[u8]) {
    let Ok(Some(whole)) = reply::parse(stream) else {
        return;
    };
    for cut in 0..stream.len().min(300) {
        if let Ok(Some(part)) = reply::parse(&stream[..cut]) {
            assert_eq!((part.status, part.version), (whole.status, whole.version));
            assert!(part.len.is_none() || part == whole, "{part:?}, {whole:?}");
            assert!(part.closes.is_none() || part.closes == whole.closes);
            assert!(part.body == ReplyBody::Unknown || part.body == whole.body);
        }
    }
}

fn setting(input: &mut Input<'_>) -> Option<Setting> {
    let choice = input.byte()?;
    let expect = match choice % 4 {
        0 | 1 => Expect::Body,
        2 => Expect::NoBody,
        _ => Expect::Tunnel,
    };
    let limits = Limits {
        head: 1 + 8 * usize::from(input.byte()?),
        fields: 128,
        body: 16 * u64::from(input.byte()?),
    };
    Some(Setting {
        expect,
        limits,
        cut: [input.byte()?, input.byte()?],
        flood: choice & 0x80 != 0,
    })
}

fn read(setting: &Setting, stream: &[u8], mut piece: impl FnMut(usize) -> usize) -> End {
    let mut reader = ReplyReader::new(setting.expect, setting.limits);
    let (mut from, mut pieces) = (0, 0);
    while from < stream.len() {
        let rest = &stream[from..];
        let bytes = &rest[..piece(pieces).clamp(1, rest.len())];
        let step = reader.handle_data(bytes);
        assert!(
            reader.held() <= setting.limits.head,
            "{} bytes held",
            reader.held()
        );
        match step {
            Ok(Step::More) => (from, pieces) = (from + bytes.len(), pieces + 1),
            Ok(Step::Complete(reply, used)) => {
                assert!(used <= bytes.len(), "{used} of {}", bytes.len());
                return End::Complete(reply, from + used);
            }
            Ok(Step::Cut(reply)) => {
                assert!(!reply.reusable);
                return End::Cut(reply);
            }
            Err(_) => return End::None,
        }
        // Without a body all there is are heads: interim replies and empty lines end there, too.
        if setting.expect != Expect::Body {
            assert!(from <= setting.limits.head, "{from} bytes and no end");
        }
    }
    match reader.handle_close() {
        Some(reply) => {
            assert!(!reply.reusable, "closed and to be used again");
            End::AtClose(reply)
        }
        None => End::None,
    }
}

/// A strict parser that reads a whole reply, too, finds the same one with the same end.
fn compare(stream: &[u8], reply: Reply, end: usize) {
    // RFC 9112 section 6.3 gives a 205 the framing that its fields say; the second parser gives it
    // none. It takes all below 200 for interim replies, upgrades and codes that do not exist, too.
    if reply.status < 200 || reply.status == 205 {
        return;
    }
    let mut from = 0;
    for other in second_parser::read(stream, Message::Reply).complete {
        // It tells no status, but takes nothing else for a status line than `HTTP/1.1 200 …`.
        let line = stream[from..].trim_ascii_start();
        let status = line.get(9..12).and_then(|code| str::from_utf8(code).ok());
        if status.is_some_and(|status| status >= "200") {
            assert_eq!(status, Some(reply.status.to_string().as_str()));
            assert_eq!(other.end, end, "the end of {reply:?}");
            return;
        }
        from = other.end;
    }
}
