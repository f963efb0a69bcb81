//! The copies that a request is passed on as while it arrives.

use super::CopyId;

/// Copies of a request. Nearly always there is one, and each connection has room for these.
pub(super) enum Copies {
    One(CopyId),
    Several(Box<Several>),
}

/// Any other number of copies.
#[derive(Default)]
pub(super) struct Several(Vec<CopyId>);

impl From<Vec<CopyId>> for Copies {
    fn from(copies: Vec<CopyId>) -> Self {
        match *copies {
            [copy] => Self::One(copy),
            _ => Self::Several(Box::new(Several(copies))),
        }
    }
}

impl Copies {
    pub(super) fn as_slice(&self) -> &[CopyId] {
        match self {
            Self::One(copy) => std::slice::from_ref(copy),
            Self::Several(several) => &several.0,
        }
    }

    /// Keeps those that `keep` says.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(CopyId) -> bool) {
        match self {
            Self::One(copy) if keep(*copy) => {}
            Self::One(_) => *self = Self::Several(Box::default()),
            Self::Several(several) => several.0.retain(|copy| keep(*copy)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_kept_as_several_are() {
        for count in 0..4 {
            let all: Vec<_> = (0..count).map(CopyId).collect();
            for kept in 0..=count {
                let mut copies = Copies::from(all.clone());
                assert_eq!(copies.as_slice(), all);
                copies.retain(|copy| copy.0 < kept);
                let expected: Vec<_> = (0..kept).map(CopyId).collect();
                assert_eq!(copies.as_slice(), expected);
            }
        }
    }

    #[test]
    fn they_take_no_more_than_two_words() {
        assert_eq!(size_of::<Copies>(), 16);
    }
}
