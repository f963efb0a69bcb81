//! Who is measured with what, and how often.

use std::time::Duration;

use lab::load::Reuse;

use super::{
    Options, compared,
    loads::{self, Pace, Protocol, Quick, Sampled, Traffic},
    subjects::{COMPARED, LARGE_BODIES, PIPELINING, Subject, TWO_TARGETS},
    unharmed,
};

/// All that is going to be measured.
pub(super) struct Schedule {
    pub(super) loads: Vec<Planned>,
    pub(super) rounds: u32,
    /// How many seconds every run lasts.
    pub(super) seconds: u64,
    pub(super) kind: Kind,
    /// How long an idle mirror is watched, if it is.
    pub(super) idle: Option<Duration>,
    /// How long overload lasts, if it does.
    pub(super) overload: Option<Duration>,
    /// How many rounds ask whether v1 is unharmed at sampling 0, at most.
    pub(super) unharmed: Option<u32>,
    /// How many rounds ask what comparing with v1 costs, if any do.
    pub(super) compared: Option<u32>,
}

/// Whether it is the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Full,
    Quick,
    /// Chosen by the user.
    Part,
}

pub(super) struct Planned {
    pub(super) load: Traffic,
    pub(super) subjects: Vec<Subject>,
}

impl Schedule {
    pub(super) fn new(options: &Options) -> Self {
        let loads = loads::table()
            .into_iter()
            .filter(|load| chosen(&options.load, load.name))
            .filter(|load| !options.quick || load.quick != Quick::Left)
            .map(|load| Planned {
                subjects: subjects(&load, options)
                    .into_iter()
                    .filter(|subject| chosen(&options.subject, &subject.name()))
                    .collect(),
                load,
            })
            .collect();
        let (rounds, seconds) = if options.quick { (2, 1) } else { (3, 3) };
        let idle = if options.quick { 3 } else { 10 };
        let alone =
            |name, seconds| chosen(&options.load, name).then(|| Duration::from_secs(seconds));
        let asked = |name, rounds| {
            let by_name = options.load.iter().any(|text| text == name);
            by_name.then(|| options.rounds.unwrap_or(rounds))
        };
        let is_part = !options.load.is_empty() || !options.subject.is_empty();
        Self {
            loads,
            rounds: options.rounds.unwrap_or(rounds),
            seconds: options.seconds.unwrap_or(seconds),
            idle: alone("idle-mirror", idle),
            overload: alone("overload", 5).filter(|_| !options.quick),
            unharmed: asked(unharmed::NAME, unharmed::ROUNDS),
            compared: asked(compared::NAME, compared::ROUNDS),
            kind: match (options.quick, is_part) {
                (_, true) => Kind::Part,
                (true, false) => Kind::Quick,
                (false, false) => Kind::Full,
            },
        }
    }

    /// Runs in all; v1 alone runs once more than the subjects do in each round.
    pub(super) fn runs(&self) -> u64 {
        let each = self
            .loads
            .iter()
            .map(|planned| match planned.subjects.len() {
                0 => 0,
                subjects => 2 * subjects as u64 + 1,
            });
        each.sum::<u64>() * u64::from(self.rounds)
    }
}

fn chosen(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|text| name.contains(text.as_str()))
}

fn subjects(load: &Traffic, options: &Options) -> Vec<Subject> {
    let rates: &[u8] = match (load.sampled, options.quick) {
        (Sampled::AllRates, false) => &[0, 1, 25, 100],
        (Sampled::AllRates, true) => &[0, 100],
        (Sampled::Whole, _) => &[100],
    };
    let mut subjects: Vec<_> = rates.iter().copied().map(Subject::Podmirror).collect();
    if !options.quick {
        subjects.push(Subject::Tuned(match load.body {
            ..LARGE => &PIPELINING,
            LARGE.. => &LARGE_BODIES,
        }));
    }
    // In a quick run only for those who ask for it by name.
    if load.body < LARGE && (!options.quick || !options.subject.is_empty()) {
        subjects.extend([&TWO_TARGETS, &COMPARED].map(Subject::Tuned));
    }
    if !options.quick || load.quick == Quick::All {
        subjects.extend([Subject::NginxMirror, Subject::Haproxy, Subject::Tcpdump]);
        let peers = options.peer.iter().cloned();
        subjects.extend(peers.map(Subject::Peer));
    }
    subjects.retain(|subject| copes(subject, load));
    subjects
}

/// Bytes of a body from which on nothing is gained by sending another request behind it.
const LARGE: usize = 64 << 10;

/// With a new connection for each request a proxy in the path, at both of its sides, runs out of
/// ports within seconds at full speed: there it is not the mirror that would be measured.
///
/// Calls of gRPC go to another port, which only podmirror and tcpdump are told; pipelining is HTTP/1's.
fn copes(subject: &Subject, load: &Traffic) -> bool {
    if load.protocol == Protocol::Grpc {
        return matches!(subject, Subject::Podmirror(_) | Subject::Tcpdump);
    }
    let exhausting = load.reuse == Reuse::Never && load.pace == Pace::Closed;
    !(subject.is_in_path() && (exhausting || load.connections + load.idle > 5_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::subjects::Peer;

    fn options() -> Options {
        Options {
            quick: false,
            scale: false,
            counts_only: false,
            live_only: false,
            rounds: None,
            seconds: None,
            load: Vec::new(),
            subject: Vec::new(),
            peer: vec![Peer::parse("other=true").unwrap()],
            last: None,
            out: None,
            podmirror: None,
        }
    }

    /// A run takes its second, and about 0.8 s to start, warm up, settle and end; the kernel's
    /// costs take ten seconds, the idle mirror four.
    #[test]
    fn quick_fits_into_two_minutes() {
        let schedule = Schedule::new(&Options {
            quick: true,
            peer: Vec::new(),
            ..options()
        });
        let tenths = (10 * schedule.seconds + 8) * schedule.runs() + 140;
        assert!(tenths < 1_150, "{tenths} tenths of a second");
    }

    #[test]
    fn no_proxy_is_measured_by_running_out_of_ports() {
        let peer = |command| Peer::parse(command).unwrap();
        let schedule = Schedule::new(&Options {
            load: vec!["new-connection-closed".to_owned()],
            peer: vec![peer("proxy=x {listen}"), peer("beside=x {port}")],
            ..options()
        });
        let subjects = schedule.loads.iter().flat_map(|planned| &planned.subjects);
        assert!(!subjects.clone().any(Subject::is_in_path));
        assert!(subjects.clone().any(|subject| subject.name() == "beside"));
    }

    #[test]
    fn what_is_chosen_is_measured() {
        let schedule = Schedule::new(&Options {
            load: vec!["get-2000".to_owned()],
            subject: vec!["other".to_owned(), "25 %".to_owned()],
            ..options()
        });
        let [planned] = &schedule.loads[..] else {
            panic!("one load");
        };
        let names: Vec<_> = planned.subjects.iter().map(Subject::name).collect();
        assert_eq!(names, ["podmirror 25 %", "other"]);
        assert_eq!(schedule.kind, Kind::Part);
        assert_eq!(schedule.runs(), 3 * 5);
    }
}
