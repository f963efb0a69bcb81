//! `podmirror why`: what a reason of the ledger means, and what helps; and what was lost last.

mod lost;
pub(super) mod told;

use std::process::ExitCode;

use clap::Args;
use mirror_core::ledger::why::{ROWS, Row, find};

use super::UsageError;

/// Say why requests did not arrive: what a reason means, or what a running podmirror lost last
///
/// Whatever is not mirrored is counted under a reason, in the ledger and in the metrics. With REASON, says what it means
/// and what helps; with --admin, --flow, --id or --pcap, asks a running podmirror for the last losses (--keep-lost), of
/// that reason if one is given. Without anything, lists all reasons.
#[derive(Args, Clone, Debug)]
pub struct WhyArgs {
    /// The name of a reason, such as ring_full, or of one in a row of the ledger, such as requests.dropped.gap
    #[arg(value_name = "REASON")]
    reasons: Vec<String>,

    #[command(flatten)]
    lost: lost::LostArgs,
}

impl WhyArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if self.lost.is_asked() {
            if !self.reasons.is_empty() {
                // It has to exist.
                self.answer()?;
            }
            return self.lost.run(&self.reasons);
        }
        print!("{}", self.answer()?);
        Ok(ExitCode::SUCCESS)
    }

    fn answer(&self) -> Result<String, UsageError> {
        if self.reasons.is_empty() {
            return Ok(list());
        }
        explain(&self.reasons)
    }
}

/// What these reasons mean, and what helps.
pub(super) fn explain(reasons: &[String]) -> Result<String, UsageError> {
    let mut answers = Vec::new();
    for name in reasons {
        let before = answers.len();
        answers.extend(find(name).map(|(row, reason)| format!("{}.{reason}\n", row.path)));
        if answers.len() == before {
            return Err(UsageError(format!(
                "no reason is called {name:?}; `podmirror why` lists all"
            )));
        }
    }
    Ok(answers.join("\n"))
}

/// Every reason, by row.
fn list() -> String {
    let row = |row: &Row| {
        let reasons: Vec<_> = row.reasons.iter().map(|reason| reason.name).collect();
        format!("{}: {}\n", row.path, reasons.join(", "))
    };
    ROWS.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use clap::CommandFactory as _;
    use mirror_core::ledger::why::markdown;

    use super::*;
    use crate::cli::Cli;

    fn answer(reasons: &[&str]) -> Result<String, UsageError> {
        let reasons = reasons.iter().map(ToString::to_string).collect();
        let lost = lost::LostArgs::default();
        WhyArgs { reasons, lost }.answer()
    }

    #[test]
    fn a_reason_is_explained_in_every_row_that_has_it() {
        let said = answer(&["gap", "queue_full"]).unwrap();
        for part in [
            "bytes_lost.gap: ",
            "requests.dropped.gap: ",
            "requests.dropped.queue_full: ",
            "--queue",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(
            answer(&["gap", "gaps"])
                .unwrap_err()
                .to_string()
                .contains("\"gaps\"")
        );
        let all = answer(&[]).unwrap();
        assert!(all.contains("replies.failed: connect, tls, "), "{all}");
    }

    /// What is said to help can be typed.
    #[test]
    fn every_flag_that_is_said_to_help_exists() {
        let mut cli = Cli::command();
        cli.build();
        let arguments = cli.get_subcommands().flat_map(clap::Command::get_arguments);
        let flags: Vec<_> = arguments.filter_map(clap::Arg::get_long).collect();
        let mut checked = 0;
        let texts = ROWS
            .iter()
            .flat_map(|row| row.reasons)
            .flat_map(|reason| [reason.what, reason.helps]);
        for code in texts.flat_map(|text| text.split('`').skip(1).step_by(2)) {
            let Some(flag) = code.strip_prefix("--") else {
                continue;
            };
            let flag = flag.split(' ').next().unwrap_or_default();
            assert!(flags.contains(&flag), "--{flag}");
            checked += 1;
        }
        assert!(checked > 20, "{checked} flags only");
    }

    /// `PODMIRROR_BLESS=1` writes the page anew.
    #[test]
    fn the_page_of_losses_is_printed_from_the_table() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/LOSSES.md");
        if env::var_os("PODMIRROR_BLESS").is_some() {
            fs::write(&page, markdown()).unwrap();
        }
        let written = fs::read_to_string(&page).unwrap_or_default();
        let again = "PODMIRROR_BLESS=1 cargo test -p mirror-userspace --lib page_of_losses";
        assert_eq!(written, markdown(), "{again}");
    }
}
