//! One frame, cheapest test first: parse, port, content, sample, copy. Each way out has its
//! counter, and each TCP segment takes exactly one of them.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::TcContext};
use mirror_common::{
    counter::{Counter, slot, unparsable},
    packet::{Addresses, Link, Network, TcpSegment, Unparsable, Walk, walk},
    record::{SegmentHeader, SocketState, TO_CLIENT, flag},
    sample::{client_hash, connection_hash, is_sampled, shard_hash},
    settings::{MAX_REPLY_HEAD, SampleKey, Settings},
};

use crate::{
    ask::{self, Answer},
    inside::Forgetful,
    maps::{CpuCounters, SETTINGS, zero},
    seats,
    skb::{self, Linear, Paged},
};

/// A frame at a hook, of which the headers can be followed and the payload copied.
pub trait Frame {
    /// The seat of the attachment that it came to.
    fn seat(&self) -> u32;

    /// Follows its headers.
    fn walk(&self, settings: &Settings) -> Walk;

    /// The addresses of the segment that was found in it.
    fn addresses(&self, segment: &TcpSegment) -> Option<Addresses>;

    /// What v1's kernel has for the segment now (in nanoseconds), if it can be asked at this hook.
    #[inline(always)]
    fn ask(&self, _seat: u32, _segment: &TcpSegment, _now: u64) -> Answer {
        ask::NOT_ASKED
    }

    /// Whether the segment has the option of Multipath TCP.
    fn is_multipath(&self, segment: &TcpSegment) -> bool;

    /// Copies `len` bytes at `offset` to `to`, where the verifier knows the bounds of `len` and that it is
    /// not 0; false if the frame does not have them.
    ///
    /// # Safety
    ///
    /// `to` must be valid for writes of `len` bytes.
    unsafe fn copy(&self, offset: usize, to: *mut u8, len: usize) -> bool;
}

impl Frame for TcContext {
    #[inline(always)]
    fn seat(&self) -> u32 {
        seats::current()
    }

    /// Headers almost always lie in the linear part; if they end before it does, they are read again
    /// by helper.
    #[inline(always)]
    fn walk(&self, settings: &Settings) -> Walk {
        let link = link(settings);
        let packet = Linear::new(self);
        match walk(&Forgetful { packet, settings }, link) {
            Walk::Unparsable(Unparsable::Truncated) => {
                let packet = Paged(self);
                walk(&Forgetful { packet, settings }, link)
            }
            found => found,
        }
    }

    #[inline(always)]
    fn addresses(&self, segment: &TcpSegment) -> Option<Addresses> {
        match segment.addresses(&Linear::new(self)) {
            None => segment.addresses(&Paged(self)),
            found => found,
        }
    }

    #[inline(always)]
    fn ask(&self, seat: u32, segment: &TcpSegment, now: u64) -> Answer {
        ask::ask(self, seat, segment, now)
    }

    #[inline(always)]
    fn is_multipath(&self, segment: &TcpSegment) -> bool {
        !segment.has_usual_options(&Linear::new(self)) && skb::has_multipath_option(self, segment)
    }

    #[inline(always)]
    unsafe fn copy(&self, offset: usize, to: *mut u8, len: usize) -> bool {
        // SAFETY: the caller's promise is the same.
        unsafe { skb::copy_exactly(self, offset, to, len) }
    }
}

/// What frames begin with at the place.
#[inline(always)]
pub fn link(settings: &Settings) -> Link {
    if settings.ethernet == 0 {
        Link::Ip
    } else {
        Link::Ethernet
    }
}

/// How copying a segment ended.
pub enum Capture {
    /// All of it is in the ring.
    Whole,
    /// The ring had no room for some of it.
    RingFull,
    /// The socket buffer does not have the bytes that its headers claim.
    Truncated,
}

/// What is worth a line in the log the first time that a CPU sees it.
pub enum Notice {
    /// A ring had no room.
    RingFull,
    /// Headers could not be followed.
    Unparsable(Unparsable),
}

