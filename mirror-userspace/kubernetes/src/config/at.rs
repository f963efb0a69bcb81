//! Where in which document something is said.

use std::fmt;

/// A field of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The document, for people: `VirtualService default/web (web.yaml, document 2)`.
    pub document: String,
    /// The namespace that it is in; empty if it does not say.
    pub namespace: String,
    /// The field: `spec.http[0].mirror.host`; empty if it is the document as a whole.
    pub path: String,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.document)?;
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        Ok(())
    }
}
