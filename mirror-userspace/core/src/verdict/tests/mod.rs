//! The figures that the method promises, over seeded runs.

mod shares;
mod simulation;
mod sketch;
