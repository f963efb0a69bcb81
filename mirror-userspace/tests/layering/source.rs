//! Source files without what is no code.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A source file without its comments, literals and tests.
pub(crate) struct Source {
    /// From the repository's root.
    pub(crate) path: String,
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn all_in(folder: &str) -> Vec<Self> {
        let files = rust_files(&root().join(folder));
        assert!(!files.is_empty(), "no sources in {folder}");
        let sources = files.into_iter().filter(|path| !is_test(path));
        sources
            .map(|path| Self {
                code: code_of(&fs::read_to_string(&path).unwrap()),
                path: path.strip_prefix(root()).unwrap().display().to_string(),
            })
            .collect()
    }

    /// The top-level module that the file belongs to.
    pub(crate) fn module(&self) -> String {
        let (_, inside) = self.path.split_once("src/").unwrap();
        let first = inside.split('/').next().unwrap();
        first.trim_end_matches(".rs").to_owned()
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_test(path: &Path) -> bool {
    path.iter()
        .any(|part| part == "tests" || part == "tests.rs")
}

/// Takes off comments and string literals, and the test module that ends a file.
pub(crate) fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            end_of_string(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = &rest[skipped..];
    }
    code
}

fn end_of_string(text: &str) -> usize {
    let mut escaped = true; // The opening quote ends nothing.
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    text.len()
}

pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}
