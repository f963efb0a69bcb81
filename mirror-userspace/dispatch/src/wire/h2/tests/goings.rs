//! Targets that refuse streams, or take no more.

use super::{
    super::{Heard, Lost},
    rig::{Rig, frame, headers},
};

const HEAD: &[u8] = b"head";

fn goaway(last: u32) -> Vec<u8> {
    frame(7, 0, 0, &[&last.to_be_bytes()[..], &[0; 4]].concat())
}

#[test]
fn streams_above_the_last_one_are_given_back_the_last_first() {
    let mut rig = Rig::greeted(&[(3, 3)]);
    for _ in 0..4 {
        rig.give(HEAD, b"");
    }
    rig.frames();
    // First that it will go (section 6.8), then which it took.
    rig.hear(&goaway((1 << 31) - 1)).unwrap();
    assert_eq!(
        rig.take_heard(),
        [Heard::Lost(7, Lost::Untaken), Heard::Retired]
    );
    assert!(!rig.session.has_room() && rig.session.is_retired());
    rig.hear(&goaway(1)).unwrap();
    assert_eq!(
        rig.take_heard(),
        [
            Heard::Lost(5, Lost::Untaken),
            Heard::Lost(3, Lost::Untaken),
            Heard::Retired
        ]
    );
    rig.hear(&headers(1, true, &[(":status", "200")])).unwrap();
    assert!(rig.session.is_empty());
}

#[test]
fn what_a_reset_means_its_code_says() {
    for (code, why) in [
        (0, Lost::Reset),
        (2, Lost::Reset),
        (7, Lost::Refused),
        (8, Lost::Reset),
        (13, Lost::Http1Required),
        (1_000, Lost::Reset),
    ] {
        let mut rig = Rig::greeted(&[]);
        let stream = rig.give(HEAD, b"");
        rig.frames();
        rig.hear(&frame(3, 0, stream, &u32::to_be_bytes(code)))
            .unwrap();
        assert_eq!(rig.take_heard(), [Heard::Lost(stream, why)]);
        assert!(rig.written().is_empty(), "nothing is to be said to that");
    }
}

#[test]
fn nothing_is_written_on_a_connection_that_takes_nothing() {
    let mut rig = Rig::greeted(&[]);
    rig.give(HEAD, &[0; 100_000]);
    assert!(rig.session.poll_bytes(&mut rig.copies));
    rig.session.handle_unwritable();
    assert!(!rig.session.poll_bytes(&mut rig.copies) && !rig.session.has_bytes());
    assert!(rig.session.is_retired() && rig.session.bytes().is_empty());
    rig.hear(&headers(1, false, &[(":status", "413")])).unwrap();
    let answered = Heard::Answered {
        stream: 1,
        status: 413,
    };
    assert_eq!(rig.take_heard(), [answered]);
}
