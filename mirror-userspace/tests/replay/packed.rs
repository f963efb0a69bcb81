//! Captures packed by the programs that people pack them with.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    thread,
};

use crate::{
    capture::{Capture, get},
    program::{replay, replay_stdin},
};

/// What `program` makes of these bytes; `None` where it is not installed.
fn packed(program: &str, flags: &[&str], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program)
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let (mut stdin, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    let feed = thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap();
    assert!(output.status.success());
    Some(output.stdout)
}

fn conversation() -> Vec<u8> {
    let mut capture = Capture::new();
    for port in 1..=2_000 {
        let mut client = capture.connect(port);
        capture.say(&mut client, get(&format!("/{port}")));
        capture.finish(&client);
    }
    capture.bytes()
}

#[test]
fn files_and_pipes_of_gzip_and_zstd_are_read_whatever_their_names() {
    let file = conversation();
    let plain = replay(&file, &["--print"]).balanced();
    for (program, flags) in [
        ("gzip", &["-9"][..]),
        ("zstd", &["-3"]),
        ("zstd", &["-19", "--no-check"]),
    ] {
        let Some(packed) = packed(program, flags, &file) else {
            eprintln!("SKIPPED: {program} is not installed");
            continue;
        };
        assert!(packed.len() < file.len() / 2);
        for ended in [
            replay(&packed, &["--print"]),
            replay_stdin(&packed, &["--print"]),
        ] {
            let ended = ended.balanced();
            assert_eq!(ended.lines, plain.lines, "{program}");
            assert!(!ended.stderr.contains("WARN"), "{}", ended.stderr);
        }
        let cut = replay(&packed[..packed.len() - 9], &["--print"]).balanced();
        assert!(cut.stderr.contains("WARN"), "{program}: {}", cut.stderr);
        assert_eq!(cut.lines, plain.lines[..cut.lines.len()]);
    }
}

#[test]
fn what_is_packed_otherwise_is_a_usage_error_with_the_command() {
    let ended = replay(b"\xfd7zXZ\0\0\x04 and so on, long enough", &["--print"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("xz -dc"), "{}", ended.stderr);
}
