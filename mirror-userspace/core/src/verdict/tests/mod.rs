//! The figures that the method promises, over seeded runs.

mod report;
mod shares;
mod simulation;
mod sketch;
