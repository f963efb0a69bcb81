//! Rings by themselves: what was in one at a moment is read by the time that its reader says so, and nothing else is
//! waited for; what has no room in one is counted where it was captured.

use mirror_capture::{Batch, Capture, LiveConfig, Read, RingKind, RingReader, Rings};
use mirror_core::policy::KernelSampling;
use mirror_runtime::clock;

use crate::{PATIENCE, pod::Pod};

with_both_rings! {
    what_was_there_is_read_and_not_waited_for_longer,
    what_finds_a_ring_full_is_counted_at_the_capture_whose_it_was,
}

/// Requests before and after the moment.
const EACH: usize = 40;

/// One record at a time, so that nothing behind the mark is read with what is before it.
const ONE: Batch = Batch {
    records: 1,
    bytes: usize::MAX,
};

fn what_was_there_is_read_and_not_waited_for_longer(ring: RingKind) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: network namespaces need root");
        return;
    }
    let config = live(ring);
    let (rings, mut readers) = Rings::open(&config).unwrap();
    let mut reader = readers.pop().unwrap();
    assert!(reader.is_past(reader.mark()) || ring == RingKind::Perf);

    let mut capture = capture(&rings, &config);
    let pod = Pod::new();
    capture.attach(pod.place()).unwrap();
    let requests = |target: &str, from: u16| {
        for port in (from..).take(EACH) {
            pod.request(port, target);
        }
    };
    requests("/before", 40_000);
    let mark = reader.mark();
    requests("/after", 41_000);
    assert!(!reader.is_past(mark));

    let mut seen = [0, 0];
    read_until(&mut reader, &mut seen, |reader, _| reader.is_past(mark));
    assert_eq!(seen[0], EACH, "all that was there");
    if ring == RingKind::Bpf {
        assert_eq!(seen[1], 0, "and nothing else");
    }
    read_until(&mut reader, &mut seen, |_, seen| seen[1] == EACH);
    assert_eq!(seen, [EACH, EACH]);
    let empty = reader.mark();
    read_until(&mut reader, &mut seen, |reader, _| reader.is_past(empty));
}

/// Reads until this is so, and counts the requests of either kind.
fn read_until(
    reader: &mut RingReader,
    seen: &mut [usize; 2],
    is_so: impl Fn(&RingReader, &[usize; 2]) -> bool,
) {
    let end = clock::now() + PATIENCE;
    while !is_so(reader, seen) {
        assert!(clock::now() < end, "read long enough: {seen:?}");
        reader.read(clock::now(), ONE, |read| {
            let Read::Record(record) = read else {
                panic!("malformed");
            };
            let payload = record.segment.payload;
            seen[0] += usize::from(payload.starts_with(b"GET /before "));
            seen[1] += usize::from(payload.starts_with(b"GET /after "));
        });
    }
}

fn live(ring: RingKind) -> LiveConfig {
    LiveConfig {
        ring,
        shards: 1,
        // The smallest that there is.
        ring_bytes: 0,
        ..LiveConfig::default()
    }
}

/// One more that feeds these rings, with all that it sees.
fn capture(rings: &Rings, config: &LiveConfig) -> Capture {
    Capture::share(rings.clone(), config.clone(), KernelSampling::default())
}

fn what_finds_a_ring_full_is_counted_at_the_capture_whose_it_was(ring: RingKind) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: network namespaces need root");
        return;
    }
    let config = live(ring);
    // Nobody reads.
    let (rings, _readers) = Rings::open(&config).unwrap();
    let mut all: Vec<_> = (0..3)
        .map(|_| (Pod::new(), capture(&rings, &config)))
        .collect();
    for (pod, capture) in &mut all {
        capture.attach(pod.place()).unwrap();
    }
    let full = |at: usize| all[at].1.counters().unwrap().ring_full;
    let large = format!("/{}", "x".repeat(8000));
    for floods in 0..2 {
        let mut ports = 10_000..20_000;
        while full(floods) == 0 {
            all[floods]
                .0
                .request(ports.next().expect("it fills up"), &large);
        }
        for other in floods + 1..all.len() {
            assert_eq!(full(other), 0, "{other} had nothing to lose");
        }
    }
}
