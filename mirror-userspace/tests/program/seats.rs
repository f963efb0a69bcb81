//! Entry points, by which attachments share a program: each has settings, counters and records of its own.

use aya::maps::{Array, ProgramArray};
use mirror_common::{
    counter::{Counter, slot},
    sample,
    settings::{SEATS, Settings},
};
use zerocopy::IntoBytes as _;

use crate::{
    bed::{BOTH, Bed, PORT, entry, load_entry, program, send},
    frame::Frame,
};

/// Settings of a seat, besides the first's.
fn set(bed: &mut Bed, seat: u32, settings: &Settings) {
    let bytes: [u8; size_of::<Settings>()] = settings.as_bytes().try_into().unwrap();
    let map = bed.ebpf.map_mut("SETTINGS").unwrap();
    let mut map: Array<_, [u8; size_of::<Settings>()]> = map.try_into().unwrap();
    map.set(seat, bytes, 0).unwrap();
}

#[test]
fn an_entry_point_hands_over_what_is_of_its_seat() {
    let last = u32::try_from(SEATS - 1).unwrap();
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        let first = bed.settings;
        for (seat, port) in [(5, 81), (last, PORT)] {
            let mut settings = Settings {
                attachment: 100 + seat,
                ..first
            };
            settings.ports[3] = port;
            set(&mut bed, seat, &settings);
            load_entry(&mut bed.ebpf, seat, slot::REQUESTS);
        }
        let frame = Frame::default().bytes();
        send(entry(&mut bed.ebpf, 5, slot::REQUESTS), &frame, 2);
        send(entry(&mut bed.ebpf, last, slot::REQUESTS), &frame, 1);

        let records = bed.records();
        let attachments: Vec<_> = records.iter().map(|it| it.header.attachment).collect();
        assert_eq!(attachments, [100 + last], "{kind}");
        let at = |seat, counter: Counter| bed.counters_at(seat, slot::REQUESTS)[counter as usize];
        assert_eq!((at(5, Counter::OtherPort), at(5, Counter::Copied)), (2, 0));
        assert_eq!((at(last, Counter::Seen), at(last, Counter::Copied)), (1, 1));
        assert_eq!(at(0, Counter::Seen), 0, "nobody sits there");
    }
}

#[test]
fn each_direction_of_a_seat_has_counters_of_its_own() {
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        let settings = Settings {
            reply_head: 100,
            threshold: sample::ALWAYS,
            ..bed.settings
        };
        set(&mut bed, 9, &settings);
        load_entry(&mut bed.ebpf, 9, slot::REPLIES);
        let reply = Frame {
            source_port: PORT,
            destination_port: 40_000,
            ..Frame::default()
        };
        send(entry(&mut bed.ebpf, 9, slot::REPLIES), &reply.bytes(), 1);
        assert_eq!(bed.records().len(), 1, "{kind}");
        let copied = |slot| bed.counters_at(9, slot)[Counter::Copied as usize];
        assert_eq!((copied(slot::REQUESTS), copied(slot::REPLIES)), (0, 1));
    }
}

#[test]
fn frames_pass_where_there_is_nobody_to_hand_over_to() {
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        load_entry(&mut bed.ebpf, 0, slot::REQUESTS);
        let frame = Frame::default().bytes();
        send(entry(&mut bed.ebpf, 0, slot::REQUESTS), &frame, 1);
        assert_eq!(bed.records().len(), 1, "{kind}");

        let map = bed.ebpf.map_mut("PROGRAMS").unwrap();
        let mut programs: ProgramArray<_> = map.try_into().unwrap();
        programs.clear_index(&0).unwrap();
        let before = bed.counters();
        // It looks at the verdict, and at the frame.
        send(entry(&mut bed.ebpf, 0, slot::REQUESTS), &frame, 3);
        assert!(bed.records().is_empty(), "{kind}");
        assert_eq!(bed.counters(), before, "{kind}");
        send(program(&mut bed.ebpf), &frame, 1);
        assert_eq!(bed.records().len(), 1, "{kind}: the program is still there");
    }
}
