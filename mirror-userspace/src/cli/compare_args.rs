//! Flags for comparing two targets.

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use mirror_core::{
    destination::TargetSpec,
    ledger::Ledger,
    policy::PathPattern,
    verdict::{Conditions, Level, Margins, Role, Terms},
};

use super::{
    UsageError,
    content_args::ContentArgs,
    page::Page,
    value::{part, percent},
};

/// How a target with role=baseline is compared with one with role=candidate.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Comparison")]
pub struct CompareArgs {
    /// Compares the target with role=candidate with v1 itself, whose replies are captured: not with --replies off;
    /// of a capture file, takes both directions. Latency is left out: v1's is taken at its own interface. Of what is
    /// in replies, only what was captured of v1's is compared: see --reply-head
    #[arg(long, value_name = "WITH")]
    pub compare: Option<With>,

    /// Groups the requests of a comparison by the first of these that their path matches; may be given several
    /// times [default: by the first part of the path]
    #[arg(long = "group-path", value_name = "PATTERN")]
    pub group_paths: Vec<PathPattern>,

    /// The probability of finding a difference that is not there, over all questions and however often
    /// one looks: above 0, below 1
    #[arg(long, value_name = "ALPHA", default_value = "0.05", value_parser = part)]
    pub alpha: f64,

    /// The smallest difference in the share of failed requests that matters
    #[arg(long, value_name = "PERCENT", default_value = "0.5%", value_parser = percent)]
    pub margin: f64,

    /// The smallest relative difference in latency that matters
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = percent)]
    pub latency_margin: f64,

    /// What of replies is compared.
    #[command(flatten)]
    pub contents: ContentArgs,
}

/// The values of `--compare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum With {
    /// v1's own replies
    V1,
}

impl CompareArgs {
    /// Refuses what can't be compared.
    ///
    /// # Errors
    /// A [`UsageError`] if v1 is to be compared and its replies are not captured, or nothing is to be compared
    /// with it; or if there are more than two baselines or one candidate.
    pub fn check(&self, targets: &[TargetSpec], replies: bool) -> Result<(), UsageError> {
        let count = |role| targets.iter().filter(|it| it.role == Some(role)).count();
        if count(Role::Baseline) > 2 || count(Role::Candidate) > 1 {
            return Err(UsageError(
                "--target: at most one has role=candidate and two have role=baseline (the second shows \
                 what differs by itself)"
                    .into(),
            ));
        }
        if self.compare.is_none() {
            return Ok(());
        }
        if !replies {
            return Err(UsageError("--compare v1: v1's replies are not captured; accepted without --replies off and --attach xdp".into()));
        }
        if !targets.iter().any(|it| it.role == Some(Role::Candidate)) {
            return Err(UsageError(
                "--compare v1: no --target has role=candidate".into(),
            ));
        }
        Ok(())
    }

    /// How the comparison is judged, where copies are what `policy` makes of requests.
    #[must_use]
    pub const fn terms(&self, conditions: Conditions) -> Terms {
        Terms {
            conditions,
            level: Level(self.alpha),
            margins: Margins {
                share: self.margin,
                latency: self.latency_margin,
            },
        }
    }
}

/// Where the verdict goes.
#[derive(Args, Clone, Debug)]
pub(super) struct VerdictFileArgs {
    /// Write the verdict of a comparison (targets with role=baseline and role=candidate) to this file,
    /// as JSON, at the end
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(super) verdict_json: Option<PathBuf>,

    /// Write the verdict to this file as a page of HTML, at the end: what was compared, what differs, how sure
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(super) report: Option<PathBuf>,
}

impl VerdictFileArgs {
    /// Whether there is something to write.
    pub(super) const fn is_wanted(&self) -> bool {
        self.verdict_json.is_some() || self.report.is_some()
    }

    /// Refuses a page about nothing.
    ///
    /// # Errors
    /// A [`UsageError`] if a page is wanted, and these targets are not compared.
    pub(super) fn check(
        &self,
        targets: &[TargetSpec],
        compare: &CompareArgs,
    ) -> Result<(), UsageError> {
        let roles: Vec<_> = targets.iter().map(|it| it.role).collect();
        if self.report.is_none() || Role::are_compared(&roles, compare.compare.is_some()) {
            return Ok(());
        }
        Err(UsageError(
            "--report: nothing is compared; give targets with role=baseline and role=candidate"
                .into(),
        ))
    }

    /// Writes the verdict on these targets where asked.
    ///
    /// # Errors
    /// It can't be written, or there is none and a page of it is wanted.
    pub(super) fn write(&self, ledger: &Ledger, targets: &[String]) -> anyhow::Result<()> {
        if let Some(path) = &self.verdict_json {
            let text = serde_json::to_string_pretty(&ledger.verdict)?;
            write(path, &text).with_context(|| format!("--verdict-json {}", path.display()))?;
        }
        if let Some(path) = &self.report {
            let verdict = ledger.verdict.as_ref();
            let report =
                verdict.context("--report: no targets with role=baseline and role=candidate")?;
            let page = Page { report, targets }.to_string();
            write(path, &page).with_context(|| format!("--report {}", path.display()))?;
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    writeln!(File::create(path)?, "{text}")
}

/// The targets of a comparison, as they are written.
pub(super) fn compared(targets: &[TargetSpec]) -> Vec<String> {
    let compared = targets.iter().filter(|it| it.role.is_some());
    compared.map(ToString::to_string).collect()
}
