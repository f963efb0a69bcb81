//! The reader on bytes that were made for it: what it tells, whatever the cut, and what an attack costs.

mod answers;
mod attacks;
mod feed;
mod floods;
mod from_v1;
mod gaps;
mod hpack;
mod midstream;
mod requests;
mod splits;
mod streams;
mod wire;
