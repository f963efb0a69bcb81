//! Steps with names, durations and results.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use console::{StyledObject, style};
use indicatif::ProgressBar;

/// What becomes of the output of a step's command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Shown if the step fails.
    OnFailure,
    /// Shown as it comes.
    Streamed,
}

/// How a step ended that did not fail.
pub(crate) struct Outcome {
    result: Verdict,
    note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Skipped,
    Failed,
}

impl Outcome {
    pub(crate) fn passed(note: impl Into<String>) -> Self {
        Self {
            result: Verdict::Passed,
            note: note.into(),
        }
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self {
            result: Verdict::Skipped,
            note: why.into(),
        }
    }

    /// What there is to say of it.
    pub(crate) fn note(&self) -> &str {
        &self.note
    }
}

pub(super) struct Runner {
    output: Output,
    done: Vec<(String, Duration, Outcome)>,
    tests: Tests,
}

impl Runner {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            done: Vec::new(),
            tests: Tests::default(),
        }
    }

    /// Runs a step that is code of ours.
    pub(super) fn step(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<Outcome>,
    ) -> Result<()> {
        let bar = self.announce(name);
        let start = Instant::now();
        let done = work();
        bar.finish_and_clear();
        let (outcome, result) = match done {
            Ok(outcome) => (outcome, Ok(())),
            Err(error) => {
                let failed = Outcome {
                    result: Verdict::Failed,
                    note: String::new(),
                };
                (failed, Err(error.context(format!("{name} failed"))))
            }
        };
        println!("{}", line(name, start.elapsed(), &outcome));
        self.done.push((name.to_owned(), start.elapsed(), outcome));
        result
    }

    /// Runs a step that is one command.
    pub(super) fn command(&mut self, name: &str, command: &mut Command) -> Result<()> {
        let shown = self.output;
        let mut tests = Tests::default();
        let done = self.step(name, || {
            let (text, success) = run(command, shown)?;
            tests = Tests::of(&text);
            if !success {
                if shown == Output::OnFailure {
                    eprintln!("{text}");
                }
                bail!("{}", words(command));
            }
            Ok(Outcome::passed(tests.to_string()))
        });
        self.tests.add(&tests);
        done
    }

    fn announce(&self, name: &str) -> ProgressBar {
        if self.output == Output::Streamed {
            println!("{}", style(format!("── {name}")).bold());
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner().with_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    /// One line a step, and one with the number of tests.
    pub(super) fn summarize(&self) {
        println!();
        for (name, time, outcome) in &self.done {
            println!("{}", line(name, *time, outcome));
        }
        let skipped: Vec<_> = self
            .done
            .iter()
            .filter(|(_, _, outcome)| outcome.result == Verdict::Skipped)
            .collect();
        for (name, _, outcome) in skipped {
            let loud = style(format!("SKIPPED: {name}: {}", outcome.note));
            println!("{}", loud.yellow().bold());
        }
        // A line of its own that machines can read.
        println!("{} passed, {} failed", self.tests.passed, self.tests.failed);
    }
}

fn line(name: &str, time: Duration, outcome: &Outcome) -> String {
    let mark: StyledObject<&str> = match outcome.result {
        Verdict::Passed => style("ok     ").green(),
        Verdict::Skipped => style("skipped").yellow(),
        Verdict::Failed => style("FAILED ").red().bold(),
    };
    let seconds = time.as_secs_f64();
    format!("{mark} {seconds:>7.1} s  {name:<22} {}", outcome.note)
}

/// Runs a command for its success; its output is the error's text.
pub(super) fn must_succeed(command: &mut Command) -> Result<()> {
    let (text, success) = run(command, Output::OnFailure)?;
    if !success {
        bail!("{}\n{text}", words(command));
    }
    Ok(())
}

/// All output, in the order of its lines, and whether the command succeeded.
fn run(command: &mut Command, shown: Output) -> Result<(String, bool)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| words(command))?;
    let text = Mutex::new(String::new());
    let collect = |pipe: Option<Box<dyn Read + Send>>| {
        let Some(pipe) = pipe else { return };
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if shown == Output::Streamed {
                // A closed terminal is no reason to stop.
                let _shown = std::io::stdout().write_all(&line);
            }
            if let Ok(mut text) = text.lock() {
                text.push_str(&String::from_utf8_lossy(&line));
            }
            line.clear();
        }
    };
    let stdout: Option<Box<dyn Read + Send>> = child.stdout.take().map(|pipe| Box::new(pipe) as _);
    let stderr: Option<Box<dyn Read + Send>> = child.stderr.take().map(|pipe| Box::new(pipe) as _);
    thread::scope(|scope| {
        scope.spawn(|| collect(stdout));
        scope.spawn(|| collect(stderr));
    });
    let success = child.wait()?.success();
    Ok((text.into_inner().unwrap_or_default(), success))
}

fn words(command: &Command) -> String {
    let arguments = command.get_args().map(|word| word.to_string_lossy());
    let words: Vec<_> = std::iter::once(command.get_program().to_string_lossy())
        .chain(arguments)
        .collect();
    words.join(" ")
}

/// What libtest says at the end of each binary, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tests {
    passed: u64,
    failed: u64,
}

impl Tests {
    fn of(text: &str) -> Self {
        let mut all = Self::default();
        for line in text
            .lines()
            .filter(|line| line.starts_with("test result: "))
        {
            let count = |what: &str| {
                let before = line.split_once(what).map(|(before, _)| before.trim_end());
                let word = before.and_then(|before| before.rsplit(' ').next());
                word.and_then(|word| word.parse().ok()).unwrap_or(0)
            };
            all.add(&Self {
                passed: count(" passed;"),
                failed: count(" failed;"),
            });
        }
        all
    }

    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl std::fmt::Display for Tests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self {
                passed: 0,
                failed: 0,
            } => Ok(()),
            Self { passed, .. } => write!(f, "{passed} tests"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_add_up() {
        let text = "running 2 tests\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test result: FAILED. 40 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        let expected = Tests {
            passed: 42,
            failed: 1,
        };
        assert_eq!(Tests::of(text), expected);
    }

    #[test]
    fn a_failing_command_fails_its_step_and_is_summarized() {
        let mut runner = Runner::new(Output::OnFailure);
        assert!(runner.command("true", &mut Command::new("true")).is_ok());
        let error = runner.command("false", Command::new("sh").args(["-c", "exit 3"]));
        assert!(format!("{:#}", error.unwrap_err()).contains("sh -c exit 3"));
        let verdicts: Vec<_> = runner
            .done
            .iter()
            .map(|(_, _, outcome)| outcome.result)
            .collect();
        assert_eq!(verdicts, [Verdict::Passed, Verdict::Failed]);
    }

    #[test]
    fn output_of_both_pipes_is_kept() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2"]);
        let (text, success) = run(&mut command, Output::OnFailure).unwrap();
        assert!(success && text.contains("out\n") && text.contains("err\n"));
    }
}
