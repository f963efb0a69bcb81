//! Other people's words, on a terminal.

/// The character, or `?` for one that would mean something to a terminal.
pub(super) fn harmless(character: char) -> char {
    if character.is_control() {
        '?'
    } else {
        character
    }
}
