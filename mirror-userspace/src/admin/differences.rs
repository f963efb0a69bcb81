//! `/differences`: the last replies of v2 that were not as v1's, with their values, where `--keep-differences` keeps some.
//!
//! They say what was asked and answered, so they are for the same as losses are: who comes by the unix socket or from
//! this machine.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Response};
use mirror_core::verdict::{Difference, Values};
use mirror_runtime::clock;
use serde::Serialize;

use super::{
    door::Client,
    lost::may_see,
    replies::told,
    routes::{Failure, JSON, Routes},
    snapshot::Snapshot,
};

/// Most differences in an answer: the newest.
const SHOWN: usize = 100;
/// Most fields of each.
const FIELDS: usize = 16;

#[derive(Serialize)]
struct Answer<'a> {
    /// Seconds since the Unix epoch.
    now: f64,
    /// The newest first.
    differences: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    rule: &'a str,
    /// Seconds since the Unix epoch.
    at: f64,
    group: &'a str,
    /// Its method and target, as copies have them.
    request: &'a str,
    values: &'a [Values],
    /// How many fields differ beside those.
    more: usize,
}

impl Routes {
    /// `GET /differences`.
    pub(super) async fn differences(
        &self,
        client: Client,
        fields: &HeaderMap,
    ) -> Response<Full<Bytes>> {
        let found = match may_see(client, fields) {
            Ok(()) => self.find_differences().await,
            Err(refusal) => Err(refusal),
        };
        told(JSON, found)
    }

    /// They, for who may see them.
    pub(super) async fn find_differences(&self) -> Result<Bytes, Failure> {
        let shown = self.shown().await?;
        Ok(render(&shown.snapshot, clock::epoch()))
    }
}

/// Those of all rules; with `epoch`, a time of theirs is one since the Unix epoch.
fn render(snapshot: &Snapshot, epoch: Duration) -> Bytes {
    let seconds = |nanos: u64| (epoch + Duration::from_nanos(nanos)).as_secs_f64();
    let mut all: Vec<(&str, &Difference)> = Vec::new();
    for mirror in &snapshot.mirrors {
        let differences = &mirror.counted.comparison.differences;
        all.extend(differences.iter().map(|it| (mirror.rule.as_str(), it)));
    }
    all.sort_by_key(|(_, difference)| std::cmp::Reverse(difference.at));
    let shown = all.into_iter().take(SHOWN).map(|(rule, difference)| {
        let values = &difference.values;
        let some = values.get(..FIELDS).unwrap_or(values);
        Shown {
            rule,
            at: seconds(difference.at.as_nanos()),
            group: &difference.group,
            request: &difference.request,
            values: some,
            more: values.len() - some.len(),
        }
    });
    let answer = Answer {
        now: seconds(clock::now().as_nanos()),
        differences: shown.collect(),
    };
    // Nothing in it has a key that is no string: it can be written.
    serde_json::to_vec(&answer).unwrap_or_default().into()
}
