//! What a hostile stream may cost, in bytes looked at and in bytes kept.
//!
//! Everything that can be seen from outside is tested in `tests/http`.

mod cost;
pub(super) mod work;
