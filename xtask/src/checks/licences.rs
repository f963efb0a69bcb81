//! Every dependency's licence and origin, checked against `deny.toml` from cargo's own metadata.
//!
//! cargo-deny does this and more, but takes minutes to build; this takes a tenth of a second and
//! runs everywhere, so that no change brings in what may not be shipped.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use toml::Table;

use super::{cargo, runner::Outcome};
use crate::step::workspace;

/// The rules that `deny.toml` states.
#[derive(Debug, PartialEq, Eq)]
struct Rules {
    /// The platforms that podmirror is shipped for.
    platforms: Vec<String>,
    /// SPDX identifiers, some with an exception.
    licences: BTreeSet<String>,
    /// Sources as cargo names them: `registry+https://…`.
    sources: BTreeSet<String>,
}

impl Rules {
    fn parse(file: &str) -> Result<Self> {
        let file: Table = file.parse()?;
        let registries = strings(&file, "sources", "allow-registry")?.into_iter();
        Ok(Self {
            platforms: strings(&file, "graph", "targets")?,
            licences: strings(&file, "licenses", "allow")?.into_iter().collect(),
            sources: registries.map(|url| format!("registry+{url}")).collect(),
        })
    }
}

/// The list of strings under a key of a table.
fn strings(file: &Table, table: &str, key: &str) -> Result<Vec<String>> {
    let list = file.get(table).and_then(|table| table.get(key)?.as_array());
    let list = list.with_context(|| format!("no list {key} in [{table}]"))?;
    list.iter()
        .map(|value| value.as_str().map(ToOwned::to_owned))
        .collect::<Option<_>>()
        .with_context(|| format!("{key} in [{table}] has more than strings"))
}

/// Checks the workspace and the kernel half, which has a lock file of its own.
///
/// # Errors
///
/// With one line for each package that is not allowed.
pub(super) fn check() -> Result<Outcome> {
    let file = fs::read_to_string(workspace().join("deny.toml")).context("deny.toml")?;
    let rules = Rules::parse(&file).context("deny.toml")?;
    let platforms = rules.platforms.iter();
    let platforms: Vec<_> = platforms
        .map(|platform| format!("--filter-platform={platform}"))
        .collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for manifest in ["Cargo.toml", "mirror-ebpf/Cargo.toml"] {
        let manifest = workspace().join(manifest);
        if !manifest.exists() {
            continue;
        }
        let output = cargo(&["metadata", "--format-version", "1"])
            .args(&platforms)
            .arg("--manifest-path")
            .arg(&manifest)
            .output()?;
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("cargo metadata for {}", manifest.display()))?;
        let packages = metadata.get("packages").and_then(Value::as_array);
        for package in packages.context("cargo metadata has no packages")? {
            count += 1;
            wrong.extend(objection(package, &rules));
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(Outcome::passed(format!("{count} packages")))
}

fn objection(package: &Value, rules: &Rules) -> Option<String> {
    let text = |key: &str| package.get(key).and_then(Value::as_str);
    let name = format!("{} {}", text("name")?, text("version")?);
    match text("source") {
        // Part of this repository.
        None => return None,
        Some(source) if rules.sources.contains(source) => {}
        Some(other) => return Some(format!("{name} comes from {other}")),
    }
    let Some(licence) = text("license") else {
        return Some(format!("{name} names no licence"));
    };
    (!is_allowed(licence, &rules.licences)).then(|| format!("{name} is under {licence}"))
}

/// Of alternatives one must be allowed, of a conjunction all. Old manifests write `/` for `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    // `A AND (B OR C)`, the only nesting in use: each conjunct is judged by itself.
    expression.split(" AND ").all(|conjunct| {
        let conjunct = conjunct.trim().trim_matches(['(', ')']);
        conjunct
            .split(" OR ")
            .any(|licence| allowed.contains(licence.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

    fn rules() -> Rules {
        Rules::parse(
            "[graph]\ntargets = ['a-linux']\n\
             [licenses]\nallow = [\n  'MIT', # with a comment, ]\n  \"ISC\",\n]\nx = ['GPL']\n\
             [sources]\nallow-registry = ['https://github.com/rust-lang/crates.io-index']",
        )
        .unwrap()
    }

    #[test]
    fn rules_are_read_as_toml() {
        let rules = rules();
        assert_eq!(rules.platforms, ["a-linux"]);
        assert_eq!(rules.licences.iter().collect::<Vec<_>>(), ["ISC", "MIT"]);
        assert_eq!(rules.sources.iter().collect::<Vec<_>>(), [CRATES_IO]);
        let incomplete = Rules::parse("[licenses]\nallow = ['MIT']").unwrap_err();
        assert_eq!(
            incomplete.to_string(),
            "no list allow-registry in [sources]"
        );
    }

    #[test]
    fn this_projects_rules_can_be_read() {
        let file = fs::read_to_string(workspace().join("deny.toml")).unwrap();
        let rules = Rules::parse(&file).unwrap();
        assert!(rules.licences.contains("Apache-2.0 WITH LLVM-exception"));
        assert!(rules.sources.contains(CRATES_IO));
        assert_eq!(rules.platforms.len(), 2);
    }

    #[test]
    fn expressions_are_judged_by_their_parts() {
        let allowed = rules().licences;
        for fine in [
            "MIT",
            "Apache-2.0 OR MIT",
            "Apache-2.0/MIT",
            "ISC AND (MIT OR GPL)",
        ] {
            assert!(is_allowed(fine, &allowed), "{fine}");
        }
        for bad in [
            "GPL",
            "MIT AND GPL",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "",
        ] {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn only_crates_io_is_a_source() {
        let rules = rules();
        let package = |source: Option<&str>| serde_json::json!({"name": "a", "version": "1.0.0", "license": "MIT", "source": source});
        assert_eq!(objection(&package(None), &rules), None);
        assert_eq!(objection(&package(Some(CRATES_IO)), &rules), None);
        let git = objection(&package(Some("git+https://example.org/a")), &rules);
        assert_eq!(git.unwrap(), "a 1.0.0 comes from git+https://example.org/a");
    }
}
