//! What a request may cost before it is given up.

/// Field lines that are listed on the stack. The list of a longer head takes memory while the head is
/// looked at: 56 bytes a line.
pub(super) const FIELDS_ON_STACK: usize = 128;

/// The most field lines that any configuration allows.
pub const MAX_FIELDS: usize = 10_000;

/// Bounds on everything that a client can make as long as it likes. A body is not among them:
/// it is passed on as it comes and never kept here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, its empty line included. Default 64 KiB, which is also the most memory
    /// that one connection's partial head can take.
    pub head: usize,
    /// Field lines of a head, and again of a trailer section. Default 1 000, at most [`MAX_FIELDS`].
    pub fields: usize,
    /// Bytes of one chunk-size line, extensions included. Default 4 KiB.
    pub chunk_line: usize,
    /// Bytes of a trailer section. Default 16 KiB.
    pub trailers: usize,
}

impl Limits {
    /// The defaults of requests, and what replies may cost.
    pub const DEFAULT: Self = Self {
        head: 64 * 1024,
        fields: 1_000,
        chunk_line: 4 * 1024,
        trailers: 16 * 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
