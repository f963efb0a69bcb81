//! `kubectl podmirror status`: what is mirrored where, at what rate, and what was lost.

use std::{fmt::Write as _, process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use mirror_kubernetes::cluster::agents::AgentPod;
use serde_json::{Map, Value, json};
use tokio::time;

use super::{
    PARTLY,
    books::{balanced, filtered, lag, omitted, verdict},
    fleet::{Fleet, told_of},
    sum::add_up,
};
use crate::cli::{
    harmless::harmless,
    top::{
        self,
        books::{Pair, count, list, pairs, text},
    },
};

/// Pods that are listed one by one, unless all are asked for.
const PODS: usize = 20;

/// Show what is mirrored where, at what rate, and what was lost and why: all agents added up
///
/// Counts are those since the agents started; rates are those of --over. ERRORS are copies that v2 answered with a 5xx or
/// not at all. Ends with exit code 3 if some agents did not answer.
#[derive(Args, Clone, Debug)]
pub(super) struct StatusArgs {
    /// How it is shown
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    output: Output,

    /// How long the two looks are apart that rates are made of
    #[arg(long, value_name = "TIME", value_parser = crate::cli::value::duration, default_value = "1s")]
    over: Duration,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// Tables for people.
    Text,
    /// The same with every pod.
    Wide,
    /// One JSON document.
    Json,
}

/// One agent at two looks.
pub(super) struct Look<'a> {
    pub(super) agent: &'a AgentPod,
    pub(super) books: Result<[Value; 2]>,
}

/// Looks at the books of all agents twice.
async fn look(fleet: &Fleet, over: Duration) -> Vec<Look<'_>> {
    let first = fleet.read("/ledger").await;
    time::sleep(over).await;
    let second = fleet.read("/ledger").await;
    let both = first.into_iter().zip(second);
    both.map(|((agent, first), (_, second))| {
        let books = first.and_then(|first| {
            let books = [first, second?];
            let [first, second] = books.map(|it| serde_json::from_slice(&it));
            Ok([first?, second?])
        });
        Look { agent, books }
    })
    .collect()
}

impl StatusArgs {
    pub(super) async fn run(&self, fleet: &Fleet) -> Result<ExitCode> {
        let looks = look(fleet, self.over).await;
        let status = Status::of(&looks);
        match self.output {
            Output::Json => println!("{:#}", status.json()),
            Output::Text => print!("{}", status.text(PODS)),
            Output::Wide => print!("{}", status.text(usize::MAX)),
        }
        let silent = looks.iter().filter(|look| look.books.is_err()).count();
        if silent == looks.len() {
            bail!("none of the {silent} agents answered");
        }
        Ok(if silent > 0 {
            ExitCode::from(PARTLY)
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// What two looks at all agents come to.
pub(super) struct Status<'a> {
    looks: &'a [Look<'a>],
    before: Value,
    now: Value,
}

impl<'a> Status<'a> {
    pub(super) fn of(looks: &'a [Look<'a>]) -> Self {
        let at = |which: fn(&[Value; 2]) -> &Value| {
            let all = looks.iter().filter_map(|look| {
                let books = look.books.as_ref().ok()?;
                Some((look.agent.node.as_str(), which(books)))
            });
            add_up(&all.collect::<Vec<_>>())
        };
        Self {
            looks,
            before: at(|[before, _]| before),
            now: at(|[_, now]| now),
        }
    }

    fn per_second(&self, pair: &Pair<'_>, of: impl Fn(&Pair<'_>) -> f64) -> f64 {
        let uptime = |books| count(books, "uptime_seconds");
        let seconds = uptime(&self.now) - uptime(&self.before);
        let before = pairs(&self.before).into_iter();
        let mut before = before.filter(|it| (it.rule, it.target) == (pair.rule, pair.target));
        match before.next() {
            Some(before) if seconds > 0.0 => ((of(pair) - of(&before)) / seconds).max(0.0),
            _ => 0.0,
        }
    }

