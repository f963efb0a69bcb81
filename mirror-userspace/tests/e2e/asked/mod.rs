//! v1's kernel is asked: what it takes comes to v2, whatever network, server and client do, and what it
//! does not take never does.

mod attacks;
mod beginning;
mod forge;
mod handshakes;
mod multipath;
mod networks;
mod nobody;

use crate::mirror::Ledger;

/// Nothing that v1 takes was refused, and v1's kernel had an answer each time.
fn assert_asked(ledger: &Ledger) {
    assert_eq!(ledger.count("segments/refused"), 0, "{ledger:?}");
    assert_eq!(ledger.count("segments/unasked"), 0, "{ledger:?}");
}
