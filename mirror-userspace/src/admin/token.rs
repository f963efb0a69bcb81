//! The secret of those who tune over the network: a token in a file, such as a mounted Secret.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName},
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Takes the token as well: the API server's proxy to a pod keeps `Authorization` for itself.
pub(super) const TOKEN: HeaderName = HeaderName::from_static("x-podmirror-token");

/// Bytes of a token, at least: what is shorter can be guessed.
const SHORTEST: usize = 16;

/// Bytes of the file, at most.
const LONGEST: u64 = 4 << 10;

/// Where the token is. Read whenever one is presented, so a Secret that changes holds at once.
#[derive(Clone, Debug)]
pub(super) struct TokenFile(PathBuf);

impl TokenFile {
    /// In this file, which has a token now.
    ///
    /// # Errors
    /// It can't be read, or what is in it is too short or too long.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = Self(path.to_owned());
        file.read()?;
        Ok(file)
    }

    /// The token, without the white space around it.
    pub(super) fn read(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(&self.0)
            .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
            .with_context(|| format!("--admin-token-file {}", self.0.display()))?;
        let token = bytes.trim_ascii();
        ensure!(
            token.len() >= SHORTEST && bytes.len() as u64 <= LONGEST,
            "--admin-token-file {}: accepted: a token of {SHORTEST} to {LONGEST} bytes",
            self.0.display()
        );
        Ok(token.to_vec())
    }

    /// Whether these fields bear the token.
    pub(super) fn is_borne_by(&self, fields: &HeaderMap) -> bool {
        let Some(presented) = presented(fields) else {
            return false;
        };
        match self.read() {
            // Digests have one length, so the time tells nothing of the token's.
            Ok(token) => Sha256::digest(presented)
                .ct_eq(&Sha256::digest(&token))
                .into(),
            Err(error) => {
                log::warn!("{error:#}: nobody tunes over the network");
                false
            }
        }
    }
}

/// `Authorization: Bearer TOKEN` (RFC 6750 section 2.1), or `x-podmirror-token: TOKEN`.
fn presented(fields: &HeaderMap) -> Option<&[u8]> {
    if let Some(token) = fields.get(TOKEN) {
        return Some(token.as_bytes().trim_ascii());
    }
    let (scheme, token) = fields.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}
