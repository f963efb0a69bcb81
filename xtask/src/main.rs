//! podmirror's front door for developers.

fn main() {}
