//! The program `podmirror replay`, on captures that these tests write.

#![cfg(test)]

mod capture;
mod compare;
mod ends;
mod http2;
mod loopback;
mod nothing;
mod packed;
mod print;
mod program;
mod replies;
mod send;
mod server;
#[path = "../versions/mod.rs"]
mod versions;
