//! Heads of replies: which fields there are, with which values.
//!
//! Nearly all pairs of heads have the same fields in the same order. That is seen line by line; only heads of which it is
//! not true are sorted by name.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use super::{found::Found, rules::ContentRules};

/// Most bytes of a name in the name of a difference.
const NAME: usize = 64;

/// A head, or the fields behind a body: its lines. A status line, and what is no field, is left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Head<'a>(Cow<'a, [u8]>);

impl<'a> Head<'a> {
    pub(super) const fn new(lines: &'a [u8]) -> Self {
        Self(Cow::Borrowed(lines))
    }

    fn fields(&self) -> Fields<'_> {
        Fields { rest: &self.0 }
    }

    /// The value of a field, several ones of the name joined; empty if there is none.
    pub(super) fn value(&self, name: &str) -> Cow<'_, [u8]> {
        let named = |field: &Field<'_>| field.name.eq_ignore_ascii_case(name.as_bytes());
        let mut values = self.fields().filter(named).map(|field| field.value);
        let first = values.next().unwrap_or_default();
        values.fold(first, |mut joined, value| {
            join(joined.to_mut(), &value);
            joined
        })
    }

    /// Takes out the fields of some names, which are given in lower case.
    pub(super) fn take(&mut self, wanted: &[&str]) -> Self {
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for field in self.fields() {
            let mut names = wanted.iter();
            let lines = match names.any(|it| field.name.eq_ignore_ascii_case(it.as_bytes())) {
                true => &mut taken,
                false => &mut left,
            };
            lines.extend_from_slice(field.name);
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(&field.value);
            lines.push(b'\n');
        }
        self.0 = left.into();
        Self(taken.into())
    }

    /// The fields by name, in lower case; several of a name are joined.
    fn by_name(&self) -> BTreeMap<String, Vec<u8>> {
        let mut fields: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for field in self.fields() {
            fields
                .entry(field.lower_name())
                .and_modify(|joined| join(joined, &field.value))
                .or_insert_with(|| field.value.into_owned());
        }
        fields
    }
}

/// One more value of a field (RFC 9110 section 5.2).
fn join(joined: &mut Vec<u8>, value: &[u8]) {
    joined.extend_from_slice(b", ");
    joined.extend_from_slice(value);
}

/// A field of a head.
struct Field<'a> {
    name: &'a [u8],
    value: Cow<'a, [u8]>,
}

impl Field<'_> {
    fn lower_name(&self) -> String {
        String::from_utf8_lossy(self.name).to_ascii_lowercase()
    }
}

/// The fields of a head, in order.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The next line without its end.
    fn line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest);
        let (line, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.get(1..).unwrap_or_default();
        Some(line)
    }

    /// Whether the next line goes on with the one before it (RFC 9112 section 5.2).
    fn is_folded(&self) -> bool {
        matches!(self.rest.first(), Some(b' ' | b'\t'))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            let is_folded = self.is_folded();
            let line = self.line()?;
            let Some(colon) = memchr::memchr(b':', line).filter(|_| !is_folded) else {
                continue;
            };
            let (name, value) = line.split_at(colon);
            let name = name.trim_ascii();
            if name.contains(&b' ') {
                continue;
            }
            let mut value = Cow::Borrowed(value.get(1..).unwrap_or_default().trim_ascii());
            while self.is_folded()
                && let Some(more) = self.line()
            {
                let value = value.to_mut();
                value.push(b' ');
                value.extend_from_slice(more.trim_ascii());
            }
            return Some(Field { name, value });
        }
    }
}

/// Whether two heads have the same fields in the same order, with the same values but for those `ignored`.
fn are_alike(ours: &Head<'_>, theirs: &Head<'_>, ignored: &BTreeSet<String>) -> bool {
    if ours.0 == theirs.0 {
        return true;
    }
    let mut theirs = theirs.fields();
    let mut ours = ours.fields();
    ours.all(|our| {
        theirs.next().is_some_and(|their| {
            our.name.eq_ignore_ascii_case(their.name)
                && (our.value == their.value || ignored.contains(&our.lower_name()))
        })
    }) && theirs.next().is_none()
}

