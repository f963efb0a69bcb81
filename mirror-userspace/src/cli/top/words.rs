//! Names, numbers and times as a line of a terminal has them.

use crate::cli::harmless::harmless;

/// At most so many characters, none of which is anything to a terminal: names are other people's.
pub(super) fn cut(text: &str, width: usize) -> String {
    let mut characters = text.chars().map(harmless);
    let mut line: String = characters.by_ref().take(width).collect();
    if characters.next().is_some() && line.pop().is_some() {
        line.push('…');
    }
    line
}

/// Words in lines, those behind the first with an indentation of two.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let indent = text.len() - text.trim_start().len();
    let mut lines = vec![" ".repeat(indent)];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else {
            break;
        };
        let is_begun = !line.trim_start().is_empty();
        if is_begun && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(format!("  {word}"));
        } else {
            if is_begun {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

pub(in crate::cli) fn rate(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        small if small < 100.0 => format!("{small:.1}"),
        large => format!("{large:.0}"),
    }
}

pub(in crate::cli) fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || "-".to_owned(),
        |share| match share * 1e2 {
            whole if whole >= 99.95 => format!("{whole:.0} %"),
            other => format!("{other:.1}%"),
        },
    )
}

pub(in crate::cli) fn time(seconds: f64) -> String {
    match seconds {
        0.0 => "-".to_owned(),
        short if short < 1e-3 => format!("{:.0} us", short * 1e6),
        medium if medium < 1.0 => format!("{:.1}ms", medium * 1e3),
        long => format!("{long:.1} s"),
    }
}

pub(super) fn uptime(seconds: f64) -> String {
    let minutes = (seconds / 60.0).floor();
    match minutes {
        0.0 => format!("{seconds:.0} s"),
        few if few < 60.0 => format!("{few:.0} min"),
        many => format!("{:.0} h {:.0} min", (many / 60.0).floor(), many % 60.0),
    }
}
