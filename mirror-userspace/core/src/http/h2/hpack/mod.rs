//! HPACK, the decoding half (RFC 7541).

mod decoder;
mod dynamic_table;
mod huffman;
mod integer;
mod static_table;

pub use decoder::{Decoder, MAX_TABLE};
