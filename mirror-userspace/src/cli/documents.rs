//! `--config`: files of documents, or folders of them.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::Args;
use mirror_kubernetes::config::{self, Document, MAX_TEXT};

use super::UsageError;

/// The most files that are read of one folder.
const MAX_FILES: usize = 1_000;

/// Where the documents are.
#[derive(Args, Clone, Debug)]
pub struct DocumentArgs {
    /// Reads what to mirror from documents in a file, or in all .yaml, .yml and .json files of a folder;
    /// may be given several times.
    ///
    /// It acts on podmirror's own TrafficMirror, on Istio's VirtualService and DestinationRule, and on Gateway API's HTTPRoute, GRPCRoute
    /// and ReferenceGrant; `podmirror explain` says what each of them does.
    #[arg(long = "config", value_name = "FILE|DIR")]
    pub config: Vec<PathBuf>,
}

impl DocumentArgs {
    /// All documents of all files, which are read together: a subset may be defined in any of them.
    ///
    /// # Errors
    /// A [`UsageError`] if a file can't be read, or is no YAML.
    pub fn documents(&self) -> Result<Vec<Document>, UsageError> {
        let mut documents = Vec::new();
        for path in &self.config {
            for file in files(path)? {
                let name = file.display().to_string();
                let parsed = config::parse(&name, &read(&file)?);
                documents.extend(parsed.map_err(|error| UsageError(error.to_string()))?);
            }
        }
        Ok(documents)
    }
}

/// The file itself, or the files of a folder by name. What begins with a dot is left out: a mounted
/// ConfigMap keeps its older contents there.
fn files(path: &Path) -> Result<Vec<PathBuf>, UsageError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| unreadable(path, &error))? {
        let file = entry.map_err(|error| unreadable(path, &error))?.path();
        let extension = file.extension().and_then(|text| text.to_str());
        let hidden = file
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && matches!(extension, Some("yaml" | "yml" | "json")) && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() || files.len() > MAX_FILES {
        return Err(UsageError(format!(
            "--config {}: has {} files; accepted: 1 to {MAX_FILES} of .yaml, .yml or .json",
            path.display(),
            files.len()
        )));
    }
    files.sort();
    Ok(files)
}

/// A file's text, read only as far as it takes to see that it is too long.
fn read(path: &Path) -> Result<String, UsageError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| {
            let limit = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX);
            file.take(limit.saturating_add(1)).read_to_string(&mut text)
        })
        .map_err(|error| unreadable(path, &error))?;
    Ok(text)
}

fn unreadable(path: &Path, error: &std::io::Error) -> UsageError {
    UsageError(format!("--config {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_documents() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("b.yml", "b: 1\n---\nb: 2\n");
        write("a.json", "{\"a\": 1}");
        write("notes.txt", "no document");
        write(".hidden.yaml", "hidden: 1");
        let args = DocumentArgs {
            config: vec![folder.path().to_owned(), folder.path().join("a.json")],
        };
        let documents = args.documents().unwrap();
        let said: Vec<_> = documents
            .iter()
            .map(|document| document.value.to_string())
            .collect();
        assert_eq!(
            said,
            [r#"{"a":1}"#, r#"{"b":1}"#, r#"{"b":2}"#, r#"{"a":1}"#]
        );
        assert!(documents[1].origin.ends_with("b.yml, document 1"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error_of = |path: PathBuf| {
            let args = DocumentArgs { config: vec![path] };
            args.documents().unwrap_err().to_string()
        };
        assert!(
            error_of(folder.path().to_owned())
                .ends_with("accepted: 1 to 1000 of .yaml, .yml or .json")
        );
        assert!(error_of(folder.path().join("none.yaml")).contains("none.yaml: No such file"));
        fs::write(folder.path().join("bytes.yaml"), b"\xff\xfe\x00").unwrap();
        assert!(error_of(folder.path().join("bytes.yaml")).contains("UTF-8"));
        fs::write(folder.path().join("long.yaml"), " ".repeat(MAX_TEXT + 9)).unwrap();
        assert!(error_of(folder.path().join("long.yaml")).ends_with("is longer than 4 MiB"));
    }
}
