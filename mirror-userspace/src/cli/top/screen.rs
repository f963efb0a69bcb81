//! The terminal: taken over, drawn on, and given back as it was.

use std::io::{self, Stdout, Write as _};

use crossterm::{
    QueueableCommand as _,
    cursor::{Hide, MoveTo, Show},
    style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor},
    terminal::{
        self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};

use super::view::{Kind, View};

/// Columns where nobody says how many there are.
pub(super) const WIDTH: usize = 80;

/// A terminal that is ours until this is dropped.
pub(super) struct Screen(Stdout);

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// It is none, or can't be drawn on.
    pub(super) fn open() -> io::Result<Self> {
        enable_raw_mode()?;
        // From here on whatever happens gives it back.
        let mut screen = Self(io::stdout());
        screen.0.queue(EnterAlternateScreen)?.queue(Hide)?.flush()?;
        Ok(screen)
    }

    /// Draws as much as there is room for. `NO_COLOR` is obeyed: then boldness alone is left.
    pub(super) fn draw(&mut self, view: &View) -> io::Result<()> {
        let (columns, rows) = terminal::size().unwrap_or((80, 24));
        let width = if columns == 0 { WIDTH } else { columns.into() };
        let out = &mut self.0;
        out.queue(MoveTo(0, 0))?;
        let lines = view.lines(width);
        for (row, line) in (0..rows).zip(&lines) {
            out.queue(MoveTo(0, row))?;
            if matches!(line.kind, Kind::Title | Kind::Selected) {
                out.queue(SetAttribute(Attribute::Bold))?;
            }
            if let Some(color) = color(line.kind) {
                out.queue(SetForegroundColor(color))?;
            }
            out.queue(Print(&line.text))?
                .queue(SetAttribute(Attribute::Reset))?
                .queue(ResetColor)?
                .queue(Clear(ClearType::UntilNewLine))?;
        }
        let below = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        if below < rows {
            out.queue(MoveTo(0, below))?
                .queue(Clear(ClearType::FromCursorDown))?;
        }
        out.flush()
    }
}

const fn color(kind: Kind) -> Option<Color> {
    match kind {
        Kind::Title => Some(Color::Cyan),
        Kind::Head => Some(Color::DarkGrey),
        Kind::Bad => Some(Color::Red),
        Kind::Row | Kind::Selected | Kind::Plain => None,
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing is left to be done if this fails.
        let _shown = self
            .0
            .queue(Show)
            .and_then(|out| out.queue(LeaveAlternateScreen));
        let _flushed = self.0.flush();
        let _restored = disable_raw_mode();
    }
}
