//! HTTP/2 in the client's direction (RFC 9113), so far frame headers and header compression (RFC 7541).
//!
//! | module | what it does |
//! |---|---|
//! | `frame` | frame headers, and what section 6 says of each in the client's direction |
//! | `hpack` | header blocks to field lists, with a dynamic table of at most 64 KiB out of the budget |
//! | `field` | a field list: order, duplicates and never-indexed marks kept, limited in bytes |
//! | `refusal` | why a connection is no longer followed |

mod field;
pub mod frame;
pub mod hpack;
mod refusal;
#[cfg(test)]
mod tests;

pub use field::{Field, FieldList};
pub use refusal::Refusal;
