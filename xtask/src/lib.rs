//! What the tasks and the end-to-end tests share.

pub mod binary;
pub mod demo;
pub mod lab;
pub mod load;
