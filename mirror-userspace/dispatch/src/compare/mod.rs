//! The contents of replies, compared: heads field by field, bodies byte by byte or, of JSON, path by path.
//!
//! ```text
//! bytes of a reply ─► Kept, as it is read ─► Contents: until all versions answered ─► what differs
//! ```
//!
//! Replies come from whoever v2 is. What is kept is in a budget; a body decodes to four times of what is
//! kept of one at most, and a document has a limited depth and number of values. What does not fit is
//! counted as not compared.

mod body;
mod documents;
mod found;
pub(crate) mod grpc;
mod head;
mod json;
mod kept;
mod reply;
mod room;
mod rules;
mod same;
#[cfg(test)]
mod tests;
mod whole;

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, VecDeque},
    hash::{BuildHasher as _, Hash},
};

use mirror_core::{
    budget::Budget,
    random::Random,
    segment::Time,
    verdict::{Changes, Difference, NotCompared, Values},
};

pub(crate) use self::kept::{Fate, Kept};
use self::{body::Why, found::Found, reply::Reply, same::Earlier};
pub use self::{
    rules::{ContentRules, JsonPath},
    whole::{WholeReply, compare_replies},
};

/// Whose reply it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The reply of the baseline.
    Baseline,
    /// The reply of the candidate.
    Candidate,
    /// That of a second baseline, which shows what differs by itself.
    Second,
}

/// What came of the contents of a request's replies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) group: Box<str>,
    /// What differs at the candidate.
    pub(crate) candidate: Changes,
    /// What differs at a second baseline, or in the baseline's reply to the same request before, if there is one.
    pub(crate) second: Option<Changes>,
    /// Whether that is the baseline's own.
    pub(crate) repeats: bool,
    /// The candidate's differences that are not the second baseline's, if they are to be kept.
    pub(crate) kept: Option<Difference>,
}

/// A request that begins, as it is sent.
pub(crate) struct Asked<'a> {
    /// What begins with its method and its target.
    pub(crate) line: Cow<'a, [u8]>,
    /// The same number for the same requests, if that is known.
    pub(crate) same: Option<u64>,
}

/// A request whose replies are waited for.
#[derive(Debug)]
struct Open {
    group: Box<str>,
    same: Option<u64>,
    /// Its method and target, if differences are kept.
    request: String,
    replies: [Option<Box<Kept>>; 3],
}

/// The replies that wait for those of other versions.
#[derive(Debug)]
pub(crate) struct Contents<K> {
    rules: ContentRules,
    ignored: BTreeSet<String>,
    has_second: bool,
    /// Whether the baseline's replies are captured.
    captured: bool,
    random: foldhash::quality::RandomState,
    budget: Budget,
    /// Unless there is a second baseline.
    earlier: Earlier,
    open: HashMap<K, Open, foldhash::fast::RandomState>,
    /// In the order in which they began. Those that have ended may still be here.
    began: VecDeque<K>,
    /// Whether a reply found no memory since a request began.
    lacks_memory: bool,
    not_compared: NotCompared,
    /// Where one failed and the other did not, if differences are kept.
    unlike: Option<Difference>,
}

impl<K: Copy + Eq + Hash> Contents<K> {
    pub(crate) fn new(rules: ContentRules, has_second: bool) -> Self {
        Self {
            ignored: rules.ignored(),
            has_second,
            captured: false,
            random: foldhash::quality::RandomState::default(),
            budget: rules.budget(),
            earlier: Earlier::new(rules.memory / 4),
            open: HashMap::default(),
            began: VecDeque::new(),
            lacks_memory: false,
            not_compared: NotCompared::default(),
            unlike: None,
            rules,
        }
    }

    /// The baseline's replies are not received but captured, as far as they can be.
    pub(crate) fn of_captured(self) -> Self {
        Self {
            captured: true,
            ..self
        }
    }

    /// How many differences are kept.
    pub(crate) const fn keeps(&self) -> usize {
        self.rules.keep
    }

