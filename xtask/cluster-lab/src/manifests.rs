//! The objects of `deploy/`, as kubectl and Helm make them of it.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::tools::{self, Tools};

/// The path of the folder `deploy/`.
#[must_use]
pub fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// What `kubectl apply -k` would send for a folder of `deploy/`, such as `base`.
///
/// # Errors
///
/// When the tools can't be had, or kustomize refuses.
pub fn kustomize(folder: &str) -> Result<Vec<Value>> {
    objects(
        tools::kubectl()?
            .arg("kustomize")
            .arg(deploy().join(folder)),
    )
}

/// The same for a kustomization of a user's own that puts the folder into another namespace.
///
/// # Errors
///
/// When the tools can't be had, or kustomize refuses.
pub fn kustomize_into(folder: &str, namespace: &str) -> Result<Vec<Value>> {
    kustomize_own(&format!(
        "namespace: {namespace}\nresources:\n  - DEPLOY/{folder}\n"
    ))
}

/// The same for a user's own kustomization, in which `DEPLOY` stands for the path of `deploy/`.
///
/// # Errors
///
/// When the tools can't be had, or kustomize refuses.
pub fn kustomize_own(text: &str) -> Result<Vec<Value>> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let own = std::env::temp_dir().join(format!(
        "podmirror-kustomize-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    fs::create_dir_all(&own)?;
    // A base is named by a relative path.
    let own = own.canonicalize()?;
    let up = "../".repeat(own.components().count() - 1);
    let base = deploy().canonicalize()?;
    let base = base.strip_prefix("/")?.display();
    let text = text.replace("DEPLOY", &format!("{up}{base}"));
    fs::write(own.join("kustomization.yaml"), text)?;
    let made = objects(tools::kubectl()?.arg("kustomize").arg(&own));
    fs::remove_dir_all(own)?;
    made
}

/// What `helm install podmirror` would send with these values (`name=value`).
///
/// # Errors
///
/// When the tools can't be had, or Helm refuses: unknown values, for one.
pub fn helm(release: &str, values: &[&str]) -> Result<Vec<Value>> {
    let values = values.iter().flat_map(|value| ["--set", value]);
    objects(
        tools::helm()?
            .args(["template", release])
            .arg(deploy().join("helm/podmirror"))
            .args(["--namespace", "podmirror"])
            .args(values),
    )
}

/// Holds objects against the JSON schemas of a version of Kubernetes; unknown fields are refused.
///
/// # Errors
///
/// With the validator's words.
pub fn validate(objects: &[Value], version: &str) -> Result<()> {
    let tools = Tools::require()?;
    let mut child = tools
        .validator()
        .args([
            "--strict",
            "--quiet",
            "--no-warn",
            "-k",
            version,
            "/dev/stdin",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    for object in objects {
        // JSON is YAML.
        writeln!(stdin, "---\n{object}")?;
    }
    drop(stdin);
    let output = child.wait_with_output()?;
    let words = [output.stdout, output.stderr].concat();
    let words = String::from_utf8_lossy(&words);
    ensure!(output.status.success(), "Kubernetes {version}: {words}");
    Ok(())
}

/// Reads an object as a type of the API, as the server does with `fieldValidation=Strict`: a field
/// that the type does not have is an error.
///
/// # Errors
///
/// With the paths of the fields that are unknown or have the wrong type.
pub fn decode<T: DeserializeOwned + Serialize>(object: &Value) -> Result<T> {
    let decoded: T = serde_json::from_value(object.clone())?;
    let known = serde_json::to_value(&decoded)?;
    let mut unknown = Vec::new();
    missing(object, &known, "", &mut unknown);
    ensure!(unknown.is_empty(), "unknown fields: {}", unknown.join(", "));
    Ok(decoded)
}

/// What `given` has and `known` has not.
fn missing(given: &Value, known: &Value, path: &str, found: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (name, value) in given {
                let path = format!("{path}.{name}");
                match known.get(name) {
                    Some(known) => missing(value, known, &path, found),
                    None => found.push(path),
                }
            }
        }
        (Value::Array(given), Value::Array(known)) => {
            for (index, (given, known)) in given.iter().zip(known).enumerate() {
                missing(given, known, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// What an object is known by: `DaemonSet podmirror`.
#[must_use]
pub fn name(object: &Value) -> String {
    let word = |path: &str| object.pointer(path).and_then(Value::as_str);
    let kind = word("/kind").unwrap_or("?");
    format!("{kind} {}", word("/metadata/name").unwrap_or("?"))
}

/// The one object of a kind.
///
/// # Errors
///
/// When there is none.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Result<&'a Value> {
    let mut objects = objects.iter();
    let found = objects.find(|object| object.pointer("/kind") == Some(&kind.into()));
    found.with_context(|| format!("no {kind}"))
}

fn objects(command: &mut Command) -> Result<Vec<Value>> {
    let text = tools::output(command)?;
    let objects = serde_saphyr::from_multiple::<Value>(&text)?;
    Ok(objects
        .into_iter()
        .filter(|object| !object.is_null())
        .collect())
}
