//! The HTTP/1 parser from outside: what goes in as bytes comes out as requests, however the bytes
//! are cut, and hostile bytes come out as nothing.

mod feed;
mod gaps;
mod requests;
mod smuggling;
mod streams;
mod vectors;