/// Where segments are copied to.
pub trait Ring<F> {
    /// Copies the payload, `header` before each record of it, into the ring of this number.
    fn capture(&self, frame: &F, segment: &TcpSegment, header: SegmentHeader, ring: u32)
    -> Capture;

    /// Logs a notice. Silent where the log itself needs a ring that the kernel lacks.
    #[inline(always)]
    fn notice(&self, _frame: &F, _notice: Notice) {}
}

/// A segment as its connection knows it, whichever end has sent it.
struct Ends {
    client: [u8; 16],
    server: [u8; 16],
    client_port: u16,
    server_port: u16,
}

/// Looks at one frame to the server. What is returned to the kernel does not depend on what happens here.
#[inline(always)]
pub fn mirror_frame<F: Frame>(frame: &F, ring: &impl Ring<F>) {
    let seat = frame.seat();
    let Some(mut counters) = CpuCounters::current(seat, slot::REQUESTS) else {
        return;
    };
    let Some(settings) = SETTINGS.get(seat) else {
        return;
    };
    let segment = match frame.walk(settings) {
        Walk::Tcp(segment) => segment,
        Walk::NotTcp => {
            counters.count(Counter::NotTcp);
            return;
        }
        Walk::Unparsable(reason) => {
            counters.count(Counter::Seen);
            if counters.count_at(unparsable(reason)) && settings.log != 0 {
                ring.notice(frame, Notice::Unparsable(reason));
            }
            return;
        }
    };
    counters.count(Counter::Seen);
    if !is_mirrored(settings, segment.destination_port) {
        counters.count(Counter::OtherPort);
        return;
    }
    if segment.payload_len == 0 && segment.flags & (flag::SYN | flag::FIN | flag::RST) == 0 {
        counters.count(Counter::NoPayload);
        return;
    }
    if settings.threshold == 0 {
        counters.count(Counter::SampledOut);
        return;
    }
    let Some(addresses) = frame.addresses(&segment) else {
        counters.count_at(unparsable(Unparsable::Truncated));
        return;
    };
    let ends = Ends {
        client: addresses.source(),
        server: addresses.destination(),
        client_port: segment.source_port,
        server_port: segment.destination_port,
    };
    if !is_in_sample(settings, &ends) {
        counters.count(Counter::SampledOut);
        return;
    }
    if segment.network == Network::V6 && addresses.pass_for_ipv4() {
        counters.count(Counter::ForgedAddress);
        return;
    }
    let segment = TcpSegment {
        network_offset: forget(settings, segment.network_offset as u32) as usize,
        options_len: forget(settings, segment.options_len as u32) as usize,
        payload_offset: forget(settings, segment.payload_offset as u32) as usize,
        payload_len: forget(settings, segment.payload_len as u32) as usize,
        ..segment
    };
    // A SYN only offers it, and few servers take that up.
    if segment.payload_len != 0 && segment.flags & flag::SYN == 0 && frame.is_multipath(&segment) {
        counters.count(Counter::Multipath);
        return;
    }
    let number = ring_of(settings, &ends);
    let mut header = header(settings, &segment, &addresses);
    let answer = if settings.ask_kernel == 0 {
        ask::NOT_ASKED
    } else {
        frame.ask(seat, &segment, header.timestamp)
    };
    let refused = answer.refused();
    if refused != 0 {
        counters.count_at(refused as usize);
        return;
    }
    if answer.socket() == SocketState::NotAsked as u32 {
        counters.count(Counter::Unasked);
    }
    header.socket = forget(settings, answer.socket());
    header.expected = forget(settings, answer.expected());
    let captured = ring.capture(frame, &segment, header, number);
    count(frame, ring, settings, &mut counters, captured);
}

