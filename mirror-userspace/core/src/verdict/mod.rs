//! Whether one version of a service does as well as another, from what both answered to the same
//! requests, valid however often one looks.
//!
//! ```text
//! how a request went      Pairs    ─► evidence, interval of the difference ─┐
//! at a baseline and at ─► Latency  ─► evidence, bands of quantiles ─────────┤─► Verdict
//! a candidate             overall and by group                              ┘
//! ```
//!
//! # The method
//!
//! A test that is looked at again and again finds a difference where there is none: at a level of
//! 5 %, with a look every 100 requests, a z-test does so in a third of all runs of 10 000. What is used
//! here holds at every look at once:
//!
//! - **Shares** ([`Pairs`]): of the requests that only one of both failed, one half would be the
//!   candidate's if both were equally good (McNemar 1947). The evidence against that is a mixture of
//!   likelihood ratios, which is a martingale while they are equal: it exceeds 1/α with a probability
//!   of at most α, over all time (Ville 1939; Robbins 1970; Ramdas, Grünwald, Vovk and Shafer,
//!   "Game-theoretic statistics and safe anytime-valid inference", 2023). The mixture is centred on
//!   what matters: a candidate with two to three times the failures of the baseline.
//! - **Latency** ([`Latency`]): the share of requests that were slow at one of both alone, where slow
//!   means slower than half (99 %) of all before, of both. For how much slower: a request is faster
//!   than the true p99 with a probability of 99 %, so the same kind of evidence against 99 % tells
//!   which values the p99 can't be (Howard and Ramdas 2022).
//! - **Contents** ([`Contents`]): for each field, the requests in which it differed between two
//!   baselines alone against those in which it differed between the baseline and the candidate alone:
//!   one half each, if all three are equal. A field that is noisy is noisy at both. Without a second
//!   baseline, the requests in which only one of both had the field.
//! - **Many questions**: each has a part of α of its own ([`Level`]), and the parts add up to α. The
//!   probability that any of them finds a difference that is not there is at most α.
//!
//! What is counted adds up: sums over shards and nodes say what one place would have said that saw all
//! of it. Each request multiplies the likelihood ratio by a factor that is 1 on average while both are
//! equal, whichever place it comes from, so that a look at what several places have counted by then is a
//! look like any other. (E-values of independent streams could also be multiplied, but each place would
//! have to learn anew which alternative it is that holds.)
//!
//! # What is assumed
//!
//! That which of both versions fails (or is slow) first says nothing of the next request. What slows or
//! fails both at once is no harm. A spell in which only one of them fails for a reason from outside (its
//! node is busy) is a difference that was seen, and is told as one: a second baseline shows it. The
//! bands of quantiles, by which `Same` is said of latencies, take them to be independent.

mod bounds;
mod contents;
mod groups;
mod latency;
mod level;
mod mixture;
mod pairing;
mod pairs;
mod report;
mod sketch;
#[cfg(test)]
mod tests;

pub use bounds::Bounds;
pub use contents::{
    Change, Changes, Contents, Difference, Field, FieldFinding, Fields, Noise, Values,
};
pub use groups::{
    Comparison, Finding, Group, Interval, Margins, Measured, Methods, NotCompared, Question,
    Verdict,
};
pub use latency::Latency;
pub use level::Level;
pub use mixture::{Evidence, Shares};
pub use pairing::{Pairing, Role};
pub use pairs::{Pair, Pairs};
pub use report::{Conditions, ContentsCompared, Counted, Report, Terms};
pub use sketch::Sketch;