    pub(super) fn json(&self) -> Value {
        let nodes = self.looks.iter().map(|look| {
            let Look { agent, books } = look;
            let books = books.as_ref();
            let attachments = books.ok().map(|[_, now]| attachments(now));
            json!({
                "node": agent.node,
                "agent": agent.name,
                "ready": agent.ready,
                "answered": books.is_ok(),
                "error": books.err().map(|error| format!("{error:#}")),
                "attachments": attachments,
                "version": books.ok().map(|[_, now]| text(now, "version")),
                "uptime_seconds": books.ok().map(|[_, now]| count(now, "uptime_seconds")),
                "balanced": books.ok().and_then(balanced),
            })
        });
        let rules = pairs(&self.now).into_iter().map(|pair| {
            let rule = Self::rule(&self.now, pair.rule);
            let [errors, ended] = pair.errors();
            let losses = pair.losses().into_iter();
            let losses: Map<_, _> = losses
                .map(|(path, _, count)| (path, json!(count)))
                .collect();
            json!({
                "rule": pair.rule,
                "target": pair.target,
                "nodes": count(rule, "nodes"),
                "attachments": count(rule, "attachments"),
                "sample_ratio": pair.sample,
                "sample_ratio_least": Self::least(rule, &pair),
                "cap_copies_per_second": Self::target(rule, &pair).get("cap_copies_per_second"),
                "sent": pair.sent(),
                "sent_per_second": self.per_second(&pair, |it| it.sent()),
                "lost": pair.lost(),
                "lost_per_second": self.per_second(&pair, |it| it.lost()),
                "errors": errors,
                "ended": ended,
                "lag_p99_seconds": lag(&pair),
                "latency_p99_seconds": pair.p99(),
                "losses": losses,
                "verdict": verdict(&pair),
            })
        });
        let answered = self.looks.iter().filter(|look| look.books.is_ok()).count();
        json!({
            "agents": self.looks.len(),
            "answered": answered,
            "balanced": self.balanced(),
            "nodes": nodes.collect::<Value>(),
            "rules": rules.collect::<Value>(),
            "rules_stopped": self.now.get("rules_stopped"),
            "pods": self.now.get("pods"),
            "watches": self.now.get("watches"),
            "omitted": self.now.get("omitted"),
        })
    }