/// Looks at one frame to a client, and copies the first [`Settings::reply_head`] bytes of what a mirrored
/// connection's server says, and all that it acknowledges.
#[inline(always)]
pub fn mirror_reply<F: Frame>(frame: &F, ring: &impl Ring<F>) {
    let seat = frame.seat();
    let Some(mut counters) = CpuCounters::current(seat, slot::REPLIES) else {
        return;
    };
    let Some(settings) = SETTINGS.get(seat) else {
        return;
    };
    if settings.reply_head == 0 {
        return;
    }
    let segment = match frame.walk(settings) {
        Walk::Tcp(segment) => segment,
        Walk::NotTcp => {
            counters.count(Counter::NotTcp);
            return;
        }
        Walk::Unparsable(reason) => {
            counters.count(Counter::Seen);
            counters.count_at(unparsable(reason));
            return;
        }
    };
    counters.count(Counter::Seen);
    if !is_mirrored(settings, segment.source_port) {
        counters.count(Counter::OtherPort);
        return;
    }
    if settings.threshold == 0 {
        counters.count(Counter::SampledOut);
        return;
    }
    let Some(addresses) = frame.addresses(&segment) else {
        counters.count_at(unparsable(Unparsable::Truncated));
        return;
    };
    let ends = Ends {
        client: addresses.destination(),
        server: addresses.source(),
        client_port: segment.destination_port,
        server_port: segment.source_port,
    };
    if !is_in_sample(settings, &ends) {
        counters.count(Counter::SampledOut);
        return;
    }
    let number = ring_of(settings, &ends);
    let mut header = header(settings, &segment, &addresses);
    header.direction = TO_CLIENT;
    let most = settings.reply_head.min(MAX_REPLY_HEAD) as usize;
    let payload_offset = forget(settings, segment.payload_offset as u32) as usize;
    let payload_len = forget(settings, segment.payload_len.min(most) as u32) as usize;
    let head = TcpSegment {
        payload_offset,
        payload_len,
        ..segment
    };
    let captured = ring.capture(frame, &head, header, number);
    count(frame, ring, settings, &mut counters, captured);
}

#[inline(always)]
fn count<F: Frame>(
    frame: &F,
    ring: &impl Ring<F>,
    settings: &Settings,
    counters: &mut CpuCounters,
    captured: Capture,
) {
    match captured {
        Capture::Whole => {
            counters.count(Counter::Copied);
        }
        Capture::RingFull => {
            if counters.count(Counter::RingFull) && settings.log != 0 {
                ring.notice(frame, Notice::RingFull);
            }
        }
        Capture::Truncated => {
            counters.count_at(unparsable(Unparsable::Truncated));
        }
    }
}

/// `value`, of which the verifier forgets what it knows: it would follow all that comes after once for each
/// way in which the value came about.
#[inline(always)]
fn forget(settings: &Settings, value: u32) -> u32 {
    value ^ zero(settings)
}

#[inline(always)]
fn is_mirrored(settings: &Settings, port: u16) -> bool {
    port != 0 && settings.ports.contains(&port)
}

#[inline(always)]
fn is_in_sample(settings: &Settings, ends: &Ends) -> bool {
    let hash = if settings.sample_key == SampleKey::ClientAddress as u32 {
        client_hash(settings.secret, &ends.client)
    } else {
        connection_hash(
            settings.secret,
            &ends.client,
            &ends.server,
            ends.client_port,
            ends.server_port,
        )
    };
    is_sampled(hash, settings.threshold)
}

#[inline(always)]
fn ring_of(settings: &Settings, ends: &Ends) -> u32 {
    let shards = settings.shards;
    if shards <= 1 {
        return settings.rings;
    }
    let hash = shard_hash(
        &ends.client,
        &ends.server,
        ends.client_port,
        ends.server_port,
    );
    settings.rings + hash % shards
}

/// The header of a segment's first record.
#[inline(always)]
fn header(settings: &Settings, segment: &TcpSegment, addresses: &Addresses) -> SegmentHeader {
    SegmentHeader {
        // SAFETY: the helper reads a clock.
        timestamp: unsafe { bpf_ktime_get_ns() },
        source: addresses.source(),
        destination: addresses.destination(),
        source_port: segment.source_port,
        destination_port: segment.destination_port,
        sequence: segment.sequence,
        acknowledgment: segment.acknowledgment,
        segment_len: segment.payload_len as u32,
        offset: 0,
        captured: 0,
        attachment: settings.attachment,
        urgent: segment.urgent,
        flags: segment.flags,
        direction: 0,
        expected: 0,
        socket: SocketState::NotAsked as u32,
    }
}