/// Finds in which fields two heads differ, or two lists of trailers: `part` says which.
pub(super) fn compare(
    part: &str,
    [ours, theirs]: [&Head<'_>; 2],
    ignored: &BTreeSet<String>,
    rules: &ContentRules,
    found: &mut Found,
) {
    if are_alike(ours, theirs, ignored) {
        return;
    }
    let (ours, theirs) = (ours.by_name(), theirs.by_name());
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in names {
        let (our, their) = (ours.get(name), theirs.get(name));
        if our == their || ignored.contains(name) {
            continue;
        }
        let value = |value: &[u8]| match rules.is_redacted(name) {
            true => "redacted".to_owned(),
            false => String::from_utf8_lossy(value).into_owned(),
        };
        let name: String = name.chars().take(NAME).collect();
        let (our, their) = (our.map(|it| || value(it)), their.map(|it| || value(it)));
        found.add(&format!("{part} {name}"), our, their);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &[u8] =
        b"HTTP/1.1 200 OK\r\nA: 1\r\nb : x\r\n y\r\n\tz\r\nnone\r\n c: d\r\nA: 2\r\n\r\n";

    fn named(head: &Head<'_>) -> Vec<(String, Vec<u8>)> {
        head.by_name().into_iter().collect()
    }

    #[test]
    fn lines_are_joined_by_name_and_where_they_are_folded() {
        let head = Head::new(LINES);
        let wanted = [("a", &b"1, 2"[..]), ("b", b"x y z")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_vec()));
        assert_eq!(named(&head), wanted);
        let values = ["a", "A", "b", "c"].map(|name| head.value(name));
        assert_eq!(values, [&b"1, 2"[..], b"1, 2", b"x y z", b""]);
    }

    #[test]
    fn fields_are_taken_with_all_their_values() {
        let mut head = Head::new(LINES);
        let taken = head.take(&["a"]);
        assert_eq!(named(&taken), [("a".to_owned(), b"1, 2".to_vec())]);
        assert_eq!(named(&head), [("b".to_owned(), b"x y z".to_vec())]);
    }

    /// What is seen at a glance, and what is not, come to the same.
    #[test]
    fn heads_that_seem_alike_are() {
        let ignored = BTreeSet::from(["date".to_owned()]);
        let heads = [
            "a: 1\r\nb: 2\r\n",
            "A: 1\r\nB: 2\r\n",
            "b: 2\r\na: 1\r\n",
            "a: 1\r\nb: 2\r\nc: 3\r\n",
            "a: 1\r\na: 2\r\n",
            "a: 1, 2\r\n",
            "a: 1\r\n 2\r\n",
            "a: 1 2\r\n",
            "a: 1\r\ndate: 1\r\nb: 2\r\n",
            "a: 1\r\nDate: 2\r\nb: 2\r\n",
            "date: 2\r\na: 1\r\nb: 2\r\n",
            "",
        ];
        let mut alike = 0;
        for (ours, theirs) in heads.iter().flat_map(|one| heads.map(|other| (one, other))) {
            let pair = [ours, theirs].map(|lines| Head::new(lines.as_bytes()));
            let [ours, theirs] = &pair;
            let [mut our, mut their] = [ours, theirs].map(Head::by_name);
            our.remove("date");
            their.remove("date");
            let mut found = Found::default();
            let rules = ContentRules::default();
            compare("header", [ours, theirs], &ignored, &rules, &mut found);
            assert_eq!(found.changes.is_empty(), our == their, "{pair:?}");
            alike += usize::from(are_alike(ours, theirs, &ignored));
        }
        // Each with itself, and those that differ by case, by what is ignored, or by how a line is folded.
        assert_eq!(alike, heads.len() + 6);
    }
}
