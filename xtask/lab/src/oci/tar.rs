//! Just so much of tar (POSIX.1-1988, "ustar") as an image needs: files and folders of root.

use anyhow::{Context as _, Result, ensure};

const BLOCK: usize = 512;

/// A tar that grows.
#[derive(Debug, Default)]
pub(super) struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    /// Appends a file.
    ///
    /// # Errors
    ///
    /// When its path is longer than 100 bytes, or it is 8 GiB or larger.
    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.header(path, mode, content.len(), b'0')?;
        self.bytes.extend_from_slice(content);
        self.fill_block();
        Ok(())
    }

    /// Appends a folder.
    ///
    /// # Errors
    ///
    /// As [`Tar::file`].
    pub(super) fn folder(&mut self, path: &str) -> Result<()> {
        self.header(&format!("{path}/"), 0o755, 0, b'5')
    }

    /// The tar with its end: two empty blocks.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0; 2 * BLOCK]);
        self.bytes
    }

    fn header(&mut self, path: &str, mode: u32, size: usize, kind: u8) -> Result<()> {
        let start = self.bytes.len();
        self.field(path.as_bytes(), 100)?;
        self.field(format!("{mode:07o}").as_bytes(), 8)?;
        self.field(b"0000000", 8)?; // owner
        self.field(b"0000000", 8)?; // group
        self.field(format!("{size:011o}").as_bytes(), 12)
            .context("too large a file")?;
        self.field(b"00000000000", 12)?; // time
        // The checksum is taken with itself as spaces.
        self.field(b"        ", 8)?;
        self.bytes.push(kind);
        self.field(b"", 100)?; // link
        self.field(b"ustar\x0000", 8)?;
        self.fill_block();
        let sum: u32 = self
            .bytes
            .iter()
            .skip(start)
            .map(|byte| u32::from(*byte))
            .sum();
        let place = self.bytes.get_mut(start + 148..start + 156);
        let sum = format!("{sum:06o}\0 ");
        place
            .context("a header of 512 bytes")?
            .copy_from_slice(sum.as_bytes());
        Ok(())
    }

    fn field(&mut self, value: &[u8], width: usize) -> Result<()> {
        ensure!(
            value.len() <= width,
            "{} does not fit into tar's {width} bytes",
            String::from_utf8_lossy(value)
        );
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len() + width - value.len(), 0);
        Ok(())
    }

    fn fill_block(&mut self) {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(BLOCK), 0);
    }
}
