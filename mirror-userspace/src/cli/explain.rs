//! `podmirror explain`: what documents would make the agent do.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Args;
use mirror_kubernetes::config;

use super::{UsageError, documents::DocumentArgs, terms_args::TermsArgs};

/// Say what a set of documents would mirror where, and which of their fields are not acted on
///
/// Reads what `podmirror agent --config` reads, and does nothing else. Services among them show where v1's service
/// selects v2's pods, too. What a document may not have is
/// shown with what would allow it. If a document is invalid, names it and the field, and ends with
/// exit code 2.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    #[command(flatten)]
    documents: DocumentArgs,
    #[command(flatten)]
    terms: TermsArgs,
}

impl ExplainArgs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        if self.documents.config.is_empty() {
            return Err(UsageError("explain needs --config FILE|DIR".to_owned()).into());
        }
        let plan = config::read(&self.documents.documents()?, &self.terms.clone().into())
            .map_err(|error| UsageError(error.to_string()))?;
        match write!(io::stdout(), "{plan}") {
            // Whoever reads may have seen enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}
