//! The command line: what the user writes, checked value by value, to what the stages want.
//!
//! A value is refused where it is read, with its flag, the value and what is accepted (exit 2).

mod policy_args;
mod target_args;
#[cfg(test)]
mod tests;

pub use policy_args::PolicyArgs;
pub use target_args::TargetArgs;
