//! What v1's kernel is asked, of real sockets on a loopback of the test's own.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use aya::programs::{
    TcAttachType,
    tc::{self, SchedClassifierLinkId},
};
use mirror_common::{
    counter::Counter::{
        self, Ack, Copied, Listen, NoSocket, NotForUs, SampledOut, SynOnEstablished, Unasked,
        Window,
    },
    record::{
        SegmentHeader, SocketState,
        flag::{ACK, PSH, SYN},
    },
};
use nix::sched::{CloneFlags, unshare};

use crate::{
    bed::{BOTH, Bed, Done, PORT, program},
    cost::measure,
    frame::{Frame, IPV4, IPV6, Network},
};

const FAR: u32 = 64 << 20;

pub(crate) fn loopback() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let ip = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()
        .unwrap();
    assert!(ip.success());
    tc::qdisc_add_clsact("lo").unwrap();
}

pub(crate) fn asking(kind: mirror_capture::object::RingKind) -> Bed {
    let mut bed = Bed::new(kind);
    bed.set(|settings| settings.ask_kernel = 1);
    bed
}

/// What was refused, for whatever reason.
fn refused(done: &Done) -> u64 {
    Counter::REFUSED.map(|why| done.count(why)).iter().sum()
}

/// Puts the program at the loopback. A process that another test starts at the same time has the link that
/// was closed before for a moment more.
fn attach(bed: &mut Bed) -> SchedClassifierLinkId {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match program(&mut bed.ebpf).attach("lo", TcAttachType::Ingress) {
            Ok(link) => return link,
            Err(error) if Instant::now() > deadline => panic!("{error}"),
            Err(_) => thread::yield_now(),
        }
    }
}

/// A request over a connection that stays open, and the request's record.
pub(crate) fn exchange(
    bed: &mut Bed,
    listener: &TcpListener,
    to: &str,
) -> (TcpStream, TcpStream, Done) {
    let link = attach(bed);
    let before = bed.counters();
    let mut client = TcpStream::connect((to, PORT)).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    for _ in 0..3 {
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        server.read_exact(&mut [0; 18]).unwrap();
        server
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .unwrap();
        client.read_exact(&mut [0; 27]).unwrap();
    }
    program(&mut bed.ebpf).detach(link).unwrap();
    let done = bed.done_since(&before);
    (client, server, done)
}

/// A frame as the client of this record would send it next.
pub(crate) fn next(header: &SegmentHeader, network: &Network) -> Frame {
    let network = match network.clone() {
        Network::V4 {
            header_len,
            options,
            fragment,
            ..
        } => Network::V4 {
            source: [127, 0, 0, 1],
            destination: [127, 0, 0, 1],
            header_len,
            options,
            fragment,
        },
        Network::V6 { extensions, .. } => Network::V6 {
            source: std::net::Ipv6Addr::LOCALHOST.octets(),
            destination: std::net::Ipv6Addr::LOCALHOST.octets(),
            extensions,
        },
    };
    Frame {
        network,
        source_port: header.source_port,
        destination_port: PORT,
        sequence: header.sequence.wrapping_add(header.segment_len),
        acknowledgment: header.acknowledgment.wrapping_add(27),
        flags: ACK | PSH,
        payload: b"GET /x HTTP/1.1\r\n\r\n".to_vec(),
        ..Frame::default()
    }
}

/// Where a listener may listen, where its clients connect to, and over which version of IP.
pub(crate) const LISTENERS: [(&str, &str, Network); 3] = [
    ("127.0.0.1", "127.0.0.1", IPV4),
    ("::", "127.0.0.1", IPV4),
    ("::1", "::1", IPV6),
];

/// Runs the program on a frame for this station.
pub(crate) fn run(bed: &mut Bed, frame: &Frame) -> Done {
    let mut bytes = frame.bytes();
    bytes[..6].fill(0);
    bed.run_times(&bytes, 1)
}

#[test]
fn what_a_connection_takes_passes_and_all_else_is_refused_by_reason() {
    for kind in BOTH {
        for (listen, to, network) in LISTENERS {
            loopback();
            let mut bed = asking(kind);
            let listener = TcpListener::bind((listen, PORT)).unwrap();
            let stray = stray(&network);
            let done = run(&mut bed, &stray);
            let what = "before a connection has been seen a listener proves nothing";
            assert_eq!((done.count(Copied), done.count(Unasked)), (1, 1), "{what}");

            let (client, server, done) = exchange(&mut bed, &listener, to);
            assert_eq!(refused(&done), 0, "{done:?}");
            let data = done
                .records
                .iter()
                .filter(|record| !record.payload.is_empty());
            let data: Vec<_> = data.map(|record| record.header).collect();
            assert_eq!(data.len(), 3);
            for header in &data {
                assert_eq!(header.socket, SocketState::Established as u32);
                assert_eq!(header.expected, header.sequence);
            }

            let good = next(&data[2], &network);
            let done = run(&mut bed, &good);
            assert_eq!(done.count(Copied), 1, "{done:?}");
            assert_eq!(done.records[0].header.expected, good.sequence);
            let cases: [(Frame, Counter); 9] = [
                (
                    Frame {
                        flags: SYN,
                        ..good.clone()
                    },
                    SynOnEstablished,
                ),
                (
                    Frame {
                        sequence: good.sequence.wrapping_add(FAR),
                        ..good.clone()
                    },
                    Window,
                ),
                (
                    Frame {
                        sequence: good.sequence.wrapping_sub(1 << 31),
                        ..good.clone()
                    },
                    Window,
                ),
                (
                    Frame {
                        acknowledgment: good.acknowledgment.wrapping_add(FAR),
                        ..good.clone()
                    },
                    Ack,
                ),
                (
                    Frame {
                        acknowledgment: good.acknowledgment.wrapping_add(1_000_000),
                        ..good.clone()
                    },
                    Ack,
                ),
                (
                    Frame {
                        acknowledgment: good.acknowledgment.wrapping_sub(FAR),
                        ..good.clone()
                    },
                    Ack,
                ),
                (
                    Frame {
                        flags: PSH,
                        ..good.clone()
                    },
                    Ack,
                ),
                (stray.clone(), Listen),
                (
                    Frame {
                        sequence: good.sequence.wrapping_sub(19),
                        ..good.clone()
                    },
                    Copied,
                ),
            ];
            for (frame, outcome) in cases {
                let done = run(&mut bed, &frame);
                assert_eq!(done.count(outcome), 1, "{outcome:?} {frame:?} {done:?}");
                assert_eq!(done.records.len(), usize::from(outcome == Copied));
            }
            let begins = Frame {
                flags: SYN,
                payload: Vec::new(),
                ..stray.clone()
            };
            let done = run(&mut bed, &begins);
            assert_eq!(done.records[0].header.socket, SocketState::Listen as u32);

            for frame in [&good, &stray, &begins] {
                assert_eq!(run_elsewhere(&mut bed, frame).count(NotForUs), 1);
            }

            drop((listener, client, server));
            let done = run(&mut bed, &stray);
            assert_eq!(done.count(NoSocket), 1, "{done:?}");
            bed.set(|settings| settings.ask_kernel = 0);
            assert_eq!(run(&mut bed, &stray).count(Copied), 1, "not asked");
        }
    }
}

