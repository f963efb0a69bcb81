//! What the tasks and the end-to-end tests share.

pub mod lab;
pub mod load;
pub mod oci;
