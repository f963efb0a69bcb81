//! Every dependency's licence and origin, checked against `deny.toml` from cargo's own metadata.
//!
//! cargo-deny does this and more, but takes minutes to build; this takes a tenth of a second and
//! runs everywhere, so that no change brings in what may not be shipped.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{cargo, runner::Outcome};
use crate::step::workspace;

/// What is shipped for: `targets` of `deny.toml`.
const PLATFORMS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Checks the workspace and the kernel half, which has a lock file of its own.
///
/// # Errors
///
/// With one line for each package that is not allowed.
pub(super) fn check() -> Result<Outcome> {
    let file = fs::read_to_string(workspace().join("deny.toml")).context("deny.toml")?;
    let allowed = allowed(&file);
    let mut wrong = Vec::new();
    let mut count = 0;
    for manifest in ["Cargo.toml", "mirror-ebpf/Cargo.toml"] {
        let manifest = workspace().join(manifest);
        if !manifest.exists() {
            continue;
        }
        let output = cargo(&["metadata", "--format-version", "1"])
            .args(PLATFORMS.map(|platform| format!("--filter-platform={platform}")))
            .arg("--manifest-path")
            .arg(&manifest)
            .output()?;
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("cargo metadata for {}", manifest.display()))?;
        let packages = metadata.get("packages").and_then(Value::as_array);
        for package in packages.context("cargo metadata has no packages")? {
            count += 1;
            wrong.extend(objection(package, &allowed));
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(Outcome::passed(format!("{count} packages")))
}

/// The strings in `allow = [ … ]` of the `[licenses]` table.
fn allowed(file: &str) -> BTreeSet<&str> {
    let table = file.split_once("[licenses]").map_or("", |(_, rest)| rest);
    let list = table.split_once("allow = [").map_or("", |(_, rest)| rest);
    let list = list.split_once(']').map_or("", |(list, _)| list);
    list.split('"').skip(1).step_by(2).collect()
}

fn objection(package: &Value, allowed: &BTreeSet<&str>) -> Option<String> {
    let text = |key: &str| package.get(key).and_then(Value::as_str);
    let name = format!("{} {}", text("name")?, text("version")?);
    match text("source") {
        // Part of this repository.
        None => return None,
        Some(CRATES_IO) => {}
        Some(other) => return Some(format!("{name} comes from {other}")),
    }
    let Some(licence) = text("license") else {
        return Some(format!("{name} names no licence"));
    };
    (!is_allowed(licence, allowed)).then(|| format!("{name} is under {licence}"))
}

/// Of alternatives one must be allowed, of a conjunction all. Old manifests write `/` for `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
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

    #[test]
    fn expressions_are_judged_by_their_parts() {
        let allowed = allowed("[licenses]\nallow = [\n  \"MIT\",\n  \"ISC\",\n]\nx = [\"GPL\"]");
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
        let allowed = BTreeSet::from(["MIT"]);
        let package = |source: Option<&str>| serde_json::json!({"name": "a", "version": "1.0.0", "license": "MIT", "source": source});
        assert_eq!(objection(&package(None), &allowed), None);
        assert_eq!(objection(&package(Some(CRATES_IO)), &allowed), None);
        let git = objection(&package(Some("git+https://example.org/a")), &allowed);
        assert_eq!(git.unwrap(), "a 1.0.0 comes from git+https://example.org/a");
    }
}
