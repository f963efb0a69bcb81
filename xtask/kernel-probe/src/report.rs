//! What the task outside reads: one line a check, on the second serial port.
//!
//! ```text
//! kernel\t6.1.0-50-cloud-amd64
//! start\tload bpf
//! check\tload bpf\tok\t1.2\tdetail
//! end
//! ```

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

use crate::boot::Machine;

/// The ports that may carry the report: x86's second one, or a virtual one where there is only one.
const PORTS: [&str; 2] = ["/dev/hvc0", "/dev/ttyS1"];

/// How long the port may take to be there.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a check ended that did not fail.
pub(crate) enum Outcome {
    /// It did as it should; what was seen.
    Passed(String),
    /// This kernel lacks what the check is about.
    Absent(String),
}

/// How a check is tried.
type Try = dyn Fn(&Machine) -> Result<Outcome>;

/// One thing to try.
pub(crate) struct Check {
    /// The name of the check, a row of the matrix.
    pub(crate) name: String,
    /// How it is tried.
    pub(crate) run: Box<Try>,
}

impl Check {
    pub(crate) fn new(
        name: impl Into<String>,
        run: impl Fn(&Machine) -> Result<Outcome> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// Where the machine's results leave it: a serial port.
pub(crate) struct Report(Option<File>);

impl Report {
    /// Opens the port, which the kernel may make a moment after its module; without one all is said on
    /// the console only.
    pub(crate) fn open() -> Self {
        let open = |path| OpenOptions::new().write(true).open(path).ok();
        let start = Instant::now();
        loop {
            let port = PORTS.into_iter().find_map(open);
            if port.is_some() || start.elapsed() > PATIENCE {
                return Self(port);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Says which kernel this is.
    pub(crate) fn begin(&mut self, release: &str) {
        self.say(&["kernel", release]);
    }

    /// Runs a check and says how it went.
    pub(crate) fn run(&mut self, check: &Check, machine: &Machine) {
        self.say(&["start", &check.name]);
        let start = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| (check.run)(machine)));
        let done = done.unwrap_or_else(|_| Err(anyhow!("panicked")));
        let (verdict, detail) = match &done {
            Ok(Outcome::Passed(detail)) => ("ok", detail.clone()),
            Ok(Outcome::Absent(why)) => ("absent", why.clone()),
            Err(error) => {
                let whole = format!("{error:#}");
                eprintln!("── {} failed:\n{whole}", check.name);
                ("FAILED", whole)
            }
        };
        let detail: String = detail.lines().next().unwrap_or_default().into();
        let seconds = format!("{:.1}", start.elapsed().as_secs_f64());
        self.say(&["check", &check.name, verdict, &seconds, &detail]);
    }

    /// Says that all checks have run.
    pub(crate) fn end(&mut self) {
        self.say(&["end"]);
    }

    fn say(&mut self, fields: &[&str]) {
        let line = fields.join("\t");
        let written = self.0.as_mut().map(|port| writeln!(port, "{line}"));
        if !matches!(written, Some(Ok(()))) {
            println!("{line}");
        }
    }
}
