//! Holds the files around the code: what GitHub runs and shows, and where the repository is said to be.
//!
//! GitHub tells of a mistake in them only when it is too late: a weekly run that never starts, a
//! release without its image.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Parser as _;
use serde_json::Value;

use crate::{Task, step::workspace};

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// A file of the repository.
struct Text {
    /// From the repository's root.
    path: String,
    content: String,
}

impl Text {
    fn read(path: &Path) -> Self {
        Self {
            path: path
                .strip_prefix(workspace())
                .unwrap()
                .display()
                .to_string(),
            content: fs::read_to_string(path).unwrap(),
        }
    }

    /// Files below a folder with one of these endings, in order. What is built or fetched is not among them.
    fn all_in(folder: &str, endings: &[&str]) -> Vec<Self> {
        let mut found = Vec::new();
        let mut folders = vec![workspace().join(folder)];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).unwrap_or_else(|_| panic!("{}", folder.display()));
            let entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
            for path in entries {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_dir() && !path.is_symlink() {
                    if !["target", ".git", "corpus", "artifacts"].contains(&name.as_str()) {
                        folders.push(path);
                    }
                } else if endings.iter().any(|ending| name.ends_with(ending)) {
                    found.push(Self::read(&path));
                }
            }
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        assert!(!found.is_empty(), "nothing in {folder}");
        found
    }

    fn yaml(&self) -> Value {
        serde_saphyr::from_str(&self.content)
            .unwrap_or_else(|error| panic!("{}: {error}", self.path))
    }
}

fn workflows() -> Vec<Text> {
    Text::all_in(".github/workflows", &[".yml", ".yaml"])
}

/// Every value under that key, however deep.
fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(key));
            fields.values().for_each(|value| all(value, key, found));
        }
        Value::Array(values) => values.iter().for_each(|value| all(value, key, found)),
        _ => {}
    }
}

/// The words after each `cargo xtask` in a script, up to the end of that command. What only the shell
/// knows is taken for a 1, and for nothing where it is not quoted: then it may be empty.
fn tasks(script: &str) -> Vec<Vec<String>> {
    let script = script.replace("\\\n", " ");
    let commands = script.split(['\n', '|', ';', '&']);
    let behind = commands.filter_map(|command| Some(command.split_once("cargo xtask ")?.1));
    behind
        .map(|words| {
            let words = words.split_whitespace();
            let words = words.filter(|word| !word.starts_with('$'));
            words
                .map(|word| match word.contains('$') {
                    true => "1".to_owned(),
                    false => word.trim_matches(['"', '\'']).to_owned(),
                })
                .collect()
        })
        .collect()
}

#[test]
fn every_yaml_file_of_github_parses() {
    for file in Text::all_in(".github", &[".yml", ".yaml"]) {
        assert!(file.yaml().is_object(), "{}", file.path);
    }
}

#[test]
fn workflows_run_tasks_that_there_are() {
    let mut count = 0;
    for file in Text::all_in(".github", &[".yml", ".yaml"]) {
        let yaml = file.yaml();
        let mut scripts = Vec::new();
        all(&yaml, "run", &mut scripts);
        for script in scripts.into_iter().filter_map(Value::as_str) {
            for words in tasks(script) {
                count += 1;
                let line = ["cargo xtask".to_owned()].into_iter().chain(words.clone());
                if let Err(error) = Task::try_parse_from(line) {
                    panic!("{}: cargo xtask {}: {error}", file.path, words.join(" "));
                }
            }
        }
    }
    assert!(count > 0, "no workflow runs a task");
}

#[test]
fn workflows_ask_for_no_more_than_they_need() {
    for file in workflows() {
        let yaml = file.yaml();
        let permissions = &yaml["permissions"];
        assert_eq!(permissions["contents"], "read", "{}", file.path);
        assert_eq!(permissions.as_object().unwrap().len(), 1, "{}", file.path);
        assert!(yaml["concurrency"]["group"].is_string(), "{}", file.path);
        for (name, job) in yaml["jobs"].as_object().unwrap() {
            assert!(job["timeout-minutes"].is_u64(), "{}: {name}", file.path);
        }
        assert!(!file.content.contains("secrets."), "{}", file.path);
    }
}

