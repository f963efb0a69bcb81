//! The file itself: for its owner alone, written in one piece, and believed only if it is ours, recent and of this boot.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mirror_kubernetes::{config::Terms, plan::Scope};
use mirror_runtime::record::create_private;
use nix::{
    libc::{O_NOFOLLOW, O_NONBLOCK},
    unistd::geteuid,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Remembered;

/// The form of the file.
const VERSION: u32 = 2;

/// The largest file, 16 MiB.
const LARGEST: u64 = 16 << 20;

/// How old it may be: addresses are used again.
const OLDEST: Duration = Duration::from_secs(3600);

/// Another one after each boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Of which node and boot it is, and under which flags it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    version: u32,
    node: String,
    boot: String,
    /// A digest of whose documents are watched and of what they may do: what was held under other flags may be more
    /// than these allow.
    flags: String,
}

impl Origin {
    pub(super) fn of(node: &str, watched: Option<&Scope>, terms: &Terms) -> Self {
        // Strings are quoted in debug text, so that no two sets of flags have the same.
        let digest = Sha256::digest(format!("{watched:?} {terms:?}"));
        Self {
            version: VERSION,
            node: node.to_owned(),
            boot: fs::read_to_string(BOOT_ID)
                .unwrap_or_default()
                .trim()
                .to_owned(),
            flags: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Contents {
    #[serde(flatten)]
    origin: Origin,
    /// When it was written, in seconds since 1970.
    written: u64,
    known: Remembered,
}

/// What the file says; `None` if there is none.
///
/// # Errors
/// Why it is not believed.
pub(super) fn read(path: &Path, origin: &Origin) -> Result<Option<Remembered>, String> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let found = file.metadata().map_err(|error| error.to_string())?;
    if !found.is_file() || found.uid() != geteuid().as_raw() || found.mode() & 0o077 != 0 {
        return Err("it is no file of ours alone".to_owned());
    }
    let mut text = String::new();
    let read = file.take(LARGEST + 1).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > LARGEST {
        return Err("it is too large".to_owned());
    }
    let contents: Contents = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if contents.origin != *origin {
        return Err(
            "it is of another node, boot or version, or of an agent with other flags".to_owned(),
        );
    }
    let age = now().saturating_sub(contents.written);
    if age > OLDEST.as_secs() {
        return Err(format!("it is {age} s old"));
    }
    Ok(Some(contents.known))
}

/// Writes it, in the place of one that is there.
pub(super) fn write(path: &Path, origin: Origin, known: Remembered) -> io::Result<()> {
    let text = serde_json::to_string(&Contents {
        origin,
        written: now(),
        known,
    })?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("what is known takes more than 16 MiB"));
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = create_private(Path::new(&new))?;
    file.write_all(text.as_bytes())?;
    fs::rename(&new, path)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

    use mirror_kubernetes::config::Consent;
    use serde_json::json;

    use super::*;

    fn origin_of(node: &str) -> Origin {
        Origin::of(node, Some(&Scope::All), &Terms::default())
    }

    fn known() -> Remembered {
        Remembered {
            documents: vec![Arc::new(json!({"kind": "TrafficMirror"}))],
            ..Remembered::default()
        }
    }

    #[test]
    fn what_is_written_is_read_and_nobody_else_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let origin = origin_of("node-1");
        assert_eq!(read(&path, &origin), Ok(None));
        for _ in 0..2 {
            write(&path, origin.clone(), known()).unwrap();
            assert_eq!(read(&path, &origin), Ok(Some(known())));
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_others_could_have_written_and_what_is_of_other_times_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let origin = origin_of("node-1");
        let said = |origin: &Origin| read(&path, origin).unwrap_err();
        write(&path, origin.clone(), known()).unwrap();
        assert!(said(&origin_of("node-2")).contains("another node"));
        let other_boot = Origin {
            boot: "another".into(),
            ..origin.clone()
        };
        assert!(said(&other_boot).contains("boot"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(said(&origin).contains("ours alone"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let old = Contents {
            origin: origin.clone(),
            written: now() - OLDEST.as_secs() - 9,
            known: known(),
        };
        fs::write(&path, serde_json::to_string(&old).unwrap()).unwrap();
        assert!(said(&origin).contains("s old"));
        fs::write(&path, "{").unwrap();
        assert!(!said(&origin).is_empty());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read(&link, &origin).is_err());
        fs::write(&path, vec![b' '; 17 << 20]).unwrap();
        assert!(said(&origin).contains("too large"));
    }

    #[test]
    fn what_was_kept_under_other_flags_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let terms = |external: &[&str]| Terms {
            consent: Consent {
                external_targets: external.iter().map(|glob| glob.parse().unwrap()).collect(),
                ..Consent::default()
            },
            ..Terms::default()
        };
        let origin = |watched, external: &[&str]| Origin::of("node-1", watched, &terms(external));
        let written = origin(Some(&Scope::All), &["*.example.com"]);
        write(&path, written, known()).unwrap();
        let same = origin(Some(&Scope::All), &["*.example.com"]);
        assert_eq!(read(&path, &same), Ok(Some(known())));
        let bank = Scope::Namespace("bank".to_owned());
        for other in [
            origin(None, &["*.example.com"]),
            origin(Some(&bank), &["*.example.com"]),
            origin(Some(&Scope::All), &[]),
            origin(Some(&Scope::All), &["v2.example.com"]),
        ] {
            let why = read(&path, &other).unwrap_err();
            assert!(why.contains("other flags"), "{why}");
        }
    }
}
