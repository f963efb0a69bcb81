//! What an attacker can make the pipeline spend, in bytes of real memory and in bytes allocated
//! over time. The steps of work inside `flow` and `http` are counted by their own tests.
//!
//! In every attack there is a bystander whose requests have to be mirrored all the while.

#[cfg(test)]
mod allocator;
#[cfg(test)]
mod attack;
#[cfg(test)]
mod connections;
mod http2;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod targets;
