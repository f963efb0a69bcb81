//! What the tasks and the end-to-end tests share.

pub mod lab;
pub mod load;
