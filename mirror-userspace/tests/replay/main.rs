//! The program `podmirror replay`, on captures that these tests write.

#![cfg(test)]

mod capture;
mod compare;
mod ends;
mod http2;
mod nothing;
mod packed;
mod print;
mod program;
mod replies;
mod send;
mod server;
mod versions;
mod versions_http2;
