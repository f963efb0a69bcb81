//! Conversations through the whole pipeline: whatever happens to their segments on the way, the
//! requests come back byte for byte, and what is lost is counted.

mod exact;
mod generate;
mod loss;
mod mirror;
