//! How it ends before the file does.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Child,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    capture::{Capture, get},
    program::{Running, replay},
    server::Server,
};

fn interrupt(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGINT).unwrap();
}

/// One request now and one in a quarter of an hour.
fn slow() -> Vec<u8> {
    let mut capture = Capture::new();
    let mut client = capture.connect(1);
    capture.say(&mut client, get("/now"));
    capture.wait(900_000);
    capture.say(&mut client, get("/later"));
    capture.bytes()
}

#[test]
fn an_interrupt_ends_it_with_its_books_in_order() {
    let server = Server::start();
    let mut running = Running::start("-", &["--target", &server.url()]);
    let mut stdin = running.stdin();
    stdin.write_all(&slow()).unwrap();
    server.wait_for(1);
    interrupt(&running.child);
    let ended = running.wait().balanced();
    assert_eq!(ended.count("/requests/sent"), 1);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn an_interrupt_is_heard_while_standard_input_is_silent() {
    let mut running = Running::start("-", &["--print"]);
    let mut capture = Capture::new();
    let mut client = capture.connect(1);
    capture.say(&mut client, get("/now"));
    let mut stdin = running.stdin();
    stdin.write_all(&capture.bytes()).unwrap();
    // Printed as soon as it is complete, while more may come.
    let mut stdout = BufReader::new(running.stdout());
    stdout.read_line(&mut String::new()).unwrap();
    interrupt(&running.child);
    let ended = running.wait().balanced();
    assert_eq!(ended.count("/requests/observed"), 1);
}

#[test]
fn it_ends_after_its_duration() {
    let server = Server::start();
    let flags = ["--target", &server.url(), "--duration", "300ms"];
    let ended = replay(&slow(), &flags).balanced();
    assert!(ended.count("/requests/sent") <= 1);
}

#[test]
fn whoever_stops_reading_ends_it() {
    let mut capture = Capture::new();
    let mut client = capture.connect(1);
    for n in 0..2_000 {
        capture.say(&mut client, get(&format!("/{n}")));
    }
    let mut running = Running::start("-", &["--print"]);
    drop(running.stdout());
    // It may end before it has read all.
    let _broken_pipe = running.stdin().write_all(&capture.bytes());
    let ended = running.wait().balanced();
    assert!(ended.count("/requests/observed") < 2_000);
}

#[test]
fn progress_is_for_terminals_only() {
    let server = Server::start();
    let flags = ["--target", &server.url(), "--speed", "max", "--drain", "1s"];
    let ended = replay(&slow(), &flags).balanced();
    assert!(!ended.stderr.contains('\u{1b}'), "{:?}", ended.stderr);
    assert_eq!(server.received().len(), 2);
}
