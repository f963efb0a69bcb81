//! Who can send to v1 can make its kernel refuse what the mirror sees. None of it comes to v2, and nothing
//! of what v1 takes on the same connections is lost by it.

use lab::{Family, RawClient, RecordedRequest};

use super::forge::{Forged, Wire};
use crate::{
    scene::{PATIENCE, Scene},
    traffic::get,
};

/// A real request, which v1 answers.
fn ask(client: &mut RawClient, target: &str) -> usize {
    client.write(&get(target)).unwrap();
    let reply = client.read_reply("GET").unwrap();
    reply.head.len() + usize::try_from(reply.body.len).unwrap()
}

/// A connection with one request answered, and what its client would send next.
fn begin(scene: &Scene, wire: &Wire, label: &str) -> (RawClient, Forged) {
    let mut client = scene.connect();
    let reply = ask(&mut client, &format!("/{label}/1"));
    let port = client.local_address().unwrap().port();
    let mut next = wire.next_of(port, reply);
    next.payload = get(&format!("/{label}/forged"));
    (client, next)
}

#[test]
fn what_v1_does_not_take_never_comes_to_v2() {
    const WHY: [&str; 6] = [
        "no_ack_flag",
        "ack_of_what_was_never_sent",
        "ack_of_long_ago",
        "ahead_of_the_window",
        "another_station",
        "syn_and_data",
    ];
    for family in [Family::V4, Family::V6] {
        for ring in ["bpf", "perf"] {
            let scene = Scene::over(family, &["--ask-kernel", "on", "--ring", ring]);
            let wire = Wire::open(&scene.lab);
            let mut count = 0;
            for what in WHY {
                let (mut client, next) = begin(&scene, &wire, what);
                match what {
                    "no_ack_flag" => wire.send(&next.without_ack()),
                    "ack_of_what_was_never_sent" => wire.send(&Forged {
                        acknowledgment: next.acknowledgment.wrapping_add(1_000_000),
                        ..next
                    }),
                    "ack_of_long_ago" => wire.send(&Forged {
                        acknowledgment: next.acknowledgment.wrapping_sub(1 << 30),
                        ..next
                    }),
                    "ahead_of_the_window" => wire.send(&Forged {
                        sequence: next.sequence.wrapping_add(200_000_000),
                        ..next
                    }),
                    "another_station" => wire.send(&next.for_another()),
                    _ => {
                        let sequence = next.sequence.wrapping_add(1 << 31);
                        let forged = Forged { sequence, ..next };
                        wire.send(&forged.clone().syn());
                        wire.send(&Forged {
                            sequence: sequence.wrapping_add(1),
                            ..forged
                        });
                    }
                }
                for n in 2..5 {
                    ask(&mut client, &format!("/{what}/{n}"));
                }
                count += 4;
            }
            // Of no connection.
            let (_client, next) = begin(&scene, &wire, "stray");
            wire.send(&Forged {
                source_port: 9,
                ..next
            });
            assert_eq!(scene.request("GET", &get("/last")), 200);
            let ledger = scene.assert_mirrored(count + 2);
            for (reason, segments) in [
                ("ack", 3),
                ("window", 2),
                ("not_for_us", 1),
                ("syn_on_established", 1),
                ("listen", 1),
                ("no_socket", 0),
            ] {
                let refused = ledger.count(&format!("segments/refused/{reason}"));
                assert_eq!(refused, segments, "{reason}: {ledger:?}");
            }
        }
    }
}

/// What no look at v1's socket shows: a segment that its kernel throws away for its checksum. v2 gets what v1
/// acknowledged; bytes of which there are two versions are of neither.
#[test]
fn with_replies_what_v1_threw_away_never_comes_to_v2() {
    for family in [Family::V4, Family::V6] {
        let scene = Scene::over(family, &["--replies", "on"]);
        let wire = Wire::open(&scene.lab);
        let (mut client, next) = begin(&scene, &wire, "torn");
        wire.send_broken(&next);
        for n in 2..6 {
            ask(&mut client, &format!("/torn/{n}"));
        }
        assert_eq!(scene.request("GET", &get("/last")), 200);
        // The forged bytes reach into the second request behind them.
        let arrived = scene.v2.wait_for(4, PATIENCE);
        let ledger = scene.mirror.stop();
        let targets: Vec<_> = arrived.iter().map(RecordedRequest::target).collect();
        assert!(
            !targets.iter().any(|it| it.contains("forged")),
            "{targets:?}"
        );
        assert!(
            targets.contains(&"/torn/1") && targets.contains(&"/last"),
            "{targets:?}"
        );
        assert!(ledger.count("bytes_lost/conflicting") > 0, "{ledger:?}");
    }
}
