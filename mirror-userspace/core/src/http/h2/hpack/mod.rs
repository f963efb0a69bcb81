//! HPACK (RFC 7541): a decoder that follows the client's table, and an encoder that needs none.

mod decoder;
mod dynamic_table;
mod encoder;
mod huffman;
mod integer;
mod static_table;

pub use decoder::{Decoder, MAX_TABLE};
pub use encoder::{OVERHEAD, encode};
