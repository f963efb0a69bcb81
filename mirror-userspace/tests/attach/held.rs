//! An entry point that somebody else holds beyond its attachment's end.

use std::{fs, os::fd::OwnedFd};

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::{
    V4,
    beside::{has_tcx, tcx_programs},
    lab::Lab,
    payload,
    watch::{Setup, Watch},
};

/// A copy of this process's file that is the link of this program.
fn held_link(program: u32) -> OwnedFd {
    let us = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let line = format!("prog_id:\t{program}\n");
    let files = fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
    let mut links = files.filter(|file| {
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        text.contains("link_id:") && text.contains(&line)
    });
    let name = links.next().unwrap().file_name();
    let number = name.to_str().unwrap().parse().unwrap();
    pidfd_getfd(&us, number, PidfdGetfdFlags::empty()).unwrap()
}

/// How many segments were copied at the last attachment.
fn copied(watch: &Watch) -> u64 {
    let attachments = watch.capture.attachments().unwrap();
    attachments.last().unwrap().1.copied
}

#[test]
fn a_seat_that_somebody_holds_is_given_to_nobody() {
    if !has_tcx() {
        eprintln!("SKIPPED: Linux 6.6 has tcx");
        return;
    }
    let Some(lab) = Lab::new() else { return };
    let setup = Setup::new(&lab.server);
    let mut watch = Watch::start(&setup);
    let [program] = tcx_programs(&lab)[..] else {
        panic!("one is attached");
    };
    let held = held_link(program);
    watch.capture.detach(watch.id).unwrap();
    assert_eq!(tcx_programs(&lab), [program], "it is still there");

    // Nobody sits there any more, so what comes by is copied by nobody.
    let port = lab.send(V4, &payload(1_000));
    let before = watch.catch_up();
    assert_eq!(watch.stream(port), None);

    let again = watch.capture.attach(setup.place().unwrap()).unwrap();
    // What another capture sees there, with programs of its own, is what there is to be seen.
    let other = Watch::start(&Setup::new(&lab.server));
    let port = lab.send(V4, &payload(5_000));
    watch.catch_up();
    assert_eq!(watch.stream_at(again, port), Some(payload(5_000)));
    assert_eq!(copied(&watch), copied(&other), "each segment once");
    let after = watch.capture.counters().unwrap();
    assert_eq!(after.copied, before.copied + copied(&watch));

    // Once it is let go of, it is as if it had never been.
    drop(held);
    watch.capture.detach_all().unwrap();
    drop(other);
    assert!(tcx_programs(&lab).is_empty());
}
