//! The packages of the workspace, as cargo reads their manifests.

use std::{collections::BTreeSet, env, process::Command};

use serde_json::Value;

use crate::source::root;

/// A package of the workspace by its manifest.
pub(crate) struct Package {
    pub(crate) name: String,
    /// What it is built with, features or not.
    pub(crate) uses: BTreeSet<String>,
    /// What its tests are built with besides.
    pub(crate) tests_with: BTreeSet<String>,
}

/// All packages of the workspace, as `cargo metadata` tells them.
pub(crate) fn packages() -> Vec<Package> {
    let told = Command::new(env::var_os("CARGO").unwrap())
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(told.status.success(), "{told:?}");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let package = |package: &Value| {
        let named = |of_tests: bool| {
            let all = package["dependencies"].as_array().unwrap().iter();
            all.filter(|dependency| (dependency["kind"] == "dev") == of_tests)
                .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
                .collect()
        };
        Package {
            name: package["name"].as_str().unwrap().to_owned(),
            uses: named(false),
            tests_with: named(true),
        }
    };
    let packages = told["packages"].as_array().unwrap();
    packages.iter().map(package).collect()
}
