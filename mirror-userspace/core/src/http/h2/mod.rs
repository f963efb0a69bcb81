//! HTTP/2 in the client's direction (RFC 9113), so far its header compression (RFC 7541).
//!
//! | module | what it does |
//! |---|---|
//! | `hpack` | header blocks to field lists, with a dynamic table of at most 64 KiB out of the budget |
//! | `field` | a field list: order, duplicates and never-indexed marks kept, limited in bytes |
//! | `refusal` | why a connection is no longer followed |

mod field;
pub mod hpack;
mod refusal;
#[cfg(test)]
mod tests;

pub use field::{Field, FieldList};
pub use refusal::Refusal;
