//! What v1's kernel says where it gives SYN cookies, or none.

use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use mirror_common::{
    counter::Counter::{Copied, Listen},
    record::{SegmentHeader, SocketState},
};
use nix::{
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    sys::socket::{setsockopt, sockopt::Linger},
    unistd::Pid,
};

use crate::{
    asked::{LISTENERS, asking, exchange, loopback, next, run, stray},
    bed::{BOTH, Bed, PORT},
    frame::{Frame, IPV4, IPV6, Network},
};

const SYN_COOKIES: &str = "/proc/sys/net/ipv4/tcp_syncookies";
/// How long this thread may be kept from going on, so that what comes at once does not.
const PATIENCE: Duration = Duration::from_secs(60);

/// Test runs from here on are on one CPU, as the segments of a list are.
fn stay_on_this_cpu() {
    let mut cpus = CpuSet::new();
    cpus.set(sched_getcpu().unwrap()).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cpus).unwrap();
}

/// The first words of a connection that began with a cookie and is no more, so that they meet the listener.
fn first_words(bed: &mut Bed, listener: &TcpListener, to: &str) -> SegmentHeader {
    let (client, _server, done) = exchange(bed, listener, to);
    let at_once = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&client, Linger, &at_once).unwrap();
    let said = done
        .records
        .iter()
        .find(|record| !record.payload.is_empty());
    said.unwrap().header
}

fn after(header: &SegmentHeader, network: &Network, bytes: u32) -> Frame {
    let next = next(header, network);
    Frame {
        sequence: header.sequence.wrapping_add(bytes),
        acknowledgment: header.acknowledgment,
        ..next
    }
}

#[test]
fn what_a_client_says_at_once_with_its_cookie_passes_in_whole() {
    stay_on_this_cpu();
    for kind in BOTH {
        for (to, network) in [("127.0.0.1", IPV4), ("::1", IPV6)] {
            loopback();
            fs::write(SYN_COOKIES, "2").unwrap();
            let mut bed = asking(kind);
            let listener = TcpListener::bind((to, PORT)).unwrap();
            let header = first_words(&mut bed, &listener, to);
            let first = after(&header, &network, 0);
            let second = after(&header, &network, header.segment_len);
            // The exchange's own first words may have come with the cookie, and are forgotten soon.
            let deadline = Instant::now() + PATIENCE;
            while run(&mut bed, &second).count(Listen) != 1 {
                assert!(Instant::now() < deadline, "before the first");
            }
            let forged = [
                Frame {
                    acknowledgment: second.acknowledgment.wrapping_add(1),
                    ..second.clone()
                },
                Frame {
                    source_port: second.source_port ^ 1,
                    ..second.clone()
                },
                after(&header, &network, 65_536),
                Frame {
                    sequence: header.sequence.wrapping_sub(1),
                    ..second.clone()
                },
            ];
            let deadline = Instant::now() + PATIENCE;
            loop {
                let done = run(&mut bed, &first);
                assert_eq!(done.records[0].header.socket, SocketState::Listen as u32);
                for frame in &forged {
                    assert_eq!(run(&mut bed, frame).count(Listen), 1, "{frame:?}");
                }
                // Unless this thread has had to wait meanwhile.
                let done = run(&mut bed, &second);
                if done.count(Copied) == 1 {
                    assert_eq!(done.records[0].header.socket, SocketState::Listen as u32);
                    break;
                }
                assert!(Instant::now() < deadline, "{done:?}");
            }
        }
    }
}

#[test]
fn where_no_cookies_are_given_data_for_a_listener_is_refused_all_the_same() {
    for kind in BOTH {
        for (listen, to, network) in LISTENERS {
            loopback();
            fs::write(SYN_COOKIES, "0").unwrap();
            let mut bed = asking(kind);
            let listener = TcpListener::bind((listen, PORT)).unwrap();
            let (_client, _server, done) = exchange(&mut bed, &listener, to);
            assert_eq!(done.count(Listen), 0, "{done:?}");
            let done = run(&mut bed, &stray(&network));
            assert_eq!(done.count(Listen), 1, "{listen} {to}: {done:?}");
        }
    }
}
