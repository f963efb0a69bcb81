//! The image that is tested: always the one of this tree.

use std::{fs, path::Path, process::Command, sync::OnceLock};

/// The archive, built once for all tests of this process.
pub(crate) fn archive() -> &'static [u8] {
    static ARCHIVE: OnceLock<Vec<u8>> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("podmirror-image.tar");
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let done = Command::new("cargo")
            .args(["xtask", "image", "--output"])
            .arg(&output)
            .current_dir(workspace)
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "cargo xtask image: {words}");
        fs::read(output).unwrap()
    })
}
