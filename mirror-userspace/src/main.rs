//! The `podmirror` command.

fn main() {}
