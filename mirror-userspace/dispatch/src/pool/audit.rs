//! What must hold between the parts of a pool, for tests and fuzzers to ask at any moment.

use super::{
    Pool,
    link::{Link, Phase},
    target::Target,
};
use crate::copy::Job;

impl Pool {
    /// Looks at everything, which takes its time.
    ///
    /// # Panics
    ///
    /// If anything is not as it must be.
    pub fn audit(&self) {
        self.targets.iter().for_each(Target::audit);
        let copies = &self.shared.copies;
        let unwritten = |job: &&Job| job.is_unwritten() && !copies.is_dropped(job);
        let jobs = self.targets.iter().flat_map(Target::jobs);
        assert_eq!(
            copies.unwritten(),
            jobs.filter(unwritten).count(),
            "unwritten"
        );
    }
}

impl Target {
    /// The copies that wait or are under way.
    fn jobs(&self) -> impl Iterator<Item = &Job> {
        let links = self.links.iter();
        let turns = links.flat_map(|(_, link)| link.exchange.turns());
        let under_way = turns.map(|turn| &turn.job);
        let sessions = self
            .links
            .iter()
            .filter_map(|(_, link)| link.session.as_ref());
        let streams = sessions.flat_map(|session| session.jobs());
        self.queue.jobs().chain(under_way).chain(streams)
    }

    fn audit(&self) {
        let unanswered = |link: &Link| match &link.session {
            Some(session) => session.unanswered(),
            None => link.exchange.len() - usize::from(link.exchange.is_reading_body()),
        };
        let under_way: usize = self.links.iter().map(|(_, link)| unanswered(link)).sum();
        assert_eq!(self.counters.in_flight, under_way as u64, "in flight");
        let reads = self
            .links
            .iter()
            .any(|(_, link)| link.exchange.is_reading_body());
        assert!(self.queue.len() as u64 >= self.counters.queued, "queued");
        let quiet = self.is_quiet() && self.queue.len() == 0 && !reads;
        assert!(!quiet || self.queue.is_idle(), "lanes without a copy");
        let sessions = self
            .links
            .iter()
            .filter_map(|(_, link)| link.session.as_ref());
        let mut streams = 0;
        for session in sessions {
            let open_ended = session.jobs().filter(|job| job.is_open_ended()).count();
            assert_eq!(session.open_ended(), open_ended, "open-ended");
            streams += session.len();
        }
        assert_eq!(streams == 0, self.homes.is_empty(), "homes");
        for (_, link) in &self.links {
            let endpoint = self.endpoints.get(link.endpoint);
            assert!(endpoint.is_some(), "a connection to nowhere");
            let closed = link.phase == Phase::Closed;
            assert!(!closed || link.is_free(), "closed with copies");
            assert!(!link.fresh || !link.is_free(), "given nothing");
        }
        self.endpoints.audit(|id| {
            let links = self.links.iter().filter(|(_, link)| link.endpoint == id);
            let copies = links.clone().map(|(_, link)| link.copies()).sum();
            (links.count(), copies)
        });
        for (id, endpoint) in self.endpoints.iter() {
            for idle in &endpoint.idle {
                let rests = self.links.get(idle.slot).is_some_and(|link| {
                    let resting = matches!(link.phase, Phase::Resting);
                    resting && link.is_free() && link.stop.is_none() && link.endpoint == id
                });
                assert!(rests, "an idle connection that is none");
            }
            for session in &endpoint.sessions {
                let usable = self.links.get(session.slot).is_some_and(|link| {
                    let there = link.phase != Phase::Closed && link.endpoint == id;
                    there && link.session.is_some() && link.stop.is_none()
                });
                assert!(usable, "a session that is none");
            }
            let gathering = endpoint.gathering;
            let there = |slot: usize| self.links.get(slot).is_some_and(|link| link.endpoint == id);
            assert!(
                gathering.is_none_or(|link| there(link.slot)),
                "gathers nowhere"
            );
        }
    }
}
