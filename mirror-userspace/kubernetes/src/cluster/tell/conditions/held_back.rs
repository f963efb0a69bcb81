//! What is said of copies that are held back from targets which are overloaded.

use super::Whole;

/// Whether at least half of what is lost is held back.
pub(super) const fn is_most(whole: &Whole) -> bool {
    whole.held_back.saturating_mul(2) >= whole.lost
}

/// How much is held back, of what is sent and lost: in quarters, as figures come and go.
pub(super) fn message(whole: &Whole) -> String {
    let all = whole.copies.saturating_add(whole.lost).max(1);
    let much = match whole.held_back.saturating_mul(100) / all {
        0..25 => "less than 25 %",
        25..50 => "25 to 50 %",
        50..75 => "50 to 75 %",
        _ => "more than 75 %",
    };
    format!(
        "a target refuses copies or has become slow, and gets fewer as long as that helps: {much} of them are held back"
    )
}

#[cfg(test)]
mod tests {
    use super::super::{BACKING_OFF, Condition, SeenDocument, Whole, degraded};

    #[test]
    fn a_target_that_is_backed_off_from_degrades_its_mirror_and_how_much_is_said_in_quarters() {
        let seen = SeenDocument {
            rules: 1,
            ..SeenDocument::default()
        };
        let said = |copies, lost, held_back| {
            let whole = Whole {
                copies,
                lost,
                held_back,
                ..Whole::default()
            };
            let Condition {
                holds,
                reason,
                message,
                ..
            } = degraded(&seen, &whole);
            let mut words = message.split(": ");
            let much = words.nth(1).filter(|_| reason == BACKING_OFF);
            let much = much.map(|much| much.replace(" of them are held back", ""));
            (holds, reason, much.unwrap_or_default())
        };
        let backs_off = |much: &str| (true, BACKING_OFF, much.to_owned());
        assert_eq!(said(980, 20, 20), backs_off("less than 25 %"));
        assert_eq!(said(700, 300, 290), backs_off("25 to 50 %"));
        assert_eq!(said(400, 600, 600), backs_off("50 to 75 %"));
        assert_eq!(said(1, 99, 99), backs_off("more than 75 %"));
        // A trial that is over at once, and other losses.
        assert_eq!(said(9_990, 10, 10), (false, "AsExpected", String::new()));
        assert_eq!(said(0, 9, 9), (false, "AsExpected", String::new()));
        assert_eq!(said(700, 300, 149), (true, "LosingCopies", String::new()));
        assert_eq!(said(700, 300, 150), backs_off("less than 25 %"));
    }
}