#[test]
fn the_oldest_rust_is_the_one_that_is_tried() {
    let msrv = Text::read(&workspace().join(".github/workflows/msrv.yml")).yaml();
    let tried = &msrv["jobs"]["check"]["env"]["RUSTUP_TOOLCHAIN"];
    assert_eq!(tried, env!("CARGO_PKG_RUST_VERSION"));
}

/// A tag can be moved to other code; a commit cannot.
#[test]
fn actions_of_others_are_pinned() {
    for file in Text::all_in(".github", &[".yml", ".yaml"]) {
        for line in file.content.lines() {
            let Some((_, action)) = line.split_once("uses: ") else {
                continue;
            };
            if action.starts_with("./") {
                let local = workspace().join(action.trim()).join("action.yml");
                assert!(local.is_file(), "{}: {line}", file.path);
                continue;
            }
            let (_, version) = action.split_once('@').unwrap();
            let (commit, tag) = version.split_once(" # v").unwrap_or((version, ""));
            let is_commit = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(is_commit && !tag.is_empty(), "{}: {line}", file.path);
        }
    }
}

#[test]
fn documents_name_tasks_that_there_are() {
    let known = <Task as clap::CommandFactory>::command();
    for file in Text::all_in("", &[".md"]) {
        for rest in file.content.split("cargo xtask ").skip(1) {
            let in_name = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
            let task: String = rest.chars().take_while(in_name).collect();
            let is_task = known.find_subcommand(&task).is_some() || task.starts_with("--");
            assert!(is_task, "{}: cargo xtask {task}", file.path);
        }
    }
}

/// `repository` in Cargo.toml is where it stands; who moves the project changes that and is told of the rest.
#[test]
fn the_address_is_one() {
    let chart = Text::read(&workspace().join("deploy/helm/podmirror/Chart.yaml")).yaml();
    assert_eq!(chart["home"], REPOSITORY);
    assert_eq!(chart["sources"], serde_json::json!([REPOSITORY]));

    let (_, name) = REPOSITORY.rsplit_once('/').unwrap();
    let mut wrong = Vec::new();
    for file in Text::all_in("", &[".md", ".toml", ".yml", ".yaml", ".txt", ".rs"]) {
        for (at, host) in file.content.match_indices("https://github.com/") {
            let address = &file.content[at..];
            let mut parts = address[host.len()..].split(|c: char| !c.is_alphanumeric() && c != '-');
            if parts.nth(1) == Some(name) && !address.starts_with(REPOSITORY) {
                let line = file.content[..at].lines().count();
                wrong.push(format!("{}:{line}", file.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "not at {REPOSITORY}");
}

/// A release takes its notes from the version's section (`.github/workflows/release.yml`).
#[test]
fn the_changelog_knows_the_version() {
    let version = env!("CARGO_PKG_VERSION");
    let changelog = Text::read(&workspace().join("CHANGELOG.md")).content;
    let sections: Vec<_> = changelog
        .lines()
        .filter_map(|line| Some(line.strip_prefix("## [")?.split_once(']')?.0))
        .collect();
    assert_eq!(sections.first(), Some(&"Unreleased"));
    assert_eq!(sections.get(1), Some(&version));
    for section in sections {
        let link = format!("\n[{section}]: {REPOSITORY}/");
        assert!(changelog.contains(&link), "no link for {section}");
    }
}

mod the_checks_themselves {
    use super::*;

    #[test]
    fn see_every_task_in_a_script() {
        let script = "mkdir a && cargo xtask image --output \"a/$B.tar\" \\\n  --tag 'x' $C | cat\ncargo xtask ci";
        let expected: [&[&str]; 2] = [&["image", "--output", "1", "--tag", "x"], &["ci"]];
        assert_eq!(tasks(script), expected);
        assert!(Task::try_parse_from(["cargo xtask", "no-such-task"]).is_err());
        assert!(Task::try_parse_from(["cargo xtask", "image", "--no-such-flag"]).is_err());
    }
}
