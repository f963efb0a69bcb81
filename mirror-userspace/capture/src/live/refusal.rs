//! What a kernel said when it refused a program: the last lines of it, which tell the reason.

use std::{error::Error, fmt, fs, io};

use aya::programs::ProgramError;

use super::locked_memory;

/// How many lines of the verifier's log are told. The whole of it can have a megabyte.
const LINES: usize = 12;
/// The most bytes of them: a line has no limit of its own.
const BYTES: usize = 2_000;

/// The running kernel's release, as `uname -r` says it.
pub(super) fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}

/// A program that the kernel refused.
#[derive(Debug)]
struct Refusal {
    kernel: String,
    error: io::Error,
    /// The end of the verifier's log; empty if the verifier was not asked.
    log: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, error, log } = self;
        write!(f, "Linux {kernel} refused the kernel program: {error}")?;
        if log.is_empty() {
            return Ok(());
        }
        write!(
            f,
            "; the last that its verifier said (all of it with RUST_LOG=debug):"
        )?;
        log.lines().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl Error for Refusal {}

/// Makes an error for people of what loading a program came to. The whole log goes to the log, as
/// detail for who debugs.
pub(super) fn explain(error: ProgramError) -> anyhow::Error {
    let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = error
    else {
        return anyhow::Error::new(error).context("loading the kernel program");
    };
    let log = verifier_log.to_string();
    log::debug!("all that the verifier said:\n{log}");
    let remedy = locked_memory::map_remedy(&io_error);
    let refusal = anyhow::Error::new(Refusal {
        kernel: kernel_release(),
        log: end_of(&log).to_owned(),
        error: io_error,
    });
    match remedy {
        Some(remedy) if log.is_empty() => refusal.context(remedy),
        _ => refusal,
    }
}

/// The last lines of a log.
fn end_of(log: &str) -> &str {
    let log = log.trim_end_matches(['\0', '\n', ' ']);
    let mut start = log.len().saturating_sub(BYTES);
    while !log.is_char_boundary(start) {
        start += 1;
    }
    let end = log.get(start..).unwrap_or_default();
    let mut breaks = end.rmatch_indices('\n');
    let lines = breaks
        .nth(LINES - 1)
        .map_or(end, |(at, _)| end.get(at + 1..).unwrap_or_default());
    // A line that was cut in its middle says nothing, unless it is the only one.
    match lines.split_once('\n') {
        Some((_, whole)) if lines.len() == end.len() && start > 0 => whole,
        _ => lines,
    }
}

#[cfg(test)]
mod tests {
    use aya_obj::VerifierLog;

    use super::*;

    fn refused(log: &str) -> String {
        let error = explain(ProgramError::LoadError {
            io_error: io::Error::from_raw_os_error(nix::libc::EACCES),
            verifier_log: VerifierLog::new(log.to_owned()),
        });
        format!("{error:#}")
    }

    #[test]
    fn a_long_log_is_cut_to_its_last_lines() {
        let long: String = (0..50_000)
            .map(|line| format!("{line}: (b7) r0 = 0\n"))
            .collect();
        assert!(long.len() > 900_000);
        let said = refused(&format!(
            "{long}R3 min value is outside\nprocessed 9 insns\n\0"
        ));
        assert!(said.len() < BYTES + 300, "{said}");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 1 + LINES);
        let release = kernel_release();
        assert!(
            lines[0].starts_with(&format!("Linux {release} refused the kernel program: ")),
            "{said}"
        );
        assert!(lines[0].contains("Permission denied") && lines[0].contains("RUST_LOG"));
        assert_eq!(lines[1], "    49990: (b7) r0 = 0");
        assert_eq!(lines[LINES - 1], "    R3 min value is outside");
        assert_eq!(lines[LINES], "    processed 9 insns");
    }

    #[test]
    fn lines_without_end_are_cut_and_short_logs_stay() {
        assert_eq!(end_of("one\ntwo\n"), "one\ntwo");
        assert_eq!(end_of(""), "");
        let one = "é".repeat(5_000);
        let end = end_of(&one);
        assert!(end.len() <= BYTES && end.len() > BYTES - 4 && one.ends_with(end));
        let two = format!("{one}\nthe reason");
        assert_eq!(end_of(&two), "the reason", "half a line says nothing");
    }

    #[test]
    fn who_was_refused_before_the_verifier_was_asked_is_told_no_log() {
        let said = refused("");
        assert!(said.ends_with("(os error 13)"), "{said}");
    }
}
