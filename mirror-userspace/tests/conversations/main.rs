//! Conversations through the whole pipeline: whatever happens to their segments on the way, the
//! requests come back byte for byte, and what is lost is counted.

#[cfg(test)]
mod exact;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod loss;
#[cfg(test)]
mod mirror;
