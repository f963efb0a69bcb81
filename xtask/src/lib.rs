//! What xtask shares with the tests.
