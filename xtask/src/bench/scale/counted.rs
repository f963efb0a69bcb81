//! Instructions and misses of caches, by size.

use anyhow::{Context as _, Result};

use super::{AXES, Axis, CONNECTIONS, Point};
use crate::{
    binary,
    callgrind::{Counted, Each},
    step,
};

/// callgrind counts while this runs: the function in `xtask/mirror-bench/src/bin/scale.rs`.
const MEASURED: &str = "scale::measured*";

pub(super) fn count() -> Result<Vec<Point<Each>>> {
    let program = binary::build_with("guard", "mirror-bench", "scale", &[])?;
    let mut points: Vec<Point<Each>> = Vec::new();
    for (axis, sizes) in AXES {
        for &size in sizes {
            let arguments = arguments(axis, size);
            let what = format!("counting a request of {size} {}", axis.name());
            let counted = Counted {
                program: &program,
                arguments: &arguments,
                function: MEASURED,
                caches: true,
            };
            let each = step::while_spinning(&what, || counted.count());
            points.push(Point {
                axis,
                size,
                figure: each.context(what)?,
            });
        }
    }
    Ok(points)
}

/// Connections, rules, pods, shards.
fn arguments(axis: Axis, size: usize) -> [String; 4] {
    let or = |of: Axis, one: usize| if axis == of { size } else { one };
    [
        or(Axis::Connections, CONNECTIONS),
        or(Axis::Rules, 1),
        or(Axis::Pods, 1),
        or(Axis::Shards, 1),
    ]
    .map(|number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_grows_at_a_time() {
        assert_eq!(arguments(Axis::Connections, 10), ["10", "1", "1", "1"]);
        assert_eq!(arguments(Axis::Pods, 200), ["1000", "1", "200", "1"]);
    }
}
