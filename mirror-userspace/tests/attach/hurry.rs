//! The thread of a reader whose ring fills up is preferred until it has caught up.

use mirror_capture::{Batch, LiveConfig};
use mirror_runtime::clock;
use rustix::process::{getpriority_process, setpriority_process};

use crate::{
    V4,
    lab::Lab,
    payload,
    watch::{Setup, Watch},
};

fn nice() -> i32 {
    getpriority_process(None).unwrap()
}

/// What is read at once from a ring of 1 MiB that has so many bytes of payload, and by how much the thread was
/// preferred before each record.
fn preferred_by(hurry: u8, bytes: usize) -> Option<Vec<i32>> {
    let lab = Lab::new()?;
    let usual = nice();
    if setpriority_process(None, usual - 1).is_err() {
        eprintln!("SKIPPED: preferring a thread needs CAP_SYS_NICE");
        return None;
    }
    setpriority_process(None, usual).unwrap();
    let mut watch = Watch::start(&Setup {
        live: LiveConfig {
            ring_bytes: 1 << 20,
            hurry,
            ..LiveConfig::default()
        },
        ..Setup::new(&lab.server)
    });
    lab.send(V4, &payload(bytes));
    assert_eq!(watch.capture.counters().unwrap().ring_full, 0);
    let reader = &mut watch.readers[0];
    let mut preferred = Vec::new();
    let one = Batch {
        records: 1,
        bytes: 1,
    };
    while reader.drain(clock::now(), one, |_| preferred.push(usual - nice())) > 0 {}
    assert_eq!(nice(), usual, "once it has caught up");
    Some(preferred)
}

#[test]
fn a_reader_is_preferred_while_its_ring_fills_up() {
    let Some(preferred) = preferred_by(3, 500_000) else {
        return;
    };
    // The last record may be larger than what lets it go on as usual.
    assert_eq!(preferred.first(), Some(&3), "half of the ring is full");
    assert!(preferred.is_sorted_by(|a, b| a >= b), "{preferred:?}");
}

#[test]
fn a_reader_is_not_preferred_for_little_or_where_that_is_not_wanted() {
    for (hurry, bytes) in [(3, 50_000), (0, 500_000)] {
        let Some(preferred) = preferred_by(hurry, bytes) else {
            return;
        };
        assert!(preferred.iter().all(|by| *by == 0), "{preferred:?}");
    }
}
