//! HTTP/1: requests written behind each other, and replies read in the same order.

mod exchange;
pub mod reply;
mod turn;

pub(crate) use self::{
    exchange::{Ended, Exchange, Read},
    turn::Turn,
};
