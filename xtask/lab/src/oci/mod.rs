//! Container images without a container engine: files in, one archive out.
//!
//! An image from scratch is a few JSON documents and a tar of its files, all named by their hash
//! (OCI image specification 1.1, image layout). The archive also has the `manifest.json` of
//! `docker save`, so that `docker load`, `podman load`, `kind load image-archive` and `ctr image
//! import` all take it. The same files make the same bytes: names are sorted, owners are root, and
//! every time is the epoch.

mod tar;

use std::{io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use tar::Tar;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// What an image is made of.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// The reference that it is known by where it is loaded, with its tag: `registry/name:tag`.
    pub reference: &'a str,
    /// Executable files, each with its path inside, which has no leading slash.
    pub programs: Vec<(&'a str, Vec<u8>)>,
    /// The path of the program that runs, with a leading slash.
    pub entrypoint: &'a str,
    /// The architecture of the programs, as Go calls it: `amd64`, `arm64`.
    pub architecture: &'a str,
    /// Labels such as `org.opencontainers.image.version`.
    pub labels: Vec<(&'a str, &'a str)>,
}

/// An image as one file, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Archive {
    /// The file's content: a tar.
    pub bytes: Vec<u8>,
    /// What a registry would name it by: `sha256:…` of its manifest.
    pub digest: String,
    /// Bytes of the compressed layer, which is what a node downloads.
    pub download: usize,
}

impl Image<'_> {
    /// Packs the image.
    ///
    /// # Errors
    ///
    /// When a path is longer than 100 bytes.
    pub fn pack(&self) -> Result<Archive> {
        let files = self.layer()?;
        let layer = Blob::new(LAYER, gzip(&files)?);
        let labels = self.labels.iter();
        let labels = labels.map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        let config = Blob::json(
            CONFIG,
            &json!({
                "created": EPOCH,
                "architecture": self.architecture,
                "os": "linux",
                "config": {
                    "Entrypoint": [self.entrypoint],
                    // `kubectl exec … -- PROGRAM` finds it by its name.
                    "Env": [format!("PATH={}", self.path())],
                    "WorkingDir": "/",
                    "Labels": labels.collect::<serde_json::Map<_, _>>(),
                },
                "rootfs": {"type": "layers", "diff_ids": [digest(&files)]},
                "history": [{"created": EPOCH, "created_by": "cargo xtask image"}],
            }),
        );
        let manifest = Blob::json(
            MANIFEST,
            &json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config.descriptor(),
                "layers": [layer.descriptor()],
            }),
        );
        Ok(Archive {
            bytes: self.archive(&[&config, &layer, &manifest])?,
            digest: manifest.digest.clone(),
            download: layer.bytes.len(),
        })
    }

    /// The folders of the programs, as PATH has them.
    fn path(&self) -> String {
        let folder = |path: &str| match path.rsplit_once('/') {
            Some((folder, _)) => format!("/{folder}"),
            None => "/".to_owned(),
        };
        let mut folders: Vec<_> = self.programs.iter().map(|(path, _)| folder(path)).collect();
        folders.sort_unstable();
        folders.dedup();
        folders.join(":")
    }

    /// The tar of the files, each in its folder.
    fn layer(&self) -> Result<Vec<u8>> {
        let mut programs = self.programs.clone();
        programs.sort_by_key(|(path, _)| *path);
        let mut tar = Tar::default();
        let mut folders: Vec<&Path> = programs
            .iter()
            .flat_map(|(path, _)| Path::new(path).ancestors().skip(1))
            .filter(|folder| !folder.as_os_str().is_empty())
            .collect();
        folders.sort_unstable();
        folders.dedup();
        for folder in folders {
            tar.folder(folder.to_str().context("a path that is not UTF-8")?)?;
        }
        for (path, content) in &programs {
            tar.file(path, 0o755, content)?;
        }
        Ok(tar.finish())
    }

    /// The image layout, in which `manifest` is the last blob.
    fn archive(&self, blobs: &[&Blob; 3]) -> Result<Vec<u8>> {
        let [config, layer, manifest] = blobs;
        let entry = json!({
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": manifest.bytes.len(),
            "annotations": {
                // containerd's name for it, and the one that the specification has.
                "io.containerd.image.name": self.reference,
                "org.opencontainers.image.ref.name": tag(self.reference),
            },
        });
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
        let docker = json!([{
            "Config": config.path(),
            "RepoTags": [self.reference],
            "Layers": [layer.path()],
        }]);
        let mut tar = Tar::default();
        tar.folder("blobs")?;
        tar.folder("blobs/sha256")?;
        let mut sorted = blobs.to_vec();
        sorted.sort_by_key(|blob| &blob.digest);
        for blob in sorted {
            tar.file(&blob.path(), 0o644, &blob.bytes)?;
        }
        tar.file("index.json", 0o644, index.to_string().as_bytes())?;
        tar.file("manifest.json", 0o644, docker.to_string().as_bytes())?;
        tar.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(tar.finish())
    }
}

/// Content that is named by its hash.
#[derive(Debug)]
struct Blob {
    media_type: &'static str,
    digest: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self {
            media_type,
            digest: digest(&bytes),
            bytes,
        }
    }

    fn json(media_type: &'static str, document: &Value) -> Self {
        Self::new(media_type, document.to_string().into_bytes())
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }

    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replace(':', "/"))
    }
}

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    // The builder leaves the file's name out and its time at 0.
    let mut writer = GzBuilder::new().write(Vec::new(), Compression::best());
    writer.write_all(bytes)?;
    Ok(writer.finish()?)
}

/// What follows the name, where a port of the registry is no tag.
fn tag(reference: &str) -> &str {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    name.split_once(':').map_or("latest", |(_, tag)| tag)
}

/// This machine's architecture, as Go calls it.
///
/// # Errors
///
/// When it has no name in OCI that is known here.
pub fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => anyhow::bail!("no images for {other}"),
    }
}

#[cfg(test)]
mod tests;
