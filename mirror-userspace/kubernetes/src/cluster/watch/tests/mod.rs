//! The watches against an API server that a test plays: what it is asked, and what follows from its
//! answers. Time is simulated, so that waits take none.

mod configuration;
mod failures;
mod requests;
mod server;
