//! Chromium, driven by a script of ours (`browser.mjs`) through Playwright.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command, Stdio},
};

use lab::{Namespace, Process, packages};
use serde_json::{Value, json};

/// Where the packages are and the pictures go: `target/tmp/page`.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("page")
}

/// A running browser; it ends when this is dropped.
pub(crate) struct Browser {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    _process: Process,
}

/// How a page is looked at.
pub(crate) struct Look {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) scheme: &'static str,
}

impl Browser {
    /// Starts it inside the namespace. Chromium, node and the two packages are installed where they are
    /// missing; where they can't be had, the page is not tested, which is a failure.
    pub(crate) fn start(namespace: &Namespace) -> Self {
        let missing = "THE PAGE IS NOT TESTED: Chromium can't be had here";
        let [chromium, node] = install().expect(missing);
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
        let mut command = Command::new(node);
        command
            .arg(here.join("browser.mjs"))
            .arg(folder())
            .arg(chromium)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = namespace.spawn(&mut command).expect(missing);
        let commands = process.child().stdin.take().unwrap();
        let answers = BufReader::new(process.child().stdout.take().unwrap());
        Self {
            commands,
            answers,
            _process: process,
        }
    }

    /// Makes the first request for this file by the page that is opened next fail, as a network that changes does.
    pub(crate) fn lose(&mut self, path: &str) {
        self.ask(json!({"do": "lose", "path": path}));
    }

    /// Opens a page.
    pub(crate) fn open(&mut self, look: &Look, url: &str) {
        let Look {
            name,
            width,
            scheme,
        } = look;
        self.ask(json!({
            "do": "open", "name": name, "url": url, "width": width, "height": 800, "scheme": scheme,
        }));
    }

    /// Waits until an element has this text, 60 s at most.
    pub(crate) fn wait(&mut self, name: &str, selector: &str, text: &str) {
        self.ask(json!({"do": "wait", "name": name, "selector": selector, "text": text}));
    }

    /// The text of the first element.
    pub(crate) fn text(&mut self, name: &str, selector: &str) -> String {
        let text = self.ask(json!({"do": "text", "name": name, "selector": selector}));
        text.as_str().unwrap().to_owned()
    }

    /// Presses a key at an element.
    pub(crate) fn press(&mut self, name: &str, selector: &str, key: &str) {
        self.ask(json!({"do": "press", "name": name, "selector": selector, "key": key}));
    }

    /// What an expression is worth in the page, whose policy does not bind it.
    pub(crate) fn evaluate(&mut self, name: &str, script: &str) -> Value {
        self.ask(json!({"do": "evaluate", "name": name, "script": script}))
    }

    /// What axe-core calls serious or critical.
    pub(crate) fn inaccessible(&mut self, name: &str) -> Value {
        self.ask(json!({"do": "accessible", "name": name}))
    }

    /// Errors of scripts, and violations of the policy that the console was told of.
    pub(crate) fn wrong(&mut self) -> Value {
        self.ask(json!({"do": "wrong"}))
    }

    /// Keeps a picture of the whole page, for people.
    pub(crate) fn picture(&mut self, name: &str) {
        let path = folder().join(format!("{name}.png"));
        self.ask(json!({"do": "picture", "name": name, "path": path}));
    }

    fn ask(&mut self, command: Value) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the browser is gone: {command}");
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        assert!(answer.get("failed").is_none(), "{command}: {answer}");
        answer["done"].take()
    }
}

/// Chromium and node, with what is needed beside them in [`folder`].
fn install() -> anyhow::Result<[PathBuf; 2]> {
    if packages::find("chromium").is_none() {
        // Chromium comes without any font.
        packages::install(&["chromium", "fonts-dejavu-core"])?;
    }
    let programs = [packages::require("chromium")?, packages::require("node")?];
    let npm = packages::require("npm")?;
    fs::create_dir_all(folder())?;
    // Tests run side by side: one fetches, the others wait.
    let alone = File::create(folder().join("alone"))?;
    alone.lock()?;
    let lock = include_str!("package-lock.json");
    let done = folder().join("node_modules/of-lock.json");
    if fs::read_to_string(&done).is_ok_and(|of| of == lock) {
        return Ok(programs);
    }
    fs::write(folder().join("package.json"), include_str!("package.json"))?;
    fs::write(folder().join("package-lock.json"), lock)?;
    let output = Command::new(npm)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "npm ci: {said}");
    fs::write(done, lock)?;
    Ok(programs)
}