    /// A request begins: whether its replies are waited for is drawn. `asked` is told whether it matters which requests
    /// are the same. Returns the oldest one, if that is given up for it.
    pub(crate) fn begin<'a>(
        &mut self,
        key: K,
        group: &str,
        asked: impl FnOnce(bool) -> Asked<'a>,
    ) -> Option<K> {
        let drawn = Random::new(self.random.hash_one(key)).fraction();
        if drawn >= self.rules.rate.ratio() {
            return None;
        }
        let given_up = self.make_room();
        self.began.push_back(key);
        // A second baseline tells more.
        let asked = asked(!self.has_second);
        let open = Open {
            group: group.into(),
            same: asked.same,
            request: match self.rules.keep {
                0 => String::new(),
                _ => called(&asked.line),
            },
            replies: [None, None, None],
        };
        self.open.insert(key, open);
        given_up
    }

    /// What the request's reply is kept in; `None` if nobody waits for it.
    pub(crate) fn keep(&self, key: K) -> Option<Box<Kept>> {
        self.is_open(key)
            .then(|| Box::new(Kept::new(self.rules.body, self.budget.empty())))
    }

    /// Whether this request's replies are waited for.
    pub(crate) fn is_open(&self, key: K) -> bool {
        self.open.contains_key(&key)
    }

    /// One of its replies does not come, or not to its end.
    pub(crate) fn give_up(&mut self, key: K) {
        if self.open.remove(&key).is_some() {
            self.not_compared.incomplete += 1;
        }
    }

    /// No more replies will come.
    pub(crate) fn close(&mut self) {
        *match self.captured {
            true => &mut self.not_compared.not_captured,
            false => &mut self.not_compared.incomplete,
        } += self.open.len() as u64;
        self.open.clear();
        self.began.clear();
    }

    /// Where the memory of replies comes from.
    pub(crate) const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// One of its replies came. What came of it, with the last one.
    pub(crate) fn handle_reply(&mut self, key: K, part: Part, kept: Box<Kept>) -> Option<Judged> {
        self.lacks_memory |= kept.fate == Fate::NoRoom;
        let not_compared = &mut self.not_compared;
        let why_not = match kept.fate {
            Fate::Complete => None,
            Fate::Going => Some(&mut not_compared.incomplete),
            Fate::NoRoom => Some(&mut not_compared.no_room),
            Fate::Malformed => Some(&mut not_compared.malformed),
            Fate::NotCaptured => Some(&mut not_compared.not_captured),
            Fate::NotDecoded => Some(&mut not_compared.not_decoded),
        };
        if let Some(why_not) = why_not {
            *why_not += u64::from(self.open.remove(&key).is_some());
            return None;
        }
        let open = self.open.get_mut(&key)?;
        let [baseline, candidate, second] = &mut open.replies;
        *match part {
            Part::Baseline => baseline,
            Part::Candidate => candidate,
            Part::Second => second,
        } = Some(kept);
        let [Some(_), Some(_), second] = &open.replies else {
            return None;
        };
        if self.has_second && second.is_none() {
            return None;
        }
        let open = self.open.remove(&key)?;
        self.judge(open)
    }

    /// What was not compared since this was asked last.
    pub(crate) fn take_not_compared(&mut self) -> NotCompared {
        std::mem::take(&mut self.not_compared)
    }

    /// What differed in the request that was [handled](Self::handle_reply) last, if one version failed and the other did
    /// not: that is counted elsewhere, and kept as any difference is.
    pub(crate) fn take_unlike(&mut self) -> Option<Difference> {
        self.unlike.take()
    }

    fn judge(&mut self, open: Open) -> Option<Judged> {
        let [Some(ours), Some(theirs), second] = open.replies else {
            return None;
        };
        let same = open.same;
        let (mut our, mut their) = (Reply::new(&ours), Reply::new(&theirs));
        if our.kind() != their.kind() && self.rules.keep > 0 {
            self.unlike = Some(Difference {
                at: Time::default(),
                group: open.group.to_string(),
                request: open.request.clone(),
                values: vec![our.status_beside(&their)],
            });
        }
        let earlier = same.and_then(|same| self.earlier.take(same));
        // One that failed where this one did not, or the other way round, says nothing about fields.
        let earlier = earlier.as_deref().map(Reply::new);
        let earlier = earlier.filter(|earlier| earlier.kind() == our.kind());
        let repeats = earlier.is_some();
        let mut second = second.as_deref().map(Reply::new).or(earlier);
        let judged = self.judge_replies(&mut our, &mut their, second.as_mut());
        // One without its body would cost the next request the comparison of its own.
        if let Some(same) =
            same.filter(|_| !repeats && !ours.lacks_rest && !self.budget.is_scarce())
        {
            self.earlier.put(same, ours);
        }
        let (found, noise) = judged?;
        let by_itself = |field: &str| noise.as_ref().is_some_and(|noise| noise.has(field));
        let mut values = found.values.unwrap_or_default();
        values.retain(|it: &Values| !by_itself(&it.field));
        let kept = (!values.is_empty()).then(|| Difference {
            at: Time::default(),
            group: open.group.to_string(),
            request: open.request,
            values,
        });
        Some(Judged {
            group: open.group,
            candidate: found.changes,
            second: noise,
            repeats,
            kept,
        })
    }

    /// What differs at the candidate, and at a second baseline.
    fn judge_replies(
        &mut self,
        ours: &mut Reply<'_>,
        theirs: &mut Reply<'_>,
        second: Option<&mut Reply<'_>>,
    ) -> Option<(Found, Option<Changes>)> {
        let replies = || [&*ours, &*theirs].into_iter().chain(second.as_deref());
        if replies().any(|reply| reply.kind() != ours.kind()) {
            // That one of them fails is counted as what it is, and its page is another one.
            return None;
        }
        // What one of them lacks is compared between none of them, so that none seems to differ by it.
        let bodies = self.rules.body > 0 && !replies().any(|reply| reply.kept.lacks_rest);
        self.not_compared.not_captured += u64::from(self.rules.body > 0 && !bodies);
        let trailers = !replies().any(|reply| reply.kept.lacks_end);
        let parts = Parts { trailers, bodies };
        let judged = self.changes(ours, theirs, parts, self.rules.keep > 0);
        let noise = second.map(|it| self.changes(ours, it, parts, false));
        match (judged, noise.transpose()) {
            (Ok(found), Ok(noise)) => Some((found, noise.map(|found| found.changes))),
            (Err(why), _) | (_, Err(why)) => {
                *match why {
                    Why::TooLong => &mut self.not_compared.too_long,
                    Why::UnknownEncoding => &mut self.not_compared.unknown_encoding,
                    Why::TooDeep => &mut self.not_compared.too_deep,
                } += 1;
                None
            }
        }
    }

    fn changes(
        &self,
        ours: &mut Reply<'_>,
        theirs: &mut Reply<'_>,
        parts: Parts,
        with_values: bool,
    ) -> Result<Found, Why> {
        let mut found = Found {
            values: with_values.then(Vec::new),
            ..Found::default()
        };
        let (our, their) = (ours.kept.status, theirs.kept.status);
        if our != their {
            // What is in them is another matter then.
            found.add(
                "status",
                Some(|| our.to_string()),
                Some(|| their.to_string()),
            );
            return Ok(found);
        }
        let (our, their) = (ours.grpc_status(), theirs.grpc_status());
        if our != their {
            let value = |status: &[u8]| String::from_utf8_lossy(status).into_owned();
            found.add(
                "grpc-status",
                (!our.is_empty()).then_some(|| value(&our)),
                (!their.is_empty()).then_some(|| value(&their)),
            );
            return Ok(found);
        }
        let heads = [
            ("header", &ours.head, &theirs.head),
            ("trailer", &ours.trailers, &theirs.trailers),
        ];
        let heads = heads.into_iter().take(1 + usize::from(parts.trailers));
        for (part, ours, theirs) in heads {
            head::compare(part, [ours, theirs], &self.ignored, &self.rules, &mut found);
        }
        if parts.bodies && !ours.has_body_of(theirs) {
            let rules = &self.rules;
            body::compare(ours.body(rules), theirs.body(rules), rules, &mut found)?;
        }
        Ok(found)
    }
}

/// What of replies is compared beside their heads.
#[derive(Clone, Copy)]
struct Parts {
    trailers: bool,
    bodies: bool,
}

/// The method and target of a request.
fn called(head: &[u8]) -> String {
    const SHOWN: usize = 256;
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next();
    let mut words = line.unwrap_or_default().split(|byte| *byte == b' ');
    let words = [words.next(), words.next()].map(Option::unwrap_or_default);
    let text = words.map(String::from_utf8_lossy).join(" ");
    text.chars().take(SHOWN).collect()
}
