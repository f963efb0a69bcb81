//! Searches for sandboxes; all that are due at a time are found in one walk of `/proc`.
//!
//! A walk takes some 10 µs for each process of the node. Pods that have no address yet are searched many
//! times, so walks for them alone take a twentieth of a CPU at most. What counts is the walk's own time on a CPU: on a busy
//! node, where many pods may be starting, it waits for one most of the time. Looks into pods' networks, for those whose
//! addresses are known, are not in it: other threads make them.

use std::{collections::HashMap, future, time::Duration};

use nix::time::{ClockId, clock_gettime};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep_until},
};

use super::{
    event::{Event, Search},
    place::Node,
    pod::PodUid,
    sandbox::{Sought, search},
};

/// After a walk there is none for so many times as long as it had a CPU for pods that have no address.
const REST: u32 = 19;

/// What is to be searched, and when.
#[derive(Debug)]
pub struct Searcher {
    node: Node,
    waiting: HashMap<PodUid, (Instant, Sought)>,
    walk: Option<Walk>,
    /// Until then no walk is made for pods that have no address.
    rests_until: Instant,
}

/// A walk under way, on a thread of its own: it enters namespaces.
#[derive(Debug)]
struct Walk {
    /// What it found, and how long it had a CPU.
    answers: JoinHandle<(Vec<Event>, Duration)>,
    asked: Vec<(PodUid, Search)>,
    began: Instant,
}

impl Searcher {
    /// Searches among the node's processes.
    pub fn new(node: Node) -> Self {
        Self {
            node,
            waiting: HashMap::new(),
            walk: None,
            rests_until: Instant::now(),
        }
    }

    /// Searches this after a while. A search for the same pod that is still waiting is forgotten.
    pub fn ask(&mut self, sought: Sought, after: Duration) {
        let due = Instant::now() + after;
        self.waiting.insert(sought.pod.clone(), (due, sought));
    }

    /// The next answers. Nothing is lost if this is dropped before it is done.
    pub async fn next(&mut self) -> Vec<Event> {
        loop {
            if let Some(walk) = &mut self.walk {
                let ended = (&mut walk.answers).await;
                let now = Instant::now();
                let worked = match &ended {
                    Ok((_, worked)) => *worked,
                    Err(_) => now - walk.began,
                };
                self.rests_until = now + worked * REST;
                let asked = self.walk.take().map(|walk| walk.asked);
                let answers = ended.map(|(answers, _)| answers);
                return answers.unwrap_or_else(|panic| {
                    let why = format!("the search ended early: {panic}");
                    let none = |(pod, search)| Event::NotFound(pod, search, why.clone());
                    asked.unwrap_or_default().into_iter().map(none).collect()
                });
            }
            match self.waiting.values().map(|one| self.due(one)).min() {
                None => future::pending().await,
                Some(due) => sleep_until(due).await,
            }
            self.begin();
        }
    }

    fn begin(&mut self) {
        let now = Instant::now();
        // Whoever is due takes those along that have to rest.
        let due = self.waiting.extract_if(|_, (due, _)| *due <= now);
        let sought: Vec<_> = due.map(|(_, (_, sought))| sought).collect();
        let asked = sought.iter().map(|one| (one.pod.clone(), one.search));
        self.walk = Some(Walk {
            asked: asked.collect(),
            began: now,
            answers: spawn_blocking({
                let node = self.node.clone();
                move || {
                    let before = on_cpu();
                    let answers = search(&node, sought);
                    (answers, on_cpu().saturating_sub(before))
                }
            }),
        });
    }

    fn due(&self, (due, sought): &(Instant, Sought)) -> Instant {
        match sought.ips.is_empty() {
            true => self.rests_until.max(*due),
            false => *due,
        }
    }
}

/// How long this thread has had a CPU; all kernels that podmirror runs on know.
fn on_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, process::Command, thread};

    use mirror_capture::Netns;

    use super::*;
    use crate::cluster::place::AttachAt;

    fn node(proc: &Path) -> Node {
        Node {
            proc: proc.to_owned(),
            host: Netns::Path("/proc/self/ns/net".into()),
            attach: AttachAt::Pod,
        }
    }

    fn sought(pod: &str, number: u64) -> Sought {
        Sought {
            pod: PodUid(pod.to_owned()),
            search: Search(number),
            cgroup: pod.to_owned(),
            ips: vec!["192.0.2.1".parse().unwrap()],
        }
    }

    /// Pods without an address wait for the rest after a walk, unless another one has to be made.
    #[tokio::test]
    async fn who_has_no_address_costs_a_twentieth_of_a_cpu_at_most() {
        let nothing = tempfile::tempdir().unwrap();
        let mut searcher = Searcher::new(node(nothing.path()));
        let early = |number| Sought {
            ips: vec![],
            ..sought("a", number)
        };
        searcher.ask(early(1), Duration::ZERO);
        let began = Instant::now();
        assert_eq!(numbers(searcher.next().await), [1]);
        assert!(searcher.rests_until >= Instant::now());
        searcher.rests_until = began + Duration::from_secs(3_600);
        searcher.ask(early(2), Duration::ZERO);
        searcher.ask(sought("b", 3), Duration::from_millis(5));
        assert_eq!(numbers(searcher.next().await), [2, 3]);
    }

    /// As on a busy node: a walk that waits for a second costs no more than one that does not.
    #[tokio::test]
    async fn a_walk_that_waits_is_not_rested_for() {
        let proc = tempfile::tempdir().unwrap();
        let process = proc.path().join("4711");
        fs::create_dir(&process).unwrap();
        let cgroup = process.join("cgroup");
        let made = Command::new("mkfifo").arg(&cgroup).status().unwrap();
        assert!(made.success());
        let mut searcher = Searcher::new(node(proc.path()));
        let ips = vec![];
        searcher.ask(
            Sought {
                ips,
                ..sought("a", 1)
            },
            Duration::ZERO,
        );
        // Whoever opens a pipe waits for the other end.
        let opened = thread::spawn(move || {
            thread::sleep(Duration::from_secs(1));
            fs::write(cgroup, "0::/").unwrap();
        });
        assert_eq!(numbers(searcher.next().await), [1]);
        opened.join().unwrap();
        let rest = searcher
            .rests_until
            .saturating_duration_since(Instant::now());
        assert!(rest < Duration::from_secs(10), "{rest:?}");
    }

    fn numbers(events: Vec<Event>) -> Vec<u64> {
        let number = |event| match event {
            Event::NotFound(_, Search(number), _) => number,
            other => panic!("{other:?}"),
        };
        let mut numbers: Vec<_> = events.into_iter().map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    #[tokio::test]
    async fn the_last_search_for_each_pod_is_answered_once_it_is_due() {
        let nothing = tempfile::tempdir().unwrap();
        let mut searcher = Searcher::new(node(nothing.path()));
        searcher.ask(sought("a", 1), Duration::from_secs(3_600));
        searcher.ask(sought("c", 2), Duration::from_secs(3_600));
        searcher.ask(sought("a", 3), Duration::ZERO);
        searcher.ask(sought("b", 4), Duration::ZERO);
        assert_eq!(numbers(searcher.next().await), [3, 4]);
        searcher.ask(sought("c", 5), Duration::from_millis(1));
        // Given up and asked again: nothing is lost.
        tokio::select! {
            biased;
            _ = searcher.next() => panic!("not at the first look"),
            () = future::ready(()) => {}
        }
        assert_eq!(numbers(searcher.next().await), [5]);
    }
}
