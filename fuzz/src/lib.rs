//! What the fuzz targets do with their bytes.
//!
//! Each target is a function of a byte slice that panics when a promise is broken. libFuzzer feeds
//! it for as long as one likes (`cargo xtask fuzz`), on a nightly toolchain; the tests of this crate
//! feed it the [`seeds`] and simple mutations of them on any toolchain.
//!
//! | target | the promise |
//! |---|---|
//! | [`header_walk`] | a payload never leaves its packet, whatever the headers claim |
//! | [`capture_file`] | any file is read to its end in bounded memory, and every packet is counted |
//! | [`assembler`] | any sequence of segments gives the sender's bytes in order; the books balance |
//! | [`http_parser`] | the cut does not matter; a strict parser agrees on where requests end |
//! | [`http_steps`] | whatever happens to a connection, requests are whole, and bytes that its client sent |
//! | [`reply_reader`] | the same for it: the cut, the strict parser; memory and floods are bounded |
//! | [`h2`] | the same for HTTP/2; another decoder agrees on header blocks; each request ends once |
//! | [`pipeline`] | outputs follow their protocol, the books balance, memory stays in its budget |
//! | [`pool`] | each copy ends in one counter, in order, sent once; limits hold; in the end all is quiet |
//! | [`contents`] | whatever two replies are, they are compared in bounds; neither side nor the cut matters |
//! | [`pool_http2`] | the same on connections in HTTP/2; streams, windows and numbers are as RFC 9113 wants them |
//! | [`config`] | documents are read or refused in bounded time; what is mirrored has a reason |
//! | [`tenants`] | no document of two tenants reaches what its writer has no right to |
//! | [`rates_and_flags`] | what is accepted reads back as itself; what is refused says why |

pub mod assembler;
pub mod capture_file;
pub mod config;
pub mod contents;
pub mod h2;
pub mod header_walk;
pub mod http_parser;
pub mod http_steps;
mod input;
pub mod pipeline;
pub mod pool;
pub mod pool_http2;
pub mod rates_and_flags;
pub mod reply_reader;
pub mod second_parser;
pub mod seeds;
pub mod tenants;

/// A target: what it does with its bytes.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 14] = [
    ("header_walk", header_walk::run),
    ("capture_file", capture_file::run),
    ("assembler", assembler::run),
    ("http_parser", http_parser::run),
    ("http_steps", http_steps::run),
    ("reply_reader", reply_reader::run),
    ("h2", h2::run),
    ("pipeline", pipeline::run),
    ("pool", pool::run),
    ("contents", contents::run),
    ("pool_http2", pool_http2::run),
    ("config", config::run),
    ("tenants", tenants::run),
    ("rates_and_flags", rates_and_flags::run),
];
