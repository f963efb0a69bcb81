//! The differences between two JSON documents, named by their paths.

use std::fmt::Write as _;

use super::{
    found::Found,
    json::Json,
    rules::{ContentRules, ELEMENT},
};

/// Most bytes of a member's name in the name of a difference, and of all of them.
const NAME: usize = 64;
const NAMES: usize = 256;

/// Finds what differs between two documents.
pub(super) fn compare(ours: &Json, theirs: &Json, rules: &ContentRules, found: &mut Found) {
    let mut walk = Walk {
        rules,
        found,
        path: Vec::new(),
    };
    walk.compare(ours, theirs);
}

struct Walk<'a, 'b> {
    rules: &'b ContentRules,
    found: &'b mut Found,
    path: Vec<&'a str>,
}

impl<'a> Walk<'a, '_> {
    fn compare(&mut self, ours: &'a Json, theirs: &'a Json) {
        if self.found.is_full() {
            return;
        }
        match (ours, theirs) {
            (Json::Object(ours), Json::Object(theirs)) => self.members(ours, theirs),
            (
                Json::Array {
                    elements: ours,
                    ordered,
                },
                Json::Array {
                    elements: theirs, ..
                },
            ) => self.elements(ours, theirs, *ordered),
            _ if self.are_equal(ours, theirs) => {}
            _ => self.tell(Some(ours), Some(theirs)),
        }
    }

    fn members(&mut self, ours: &'a [(String, Json)], theirs: &'a [(String, Json)]) {
        let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
        loop {
            let (our, their) = (ours.peek(), theirs.peek());
            let (has_our, has_their) = match (our, their) {
                (None, None) => return,
                (Some(_), None) => (true, false),
                (None, Some(_)) => (false, true),
                (Some((our, _)), Some((their, _))) => (our <= their, their <= our),
            };
            let our = has_our.then(|| ours.next()).flatten();
            let their = has_their.then(|| theirs.next()).flatten();
            let Some((name, _)) = our.or(their) else {
                return;
            };
            self.path.push(name);
            match (our, their) {
                (Some((_, our)), Some((_, their))) => self.compare(our, their),
                (our, their) => self.tell(our.map(|it| &it.1), their.map(|it| &it.1)),
            }
            self.path.pop();
        }
    }

    fn elements(&mut self, ours: &'a [Json], theirs: &'a [Json], ordered: bool) {
        self.path.push(ELEMENT);
        if ordered {
            self.in_order(ours, theirs);
        } else {
            let (ours, theirs) = without_common(ours, theirs);
            self.side_by_side(&ours, &theirs);
        }
        self.path.pop();
    }

    fn in_order(&mut self, ours: &'a [Json], theirs: &'a [Json]) {
        let same_length = ours.len() == theirs.len();
        let mut pairs = ours.iter().zip(theirs);
        if same_length && pairs.all(|(our, their)| our == their) {
            return;
        }
        if same_length && hashes(ours) == hashes(theirs) {
            let name = self.name() + " order";
            let before = |elements: &'a [Json]| move || list(elements);
            return self
                .found
                .add(&name, Some(before(ours)), Some(before(theirs)));
        }
        let (ours, theirs): (Vec<_>, Vec<_>) = (ours.iter().collect(), theirs.iter().collect());
        self.side_by_side(&ours, &theirs);
    }

    fn side_by_side(&mut self, ours: &[&'a Json], theirs: &[&'a Json]) {
        for (our, their) in ours.iter().zip(theirs) {
            self.compare(our, their);
        }
        let common = ours.len().min(theirs.len());
        let (more, others) = (ours.get(common).copied(), theirs.get(common).copied());
        if more.is_some() || others.is_some() {
            self.tell(more, others);
        }
    }

    fn are_equal(&self, ours: &Json, theirs: &Json) -> bool {
        let (Some(our), Some(their)) = (number(ours), number(theirs)) else {
            return ours == theirs;
        };
        if let (Json::Whole(our), Json::Whole(their), 0.0) = (ours, theirs, self.rules.tolerance) {
            // Large ones are the same as real numbers.
            return our == their;
        }
        let largest = our.abs().max(their.abs());
        (our - their).abs() <= self.rules.tolerance * largest
    }

    fn tell(&mut self, ours: Option<&Json>, theirs: Option<&Json>) {
        let mut names = self.path.iter();
        let is_redacted = names.any(|name| self.rules.is_redacted(name));
        let value = |json: &Json| match is_redacted {
            true => "redacted".to_owned(),
            false => json.to_string(),
        };
        let name = self.name();
        let (ours, theirs) = (ours.map(|it| || value(it)), theirs.map(|it| || value(it)));
        self.found.add(&name, ours, theirs);
    }

    /// `json $.items[].price`
    fn name(&self) -> String {
        let mut name = "json $".to_owned();
        for part in &self.path {
            if name.len() > NAMES {
                name.push('…');
                break;
            }
            if *part == ELEMENT {
                name.push_str(ELEMENT);
                continue;
            }
            let end = (0..=NAME).rev().find(|at| part.is_char_boundary(*at));
            let part = end.and_then(|end| part.get(..end)).unwrap_or(part);
            let plain = |letter: char| letter.is_alphanumeric() || "_-".contains(letter);
            // Writing to a string does not fail.
            let _ = if !part.is_empty() && part.chars().all(plain) {
                write!(name, ".{part}")
            } else {
                write!(name, "[{part:?}]")
            };
        }
        name
    }
}

#[expect(clippy::cast_precision_loss, reason = "the tolerance is larger")]
const fn number(json: &Json) -> Option<f64> {
    match json {
        Json::Whole(number) => Some(*number as f64),
        Json::Real(number) => Some(*number),
        _ => None,
    }
}

fn hashes(elements: &[Json]) -> Vec<u64> {
    let mut hashes: Vec<_> = elements.iter().map(Json::hash).collect();
    hashes.sort_unstable();
    hashes
}

/// What only one of both has; both are in the order of their hashes.
fn without_common<'a>(ours: &'a [Json], theirs: &'a [Json]) -> (Vec<&'a Json>, Vec<&'a Json>) {
    let hashed = |elements: &'a [Json]| elements.iter().map(|it| (it.hash(), it)).peekable();
    let (mut ours, mut theirs) = (hashed(ours), hashed(theirs));
    let (mut ours_alone, mut theirs_alone) = (Vec::new(), Vec::new());
    loop {
        match (ours.peek(), theirs.peek()) {
            (None, None) => return (ours_alone, theirs_alone),
            (Some((our, _)), Some((their, _))) if our == their => {
                ours.next();
                theirs.next();
            }
            (Some((our, _)), their) if their.is_none_or(|(their, _)| our < their) => {
                ours_alone.extend(ours.next().map(|it| it.1));
            }
            _ => theirs_alone.extend(theirs.next().map(|it| it.1)),
        }
    }
}

/// The first elements of an array.
fn list(elements: &[Json]) -> String {
    let some: Vec<_> = elements.iter().take(16).map(Json::to_string).collect();
    some.join(", ")
}
