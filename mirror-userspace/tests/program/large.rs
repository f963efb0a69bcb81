//! Segments that no test run can make: real TCP over the loopback of a network namespace, with
//! the non-linear socket buffers of large writes, up to those of BIG TCP.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
};

use aya::{
    programs::{TcAttachType, tc},
    util::KernelVersion,
};
use mirror_capture::object::RingKind;
use mirror_common::{
    counter::Counter::{Copied, NoPayload, OtherPort, RingFull, Seen},
    record::{LARGEST, MAX_SEGMENT, flag::SYN},
};
use nix::sched::{CloneFlags, unshare};

use crate::{
    bed::{BOTH, Bed, Done, PORT, program},
    sizes::{assert_little_is_wasted, boundaries},
};

/// Writes `data` over a loopback of this thread's own, on whose `hook` the program sits.
fn transfer(bed: &mut Bed, hook: TcAttachType, address: &str, data: &[u8]) -> Done {
    write(bed, hook, address, &[data])
}

/// The same in several writes, each when the one before has been received.
fn write(bed: &mut Bed, hook: TcAttachType, address: &str, writes: &[&[u8]]) -> Done {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let sizes = "link set lo gso_max_size 524280";
    let big = has_big_tcp().then_some(sizes);
    for arguments in big.into_iter().chain(["link set lo up"]) {
        let ip = Command::new("ip")
            .args(arguments.split(' '))
            .status()
            .unwrap();
        assert!(ip.success(), "ip {arguments}");
    }
    // Where there is no tcx, a filter needs it.
    tc::qdisc_add_clsact("lo").unwrap();
    let link = program(&mut bed.ebpf).attach("lo", hook).unwrap();
    let before = bed.counters();
    let listener = TcpListener::bind((address, PORT)).unwrap();
    // The sender is a thread, and a thread is born into its parent's namespace.
    let mut client = TcpStream::connect((address, PORT)).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.set_nodelay(true).unwrap();
    for data in writes {
        let mut received = vec![0; data.len()];
        thread::scope(|scope| {
            let sender = scope.spawn(|| client.write_all(data));
            server.read_exact(&mut received).unwrap();
            sender.join().unwrap().unwrap();
        });
    }
    drop((client, server));
    program(&mut bed.ebpf).detach(link).unwrap();
    bed.done_since(&before)
}

/// Whether one socket buffer may hold more than 64 KiB over IPv6 (Linux 5.19).
fn has_big_tcp() -> bool {
    KernelVersion::current().unwrap() >= KernelVersion::new(5, 19, 0)
}

/// Bytes that repeat only after 16 MiB.
fn bytes(len: usize) -> Vec<u8> {
    (0..len.div_ceil(4))
        .flat_map(|i| {
            u32::try_from(i)
                .unwrap()
                .wrapping_mul(0x9e37_79b9)
                .to_le_bytes()
        })
        .take(len)
        .collect()
}

/// Puts the records together by their sequence numbers.
fn reassemble(done: &Done, len: usize) -> Vec<u8> {
    let syn = done
        .records
        .iter()
        .find(|record| record.header.flags & SYN != 0)
        .unwrap();
    let mut stream = vec![0; len];
    for record in &done.records {
        let header = &record.header;
        assert_eq!(record.payload.len(), header.captured as usize);
        assert!(header.offset + header.captured <= header.segment_len);
        let first = header.sequence.wrapping_sub(syn.header.sequence);
        if let Some(at) = first.checked_sub(1) {
            let at = (at + header.offset) as usize;
            stream[at..at + record.payload.len()].copy_from_slice(&record.payload);
        }
    }
    stream
}

#[test]
fn large_segments_are_copied_whole() {
    for kind in BOTH {
        for (address, hook) in [
            ("127.0.0.1", TcAttachType::Ingress),
            ("127.0.0.1", TcAttachType::Egress),
            ("::1", TcAttachType::Ingress),
            ("::1", TcAttachType::Egress),
        ] {
            let data = bytes(4 << 20);
            let mut bed = Bed::with_rings(kind, 1, 1 << 24);
            let done = transfer(&mut bed, hook, address, &data);
            let what = format!("{kind}, {address}, {hook:?}");
            assert_eq!(done.count(RingFull), 0, "{what}");
            assert!(done.count(OtherPort) > 0, "{what}: acknowledgments");
            assert!(reassemble(&done, data.len()) == data, "{what}: other bytes");
            assert_little_is_wasted(&done);
            let segments = done.records.iter().filter(|record| record.header.is_last());
            assert_eq!(segments.count() as u64, done.count(Copied), "{what}");
            assert_eq!(
                done.count(Seen),
                done.count(OtherPort) + done.count(NoPayload) + done.count(Copied),
                "{what}"
            );
            let largest = done
                .records
                .iter()
                .map(|record| record.header.segment_len)
                .max();
            let largest = largest.unwrap() as usize;
            println!(
                "{what}: {} segments, the largest of {largest}",
                done.count(Copied)
            );
            assert!(largest > 16_384, "{what}: {largest}");
            if address == "::1" && has_big_tcp() {
                // BIG TCP: several records for one socket buffer.
                assert!(
                    largest > LARGEST && largest <= MAX_SEGMENT,
                    "{what}: {largest}"
                );
            }
        }
    }
}

#[test]
fn segments_of_each_size_are_copied_whole() {
    for kind in BOTH {
        let sizes = boundaries();
        let data = bytes(sizes.iter().sum());
        let mut rest = data.as_slice();
        let writes: Vec<&[u8]> = sizes
            .iter()
            .map(|&len| rest.split_off(..len).unwrap())
            .collect();
        let mut bed = Bed::with_rings(kind, 1, 1 << 23);
        let done = write(&mut bed, TcAttachType::Egress, "127.0.0.1", &writes);
        assert_eq!(done.count(RingFull), 0, "{kind}");
        assert!(reassemble(&done, data.len()) == data, "{kind}: other bytes");
        assert_little_is_wasted(&done);
        let met = |len: &&usize| {
            done.records
                .iter()
                .any(|record| record.header.segment_len as usize == **len)
        };
        // The kernel may cut a write as it likes.
        let met = sizes.iter().filter(met).count();
        println!("{kind}: {met} of {} sizes in one segment", sizes.len());
        assert!(met > sizes.len() / 2, "{met}");
    }
}

#[test]
fn a_segment_that_fits_in_part_is_lost_once_and_never_claimed_whole() {
    // Room for one of the largest records, and some: the second of a segment finds none.
    let mut bed = Bed::with_rings(RingKind::Bpf, 1, 1 << 17);
    let data = bytes(4 << 20);
    let done = transfer(&mut bed, TcAttachType::Egress, "::1", &data);
    assert!(done.count(RingFull) > 0, "{done:?}");
    let whole = done.records.iter().filter(|record| record.header.is_last());
    assert_eq!(whole.count() as u64, done.count(Copied));
    for record in &done.records {
        assert_eq!(record.payload.len(), record.header.captured as usize);
    }
}
