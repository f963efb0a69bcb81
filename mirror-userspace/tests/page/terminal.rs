//! A terminal of 80 columns and 24 rows, and all that is written to it.

use std::{
    io::{Read as _, Write as _},
    process::{ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use lab::{Namespace, Process};

pub(crate) const COLUMNS: usize = 80;
const PATIENCE: Duration = Duration::from_secs(30);

/// A program at a terminal (util-linux's `script` makes it); it ends when this is dropped.
pub(crate) struct Terminal {
    keys: ChildStdin,
    written: Arc<Mutex<Vec<u8>>>,
    process: Process,
}

impl Terminal {
    /// Starts a command of the shell inside the namespace, with these variables.
    pub(crate) fn start(namespace: &Namespace, shell: &str, variables: &[(&str, &str)]) -> Self {
        let sized = format!("stty cols {COLUMNS} rows 24; exec {shell}");
        let mut command = Command::new("script");
        command
            .args([
                "--quiet",
                "--return",
                "--flush",
                "--command",
                &sized,
                "/dev/null",
            ])
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = namespace.spawn(&mut command).unwrap();
        let keys = process.child().stdin.take().unwrap();
        let mut output = process.child().stdout.take().unwrap();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let writer = Arc::clone(&written);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                writer.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self {
            keys,
            written,
            process,
        }
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// All that was written so far, with what moves the cursor and sets colours.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    /// The lines of the last whole picture: all that was written between two jumps to the first corner.
    pub(crate) fn screen(&self) -> Vec<String> {
        let raw = self.raw();
        let pictures: Vec<&str> = raw
            .split("\u{1b}[1;1H")
            .filter(|it| !it.is_empty())
            .collect();
        let last = pictures.iter().rev().nth(1).copied().unwrap_or_default();
        let mut lines = vec![String::new()];
        let mut characters = last.chars();
        while let Some(character) = characters.next() {
            if character != '\u{1b}' {
                lines.last_mut().unwrap().push(character);
                continue;
            }
            let code: String = characters
                .by_ref()
                .skip(1)
                .take_while(|it| !it.is_ascii_alphabetic())
                .collect();
            // The final letter is taken as well: a jump to a line is the one with two numbers.
            if code.ends_with(";1") {
                lines.push(String::new());
            }
        }
        lines
    }

    /// Waits for a text on the screen, 30 s at most.
    pub(crate) fn wait(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.screen().iter().any(|line| line.contains(text)) {
            let screen = self.screen().join("\n");
            assert!(
                Instant::now() < deadline,
                "no {text:?} on the screen:\n{screen}\n{}",
                self.raw()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.process
            .wait_timeout(PATIENCE)
            .unwrap()
            .expect("it goes on")
    }
}
