//! What keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use mirror_core::value::Rate;

use super::view::{Order, View};

/// The rates that `+` and `-` go through, in percent, besides 0.
const STEPS: [u32; 7] = [1, 5, 10, 25, 50, 75, 100];

/// What is to be done about a key, beyond what the view did.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Todo {
    Nothing,
    End,
    /// The rule of this name gets this rate.
    Set(String, Rate),
}

/// Does what a key says.
pub(super) fn obey(view: &mut View, key: KeyEvent) -> Todo {
    if key.kind == KeyEventKind::Release {
        return Todo::Nothing;
    }
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return Todo::End;
    }
    if view.typing {
        write(view, key.code);
        view.settle();
        return Todo::Nothing;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Todo::End,
        KeyCode::Down | KeyCode::Char('j') => view.choose(1),
        KeyCode::Up | KeyCode::Char('k') => view.choose(-1),
        KeyCode::Char('s') => {
            view.order = match view.order {
                Order::Name => Order::Sent,
                Order::Sent => Order::Lost,
                Order::Lost => Order::Errors,
                Order::Errors => Order::Name,
            }
        }
        KeyCode::Char('/') => {
            view.typing = true;
            view.filter.clear();
        }
        KeyCode::Char(step @ ('+' | '=' | '-' | '0')) => return tune(view, step),
        _ => {}
    }
    Todo::Nothing
}

/// What is typed is what rules and targets have to have in their names.
fn write(view: &mut View, code: KeyCode) {
    match code {
        KeyCode::Enter => view.typing = false,
        KeyCode::Esc => {
            view.typing = false;
            view.filter.clear();
        }
        KeyCode::Backspace => {
            view.filter.pop();
        }
        KeyCode::Char(letter) if !letter.is_control() => view.filter.push(letter),
        _ => {}
    }
}

/// The next rate up or down for the rule of the row that is chosen; or none at all.
fn tune(view: &View, step: char) -> Todo {
    let Some((rule, sample)) = view.chosen() else {
        return Todo::Nothing;
    };
    let percent = sample * 100.0;
    let next = match step {
        '0' => Some(0),
        '-' => STEPS
            .into_iter()
            .rev()
            .find(|step| f64::from(*step) < percent - 1e-6),
        _ => STEPS
            .into_iter()
            .find(|step| f64::from(*step) > percent + 1e-6),
    };
    match next.and_then(|next| format!("{next}%").parse().ok()) {
        Some(rate) => Todo::Set(rule, rate),
        None => Todo::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn view(sample: f64) -> View {
        let mut view = View::default();
        let target = |name: &str| json!({"target": name, "sample_ratio": sample});
        view.add(
            json!({"uptime_seconds": 1.0, "rules": [
                {"rule": "a", "targets": [target("http://one")], "ledger": {}},
                {"rule": "b", "targets": [target("http://two")], "ledger": {}},
            ]}),
            Duration::from_secs(1),
        );
        view
    }

    fn press(view: &mut View, keys: &str) -> Vec<Todo> {
        let keys = keys.chars().map(|key| match key {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\u{8}' => KeyCode::Backspace,
            key => KeyCode::Char(key),
        });
        keys.map(|key| obey(view, KeyEvent::new(key, KeyModifiers::NONE)))
            .collect()
    }

    #[test]
    fn the_rate_of_the_chosen_rule_goes_up_and_down_in_steps_and_to_nothing() {
        for (sample, key, percent) in [
            (0.0, "+", "1%"),
            (0.01, "+", "5%"),
            (0.3, "=", "50%"),
            (0.25, "-", "10%"),
            (1.0, "-", "75%"),
            (0.3, "0", "0%"),
        ] {
            let todo = press(&mut view(sample), key);
            let set = Todo::Set("a".into(), percent.parse().unwrap());
            assert_eq!(todo, [set], "{sample} {key}");
        }
        assert_eq!(press(&mut view(1.0), "+"), [Todo::Nothing]);
        assert_eq!(
            press(&mut view(0.01), "-"),
            [Todo::Nothing],
            "0 is asked for by its key"
        );
        let set = Todo::Set("b".into(), "0%".parse().unwrap());
        assert_eq!(press(&mut view(0.5), "j0"), [Todo::Nothing, set]);
        assert_eq!(press(&mut View::default(), "+"), [Todo::Nothing]);
    }

    #[test]
    fn what_is_typed_behind_a_slash_chooses_rows_and_does_nothing_else() {
        let mut view = view(0.5);
        let todos = press(&mut view, "/tWq0\u{8}\u{8}o\n");
        assert!(todos.iter().all(|todo| *todo == Todo::Nothing));
        assert_eq!((view.filter.as_str(), view.typing), ("tWo", false));
        assert_eq!(view.chosen(), Some(("b".to_owned(), 0.5)));
        press(&mut view, "/\u{1b}");
        assert_eq!(view.chosen().unwrap().0, "b", "until a key says otherwise");
        press(&mut view, "k");
        assert_eq!(view.chosen().unwrap().0, "a");
        assert_eq!(press(&mut view, "q"), [Todo::End]);
    }
}
