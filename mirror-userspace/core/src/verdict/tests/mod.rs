//! The figures that the method promises, over seeded runs.

mod contents;
mod report;
mod shares;
mod simulation;
mod sketch;
mod tail;
