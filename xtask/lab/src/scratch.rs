//! A folder for one run: configurations, logs, results.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::cleanup;

/// A new folder under the system's temporary one, removed when this value is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes the folder; `role` is part of its name.
    ///
    /// # Errors
    ///
    /// When the temporary folder cannot be written to.
    pub fn create(role: &str) -> Result<Self> {
        let name = cleanup::unique_name(cleanup::next_number(), role);
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path })
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed by the next run.
        let _gone = fs::remove_dir_all(&self.path);
    }
}
