//! When lost copies degrade a mirror, and whether that is because its targets are overloaded.
//!
//! Both figures swing: a target that is backed off from gets more, refuses some, and gets fewer again. A status is not to be
//! written each time, so what was told holds on for longer than it took to be told, and no message has a figure.

use serde_json::Value;

use super::{BACKING_OFF, LOSING_COPIES, Whole};

/// From so many lost copies per minute on, and from one of a hundred on, a mirror is degraded; until it is half of that.
const LOST: u64 = 10;

/// What is said of a mirror whose targets are backed off from.
pub(super) const MESSAGE: &str = "a target refuses copies or has become slow, and gets fewer as long as that helps: \
     podmirror_target_held_back_ratio says how much is held back, podmirror_requests_dropped_total what else is lost";

/// What a status says of lost copies by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    Loses,
    BacksOff,
}

impl Told {
    pub(super) fn of(status: &Value) -> Self {
        let conditions = status.get("conditions").and_then(Value::as_array);
        let reasons = conditions.into_iter().flatten();
        let reasons = reasons.filter_map(|it| it.get("reason")?.as_str());
        let mut told = reasons.filter_map(|reason| match reason {
            BACKING_OFF => Some(Self::BacksOff),
            LOSING_COPIES => Some(Self::Loses),
            _ => None,
        });
        told.next().unwrap_or(Self::Nothing)
    }
}

/// Whether so much is lost that it matters.
pub(super) fn loses(whole: &Whole, told: Told) -> bool {
    let all = whole.copies.saturating_add(whole.lost);
    let lost = match told {
        Told::Nothing => whole.lost,
        Told::Loses | Told::BacksOff => whole.lost.saturating_mul(2),
    };
    lost >= LOST && lost.saturating_mul(100) >= all
}

/// Whether that is because of an overloaded target: a tenth of it is held back, or any of it and that was told.
pub(super) fn backs_off(whole: &Whole, told: Told) -> bool {
    match told {
        Told::BacksOff => whole.held_back > 0,
        Told::Nothing | Told::Loses => whole.held_back.saturating_mul(10) >= whole.lost,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::{BACKING_OFF, LOSING_COPIES, SeenDocument, Whole, status};

    const NONE: (&str, &str) = ("False", "AsExpected");
    const BACKS_OFF: (&str, &str) = ("True", BACKING_OFF);
    const LOSES: (&str, &str) = ("True", LOSING_COPIES);

    /// The status of a mirror with these copies, losses, and losses that are held back, after this one.
    fn after(before: &Value, [copies, lost, held_back]: [u64; 3]) -> Value {
        let seen = SeenDocument {
            rules: 1,
            ..SeenDocument::default()
        };
        let whole = Whole {
            copies,
            lost,
            held_back,
            ..Whole::default()
        };
        status(&seen, &whole, before, "now")
    }

    fn degraded(status: &Value) -> (&str, &str) {
        let text = |name: &str| status["conditions"][2][name].as_str().unwrap();
        (text("status"), text("reason"))
    }

    #[test]
    fn a_target_that_is_backed_off_from_degrades_its_mirror() {
        for (figures, expected) in [
            ([980, 20, 20], BACKS_OFF),
            ([1, 99, 99], BACKS_OFF),
            ([700, 300, 30], BACKS_OFF),
            ([700, 300, 29], LOSES),
            // A trial that is over at once.
            ([9_990, 10, 10], NONE),
            ([0, 9, 9], NONE),
        ] {
            let told = after(&Value::Null, figures);
            assert_eq!(degraded(&told), expected, "{figures:?}");
        }
    }

    #[test]
    fn shares_that_swing_change_no_condition() {
        let mut told = after(&Value::Null, [500, 500, 400]);
        assert_eq!(degraded(&told), BACKS_OFF);
        let conditions = told["conditions"].clone();
        for figures in [
            [900, 100, 20],
            [500, 500, 499],
            [100, 900, 10],
            [990, 7, 3],
            [400, 600, 310],
            [400, 600, 290],
        ] {
            told = after(&told, figures);
            assert_eq!(told["conditions"], conditions, "{figures:?}");
        }
        // Until nothing is held back any more, or little is lost.
        let loses = after(&told, [900, 100, 0]);
        assert_eq!(degraded(&loses), LOSES);
        assert_eq!(degraded(&after(&loses, [900, 100, 9])), LOSES);
        assert_eq!(degraded(&after(&loses, [900, 100, 10])), BACKS_OFF);
        assert_eq!(degraded(&after(&told, [1_000, 4, 4])), NONE);
    }
}
