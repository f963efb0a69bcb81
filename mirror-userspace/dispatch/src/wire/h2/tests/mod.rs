//! A session on values alone: a target is bytes in and bytes out.

mod flow;
mod goings;
mod hostile;
mod keeping;
mod replies;
mod rig;
mod writing;
