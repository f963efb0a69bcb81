//! `--log-kernel`: what the program has to say reaches the `log` crate.

use std::{
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

use log::{LevelFilter, Log, Metadata, Record};
use mirror_capture::LiveConfig;

use crate::{V4, lab::Lab, payload, watch::Setup};

/// Keeps the lines that this process logs.
struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

#[test]
fn a_full_ring_is_logged() {
    let Some(lab) = Lab::new() else { return };
    log::set_logger(&LINES).unwrap();
    log::set_max_level(LevelFilter::Info);
    let setup = Setup {
        live: LiveConfig {
            ring_bytes: 0,
            log_kernel: true,
            ..LiveConfig::default()
        },
        ..Setup::new(&lab.server)
    };
    let _unread = setup.start().unwrap();
    lab.send(V4, &payload(2_000_000));

    let patience = Instant::now() + Duration::from_secs(20);
    let logged = || {
        LINES
            .0
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.starts_with("a ring is full"))
    };
    while !logged() {
        assert!(Instant::now() < patience, "not logged");
        sleep(Duration::from_millis(10));
    }
}