    fn rule<'b>(books: &'b Value, name: &str) -> &'b Value {
        let mut rules = list(books, "rules").iter();
        let found = rules.find(|rule| text(rule, "rule") == name);
        found.unwrap_or(&Value::Null)
    }

    fn target<'b>(rule: &'b Value, pair: &Pair<'_>) -> &'b Value {
        let mut targets = list(rule, "targets").iter();
        let found = targets.find(|it| text(it, "target") == pair.target);
        found.unwrap_or(&Value::Null)
    }

    fn least(rule: &Value, pair: &Pair<'_>) -> f64 {
        let least = Self::target(rule, pair).get("sample_ratio_least");
        least.and_then(Value::as_f64).unwrap_or(pair.sample)
    }

    /// The nodes whose books are like this.
    fn nodes(&self, like: Option<bool>) -> Vec<&str> {
        let looks = self.looks.iter();
        let found = looks.filter(|look| look.books.as_ref().is_ok_and(|it| balanced(it) == like));
        found.map(|look| look.agent.node.as_str()).collect()
    }

    fn balanced(&self) -> Option<bool> {
        if !self.nodes(Some(false)).is_empty() {
            return Some(false);
        }
        let known = !self.nodes(Some(true)).is_empty() && self.nodes(None).is_empty();
        known.then_some(true)
    }

    pub(super) fn text(&self, most_pods: usize) -> String {
        let mut out = String::new();
        let mut say = |line: String| {
            // Names are other people's; a `String` takes all that is written.
            let line: String = line.trim_end().chars().map(harmless).collect();
            let _written = writeln!(out, "{line}");
        };
        let answered = self.looks.iter().filter(|look| look.books.is_ok()).count();
        say(format!(
            "podmirror {} on {} nodes, of which {answered} answered",
            text(&self.now, "version"),
            self.looks.len(),
        ));
        for Look { agent, books } in self.looks {
            match books {
                Err(error) => say(format!(
                    "  no answer: {}",
                    told_of(agent, &format!("{error:#}"))
                )),
                Ok(_) if !agent.ready => {
                    say(format!("  not ready: {} ({})", agent.node, agent.name))
                }
                Ok(_) => {}
            }
        }
        if answered == 0 {
            return out;
        }
        say(String::new());
        self.rules(&mut say);
        self.losses(&mut say);
        self.pods(most_pods, &mut say);
        for stopped in list(&self.now, "rules_stopped") {
            say(format!(
                "stopped: {}: a part of its mirror panicked; it starts again when its document changes",
                stopped.as_str().unwrap_or_default()
            ));
        }
        for watch in list(&self.now, "watches") {
            if watch.get("up") == Some(&json!(false)) {
                say(format!(
                    "the API does not tell all agents of {}",
                    text(watch, "kind")
                ));
            }
        }
        for line in omitted(&self.now) {
            say(line);
        }
        match self.balanced() {
            Some(true) => say("books: balanced".to_owned()),
            Some(false) => {
                let nodes = self.nodes(Some(false)).join(", ");
                say(format!("books: do not balance on {nodes}"));
            }
            None => {
                let nodes = self.nodes(None).join(", ");
                say(format!("books: being counted on {nodes}"));
            }
        }
        out
    }

    fn rules(&self, say: &mut impl FnMut(String)) {
        let mut rows = vec![
            [
                "RULE", "TARGET", "NODES", "PODS", "SAMPLE", "SENT/s", "SENT", "ERRORS", "LAG P99",
                "LOST/s", "LOST",
            ]
            .map(str::to_owned),
        ];
        for pair in pairs(&self.now) {
            let rule = Self::rule(&self.now, pair.rule);
            let [errors, ended] = pair.errors();
            let least = Self::least(rule, &pair);
            let sample = top::percent(Some(pair.sample));
            rows.push([
                pair.rule.to_owned(),
                pair.target.trim_start_matches("http://").to_owned(),
                count(rule, "nodes").to_string(),
                count(rule, "attachments").to_string(),
                // Not all of them have it.
                match least < pair.sample {
                    true => format!("{}-{sample}", top::percent(Some(least))),
                    false => sample,
                },
                top::rate(self.per_second(&pair, |it| it.sent())),
                pair.sent().to_string(),
                top::percent((ended > 0.0).then(|| errors / ended)),
                top::time(lag(&pair)),
                top::rate(self.per_second(&pair, |it| it.lost())),
                pair.lost().to_string(),
            ]);
        }
        if rows.len() == 1 {
            say("nothing is mirrored: no agent has a rule".to_owned());
            return;
        }
        table(&rows, say);
    }

    fn losses(&self, say: &mut impl FnMut(String)) {
        let mut any = false;
        say(String::new());
        for pair in pairs(&self.now) {
            for (path, reason, counted) in pair.losses() {
                any = true;
                let Pair { rule, target, .. } = pair;
                let helps = reason.helps.replace('`', "");
                say(format!(
                    "lost: {counted} {path} ({rule} to {target}): {helps}"
                ));
            }
            for (filter, taken) in filtered(&pair) {
                let Pair { rule, target, .. } = pair;
                say(format!(
                    "filtered: {taken} by {filter} ({rule} to {target})"
                ));
            }
            if let Some(verdict) = verdict(&pair) {
                say(format!(
                    "verdict: {} to {}: {verdict}",
                    pair.rule, pair.target
                ));
            }
        }
        if !any {
            say("lost: nothing".to_owned());
        }
    }

    fn pods(&self, most: usize, say: &mut impl FnMut(String)) {
        say(String::new());
        let pods = list(&self.now, "pods");
        if pods.is_empty() {
            say("no pod is selected".to_owned());
            return;
        }
        let mut rows = vec![["POD", "NODE", "STATE", "RULE"].map(str::to_owned)];
        rows.extend(pods.iter().take(most).map(|pod| {
            let name = format!("{}/{}", text(pod, "namespace"), text(pod, "pod"));
            let [node, state, rule] = ["node", "state", "rule"].map(|it| text(pod, it).to_owned());
            [name, node, state, rule]
        }));
        table(&rows, say);
        if pods.len() > most {
            say(format!("and {} other pods (-o wide)", pods.len() - most));
        }
    }
}

pub(super) fn attachments(books: &Value) -> f64 {
    let rules = list(books, "rules").iter();
    rules.map(|rule| count(rule, "attachments")).sum()
}

/// Rows with their columns as wide as they have to be.
pub(super) fn table<const COLUMNS: usize>(
    rows: &[[String; COLUMNS]],
    say: &mut impl FnMut(String),
) {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        say(cells.join("  "));
    }
}
