//! Searches for sandboxes; all that are due at a time are found in one walk of `/proc`.

use std::{collections::HashMap, future, path::PathBuf, time::Duration};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep_until},
};

use super::{
    event::{Event, Search},
    pod::PodUid,
    sandbox::{Sought, search},
};

/// What is to be searched, and when.
#[derive(Debug)]
pub struct Searcher {
    proc: PathBuf,
    waiting: HashMap<PodUid, (Instant, Sought)>,
    walk: Option<Walk>,
}

/// A walk under way, on a thread of its own: it enters namespaces.
#[derive(Debug)]
struct Walk {
    answers: JoinHandle<Vec<Event>>,
    asked: Vec<(PodUid, Search)>,
}

impl Searcher {
    /// Searches by the processes that `proc` shows.
    pub fn new(proc: PathBuf) -> Self {
        Self {
            proc,
            waiting: HashMap::new(),
            walk: None,
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
                let answers = (&mut walk.answers).await;
                let asked = self.walk.take().map(|walk| walk.asked);
                return answers.unwrap_or_else(|panic| {
                    let why = format!("the search ended early: {panic}");
                    let none = |(pod, search)| Event::NotFound(pod, search, why.clone());
                    asked.unwrap_or_default().into_iter().map(none).collect()
                });
            }
            match self.waiting.values().map(|(due, _)| *due).min() {
                None => future::pending().await,
                Some(due) => sleep_until(due).await,
            }
            self.begin();
        }
    }

    fn begin(&mut self) {
        let now = Instant::now();
        let due = self.waiting.extract_if(|_, (due, _)| *due <= now);
        let sought: Vec<_> = due.map(|(_, (_, sought))| sought).collect();
        let asked = sought.iter().map(|one| (one.pod.clone(), one.search));
        self.walk = Some(Walk {
            asked: asked.collect(),
            answers: spawn_blocking({
                let proc = self.proc.clone();
                move || search(&proc, sought)
            }),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sought(pod: &str, number: u64) -> Sought {
        Sought {
            pod: PodUid(pod.to_owned()),
            search: Search(number),
            cgroup: pod.to_owned(),
            ips: vec![],
        }
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
        let mut searcher = Searcher::new(nothing.path().to_owned());
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
