//! What the spectator sees. Colours and bars only where they can be shown (`NO_COLOR` is obeyed).

use std::time::Duration;

use anyhow::Result;
use console::style;
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    acts::{Copies, Scene},
    stage::Stage,
};
use lab::{Ended, Mirror, load::Outcome};

pub(super) struct Screen;

impl Screen {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn say(&self, text: &str) {
        println!("{text}");
    }

    pub(super) fn good(&self, text: &str) {
        println!("\n{} {text}", style("✔").green().bold());
    }

    pub(super) fn act(&self, title: &str, what: &str) {
        println!("\n{}  {}", style(title).bold().cyan(), style(what).dim());
    }

    /// One line of somebody's: the client's, v2's log.
    pub(super) fn line(&self, who: &str, what: &str) {
        println!("  {:>9}  {what}", style(who).dim());
    }

    /// Shows that something takes its time.
    pub(super) fn during<T>(&self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        let done = work();
        bar.finish_and_clear();
        if done.is_ok() {
            println!("{} {what}", style("✔").green());
        }
        done
    }

    pub(super) fn progress(&self, total: u64) -> ProgressBar {
        let bar = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template("  {wide_bar:.cyan} {pos}/{len} requests") {
            bar.set_style(style);
        }
        bar
    }

    /// Starts the mirror and shows the command that does.
    pub(super) fn mirror(&self, stage: &Stage, sampling: &[&str]) -> Result<Mirror> {
        let arguments = stage.arguments(sampling).join(" ");
        self.line(
            "$",
            &style(format!("podmirror run {arguments}"))
                .bold()
                .to_string(),
        );
        let mirror = stage.mirror(sampling)?;
        for said in mirror.stderr().lines() {
            self.line("podmirror", said);
        }
        Ok(mirror)
    }

    pub(super) fn served(&self, outcome: &Outcome) {
        let [p50, p99] = quantiles(outcome);
        let answered = format!("answered {} of {} requests", outcome.answered, outcome.due);
        self.line("v1", &format!("{answered}, p50 {p50}, p99 {p99}"));
    }

    /// The ledger as podmirror prints it when it ends.
    pub(super) fn ledger(&self, ended: &Ended) {
        let text = if ended.stdout.trim().is_empty() {
            &ended.stderr
        } else {
            &ended.stdout
        };
        for line in text.lines().filter(|line| !line.starts_with("mirroring ")) {
            println!("  {} {line}", style("│").dim());
        }
    }

    pub(super) fn table(&self, scenes: &[Scene]) {
        let header = format!(
            "{:<14} {:>8} {:>9} {:>9} {:>9} {:>10} {:>10}   {}",
            "", "asked", "v1 served", "sent", "v2 got", "v1 p50", "v1 p99", "ledger"
        );
        println!("\n{}", style(header).bold());
        for scene in scenes {
            let [p50, p99] = quantiles(&scene.outcome);
            let (at_v2, ledger) = match &scene.copies {
                Copies::Unmirrored => (None, None),
                Copies::All { at_v2, ledger } | Copies::Some { at_v2, ledger } => {
                    (Some(*at_v2), Some(ledger))
                }
                Copies::Lost { ledger } => (None, Some(ledger)),
            };
            let sent = ledger.and_then(|ledger| ledger.count("/requests/sent").ok());
            let balance = match ledger {
                None => style("–").dim(),
                Some(ledger) if ledger.balanced() => style("balanced").green(),
                Some(_) => style("DOES NOT BALANCE").red().bold(),
            };
            println!(
                "{:<14} {:>8} {:>9} {:>9} {:>9} {p50:>10} {p99:>10}   {balance}",
                scene.name,
                scene.outcome.due,
                scene.outcome.answered,
                number(sent),
                number(at_v2),
            );
        }
        let note = "* with a new connection for each request: its latency has the handshake in it";
        println!("{}", style(note).dim());
    }
}

fn number(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}

fn quantiles(outcome: &Outcome) -> [String; 2] {
    match outcome.latencies.quantiles([0.5, 0.99]) {
        Some(found) => found.map(|time| format!("{} us", time.as_micros())),
        None => ["–", "–"].map(str::to_owned),
    }
}
