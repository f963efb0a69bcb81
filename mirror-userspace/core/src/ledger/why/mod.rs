//! What each reason of the ledger means, and what helps: said once, here, for people who ask why a request did
//! not arrive. `docs/LOSSES.md` is printed from it.

mod requests;
mod segments;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};

/// A part of the ledger whose counts go by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its path in the JSON of the ledger.
    pub path: &'static str,
    /// What it counts.
    pub counts: &'static str,
    /// The reasons, in the order in which a person would look for them.
    pub reasons: &'static [Reason],
}

/// Why something was not mirrored, or not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Its name in the ledger and, mostly, in the metrics.
    pub name: &'static str,
    /// What happened to what is counted under this name, in a sentence.
    pub what: &'static str,
    /// What a person can do about it, or why nothing is to be done.
    pub helps: &'static str,
}

/// All of them, in the order of a request's way.
pub const ROWS: [Row; 9] = [
    segments::SEGMENTS,
    segments::REFUSED,
    segments::UNPARSABLE,
    segments::IMPLAUSIBLE,
    segments::BYTES_LOST,
    requests::NOT_FOLLOWED,
    requests::NOT_WANTED,
    requests::DROPPED,
    requests::FAILED,
];

/// The reasons of this name, with the rows that they are in; several rows may have the same.
pub fn find(name: &str) -> impl Iterator<Item = (&'static Row, &'static Reason)> + use<'_> {
    let all = ROWS
        .iter()
        .flat_map(|row| row.reasons.iter().map(move |reason| (row, reason)));
    all.filter(move |(row, reason)| {
        reason.name == name
            || name
                .strip_prefix(row.path)
                .is_some_and(|rest| rest.strip_prefix('.') == Some(reason.name))
    })
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, what, helps } = self;
        write!(f, "{name}: {what}\n  {helps}")
    }
}

/// The table as a page of Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for Row {
        path,
        counts,
        reasons,
    } in ROWS
    {
        // Writing to a string does not fail.
        let _ = write!(
            page,
            "\n## `{path}`\n\n{counts}\n\n| reason | what happened | what helps |\n|---|---|---|\n"
        );
        for Reason { name, what, helps } in reasons {
            let _ = writeln!(page, "| `{name}` | {what} | {helps} |");
        }
    }
    page
}

const HEAD: &str = "# Why a request did not arrive

Whatever was not mirrored is counted under one of these reasons: in the ledger that `podmirror run` prints at the end (and on
SIGUSR1, and with `--ledger-json`), and in the metrics ([ADMIN.md](ADMIN.md)). `podmirror why REASON` prints the same text.
This page is made from the table in `mirror-userspace/core/src/ledger/why/`; a test holds the two together.
";
