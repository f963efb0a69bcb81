//! What rollout controllers make of a verdict, by the programs and libraries that they are made of: paths by
//! Kubernetes' own JSONPath, conditions by Argo's expressions, queries by Prometheus.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use lab::{Scratch, packages};
use serde_json::{Value, json};

use crate::tools;

const CONDITION: &str = include_str!("../programs/condition.go");
/// Where Debian has the sources of Go's packages.
const GO_PATH: &str = "/usr/share/gocode";

/// What a path such as `{$.verdict}` finds in a document.
///
/// # Errors
///
/// Without kubectl, or when the path is none.
pub fn json_path(document: &Value, path: &str) -> Result<String> {
    // kubectl takes objects only, of a kind that it knows; what else is in them stays.
    let mut object = document.as_object().context("no object")?.clone();
    object.insert("apiVersion".to_owned(), json!("v1"));
    object.insert("kind".to_owned(), json!("ConfigMap"));
    object.insert("metadata".to_owned(), json!({"name": "a"}));
    let object = Value::Object(object);
    let folder = Scratch::create("rollouts")?;
    let file = folder.path().join("object.json");
    fs::write(&file, object.to_string())?;
    let mut kubectl = tools::kubectl()?;
    kubectl.args(["annotate", "--local", "a=b", "-f"]).arg(file);
    tools::output(kubectl.args(["-o", &format!("jsonpath={path}")]))
}

/// Argo's conditions.
#[derive(Debug)]
pub struct Conditions {
    program: PathBuf,
}

impl Conditions {
    /// Installs what they need, unless it is there.
    ///
    /// # Errors
    ///
    /// Without Go and Debian's package of the library, and when they can't be installed.
    pub fn install() -> Result<()> {
        let library = Path::new(GO_PATH).join("src/github.com/antonmedv/expr");
        packages::install_unless(&["golang-go", "golang-github-antonmedv-expr-dev"], || {
            packages::find("go").is_some() && library.exists()
        })
    }

    /// Builds the program that says what they come to, in a folder that nobody else may write to.
    ///
    /// # Errors
    ///
    /// When it does not compile.
    pub fn build(folder: &Path) -> Result<Self> {
        let folder = folder.join("condition");
        fs::create_dir_all(&folder)?;
        let (source, program) = (folder.join("condition.go"), folder.join("condition"));
        fs::write(&source, CONDITION)?;
        let mut go = Command::new(packages::find("go").context("no `go`")?);
        go.args(["build", "-o"])
            .args([&program, &source])
            .env("GO111MODULE", "off")
            .env("GOPATH", GO_PATH)
            .env("GOFLAGS", "")
            .env("GOCACHE", folder.join("cache"));
        tools::run(&mut go)?;
        Ok(Self { program })
    }

    /// Whether each holds of a result.
    ///
    /// # Errors
    ///
    /// When one is no condition.
    pub fn hold<const N: usize>(&self, result: &Value, conditions: [&str; N]) -> Result<[bool; N]> {
        let mut condition = Command::new(&self.program);
        let said = tools::output(condition.arg(result.to_string()).args(conditions))?;
        let said: Vec<_> = said.lines().map(|line| line == "true").collect();
        said.try_into().ok().context("not one line for each")
    }
}

/// Whether Prometheus answers a query with this value, or, if it is `None`, with nothing, where there are these series
/// with these values.
///
/// # Errors
///
/// When it answers otherwise: with what it answers.
pub fn query(text: &str, series: &[(&str, f64)], value: Option<f64>) -> Result<()> {
    let series = series
        .iter()
        .map(|(name, value)| json!({"series": name, "values": value.to_string()}));
    let samples = value.map(|value| json!({"labels": "{}", "value": value}));
    let test = json!({"tests": [{
        "interval": "1m",
        "input_series": series.collect::<Vec<_>>(),
        "promql_expr_test": [{
            "expr": text,
            "eval_time": "0m",
            "exp_samples": samples.into_iter().collect::<Vec<_>>(),
        }],
    }]});
    let folder = Scratch::create("query")?;
    // JSON is YAML.
    let file = folder.path().join("test.yaml");
    fs::write(&file, test.to_string())?;
    let mut promtool = Command::new(packages::require("promtool")?);
    tools::run(promtool.args(["test", "rules"]).arg(file))
}