/// Runs the program on a frame for another station.
fn run_elsewhere(bed: &mut Bed, frame: &Frame) -> Done {
    let mut bytes = frame.bytes();
    bytes[..6].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    bed.run_times(&bytes, 1)
}

/// A frame of no connection.
pub(crate) fn stray(network: &Network) -> Frame {
    let header = SegmentHeader {
        source_port: 999,
        sequence: 5,
        ..SegmentHeader::default()
    };
    next(&header, network)
}

#[test]
fn copies_of_others_frames_pass_where_no_connection_is() {
    for kind in BOTH {
        for network in [IPV4, IPV6] {
            loopback();
            let mut bed = asking(kind);
            for listens in [false, true] {
                let _listener = listens.then(|| TcpListener::bind(("::", PORT)).unwrap());
                for flags in [SYN, ACK | PSH] {
                    let frame = Frame {
                        flags,
                        ..stray(&network)
                    };
                    let done = run_elsewhere(&mut bed, &frame);
                    assert_eq!((done.count(Copied), done.count(Unasked)), (1, 1));
                    assert_eq!(done.records[0].header.socket, SocketState::NotAsked as u32);
                }
            }
        }
    }
}

#[test]
fn where_a_meshs_proxy_listens_a_missing_connection_proves_nothing() {
    for (proxy, to, network) in [(15_006, "127.0.0.1", IPV4), (4_143, "::1", IPV6)] {
        for kind in BOTH {
            loopback();
            let mut bed = asking(kind);
            let listener = TcpListener::bind((to, PORT)).unwrap();
            // A probe that comes as it is.
            let (_client, _server, _) = exchange(&mut bed, &listener, to);
            let stray = stray(&network);
            assert_eq!(run(&mut bed, &stray).count(Listen), 1);
            let _proxy = TcpListener::bind((to, proxy)).unwrap();
            let done = run(&mut bed, &stray);
            assert_eq!((done.count(Copied), done.count(Unasked)), (1, 1));
            drop(listener);
            let done = run(&mut bed, &stray);
            assert_eq!((done.count(Copied), done.count(Unasked)), (1, 1));
        }
    }
}

#[test]
fn handshakes_under_syn_cookies_lose_nothing() {
    for kind in BOTH {
        for (listen, to) in [
            ("127.0.0.1", "127.0.0.1"),
            ("::", "127.0.0.1"),
            ("::1", "::1"),
        ] {
            loopback();
            fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2").unwrap();
            let mut bed = asking(kind);
            let listener = TcpListener::bind((listen, PORT)).unwrap();
            for _ in 0..20 {
                let (_client, _server, done) = exchange(&mut bed, &listener, to);
                assert_eq!(refused(&done), 0, "{done:?}");
                let data = done
                    .records
                    .iter()
                    .filter(|record| !record.payload.is_empty());
                assert_eq!(data.count(), 3);
            }
        }
    }
}

#[test]
fn cost_of_asking() {
    for kind in BOTH {
        for (to, network) in [("127.0.0.1", IPV4), ("::1", IPV6)] {
            loopback();
            let mut bed = Bed::with_rings(kind, 1, 1 << 26);
            bed.set(|settings| settings.ask_kernel = 1);
            let listener = TcpListener::bind((to, PORT)).unwrap();
            let (_client, _server, done) = exchange(&mut bed, &listener, to);
            let last = done
                .records
                .iter()
                .rfind(|record| !record.payload.is_empty());
            let mut frame = next(&last.unwrap().header, &network).bytes();
            frame[..6].fill(0);
            for ask in [0, 1] {
                bed.set(|settings| settings.ask_kernel = ask);
                let (plain, stats) = measure(&mut bed, &frame, Copied);
                println!("{kind:5}{to:10} asked: {ask} {plain:>8.0?}{stats:>8.0?} with bpf_stats");
            }
            bed.set(|settings| settings.threshold = 1);
            let (plain, stats) = measure(&mut bed, &frame, SampledOut);
            println!("{kind:5}{to:10} unsampled{plain:>8.0?}{stats:>8.0?} with bpf_stats");
        }
    }
}
