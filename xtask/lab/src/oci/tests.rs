//! The archive is read with tools of others: tar, and a gzip of its own.

use std::{
    fs,
    io::Read as _,
    process::{Command, Stdio},
};

use flate2::read::GzDecoder;

use super::*;
use crate::Scratch;

fn image() -> Image<'static> {
    Image {
        reference: "registry:5000/podmirror/test:1.2",
        programs: vec![
            ("usr/bin/second", b"#!2".to_vec()),
            ("first", vec![7; 1000]),
        ],
        entrypoint: "/first",
        architecture: "arm64",
        labels: vec![("org.opencontainers.image.version", "1.2")],
    }
}

/// Unpacks with `tar` into a folder.
fn unpack(name: &str, bytes: &[u8]) -> Scratch {
    let folder = Scratch::create(name).unwrap();
    let file = folder.path().join("archive.tar");
    fs::write(&file, bytes).unwrap();
    let done = Command::new("tar")
        .args(["--extract", "--file"])
        .arg(&file)
        .arg("--directory")
        .arg(folder.path())
        .stderr(Stdio::inherit())
        .status();
    assert!(done.unwrap().success());
    folder
}

#[test]
fn every_blob_has_the_hash_and_the_size_that_it_is_named_by() {
    let archive = image().pack().unwrap();
    let folder = unpack("oci", &archive.bytes);
    let read = |path: &str| fs::read(folder.path().join(path)).unwrap();
    let json = |path: &str| -> Value { serde_json::from_slice(&read(path)).unwrap() };
    let follow = |descriptor: &Value| {
        let name = descriptor["digest"].as_str().unwrap();
        let bytes = read(&format!("blobs/{}", name.replace(':', "/")));
        assert_eq!(digest(&bytes), name);
        assert_eq!(descriptor["size"], bytes.len());
        bytes
    };

    assert_eq!(json("oci-layout")["imageLayoutVersion"], "1.0.0");
    let index = json("index.json");
    let entry = &index["manifests"][0];
    assert_eq!(entry["digest"], archive.digest);
    assert_eq!(
        entry["annotations"]["io.containerd.image.name"],
        "registry:5000/podmirror/test:1.2"
    );
    assert_eq!(
        entry["annotations"]["org.opencontainers.image.ref.name"],
        "1.2"
    );
    let manifest: Value = serde_json::from_slice(&follow(entry)).unwrap();
    let config: Value = serde_json::from_slice(&follow(&manifest["config"])).unwrap();
    assert_eq!(config["architecture"], "arm64");
    assert_eq!(config["config"]["Entrypoint"], json!(["/first"]));
    assert_eq!(config["config"]["Env"], json!(["PATH=/:/usr/bin"]));
    let layer = follow(&manifest["layers"][0]);
    assert_eq!(layer.len(), archive.download);
    let mut files = Vec::new();
    GzDecoder::new(&layer[..]).read_to_end(&mut files).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"], json!([digest(&files)]));

    let docker = json("manifest.json");
    assert_eq!(
        docker[0]["RepoTags"],
        json!(["registry:5000/podmirror/test:1.2"])
    );
    for path in [&docker[0]["Config"], &docker[0]["Layers"][0]] {
        read(path.as_str().unwrap());
    }
}

#[test]
fn the_layer_holds_the_programs_executable_in_their_folders() {
    let folder = unpack("layer", &image().layer().unwrap());
    assert_eq!(fs::read(folder.path().join("first")).unwrap(), [7; 1000]);
    let second = folder.path().join("usr/bin/second");
    assert_eq!(fs::read(&second).unwrap(), b"#!2");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(second).unwrap().permissions());
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn the_same_files_in_any_order_are_the_same_image() {
    let mut other = image();
    other.programs.reverse();
    assert_eq!(image().pack().unwrap().bytes, other.pack().unwrap().bytes);
}

#[test]
fn a_path_that_tar_cannot_hold_is_refused() {
    let long = "a".repeat(101);
    let mut image = image();
    image.programs.push((&long, Vec::new()));
    let error = image.pack().unwrap_err();
    assert!(error.to_string().contains("100 bytes"), "{error}");
}

#[test]
fn a_port_is_no_tag() {
    for (reference, expected) in [("a", "latest"), ("r:5000/a", "latest"), ("r:5000/a:3", "3")] {
        assert_eq!(tag(reference), expected);
    }
}
