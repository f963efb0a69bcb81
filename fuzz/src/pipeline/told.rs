//! What is told of v1's answers in HTTP/2: of each request at most once how it was answered, and contents in their order.

use std::collections::HashMap;

use mirror_core::pipeline::{RequestKey, SaidByV1};

/// How far the contents of a reply have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Contents {
    #[default]
    Nothing,
    Head,
    /// Something of the body is missing.
    Missed,
    Trailers,
    Over,
}

/// What was told of a request.
#[derive(Debug, Default)]
struct Told {
    is_answered: bool,
    contents: Contents,
}

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct OfV1(HashMap<RequestKey, Told>);

impl OfV1 {
    /// # Panics
    ///
    /// When that is not to come behind what came before.
    pub(super) fn check(&mut self, request: RequestKey, said: &SaidByV1) {
        let told = self.0.entry(request).or_default();
        let before = told.contents;
        // Who reads has what there was of this reply; what v1 says on a stream that it has ended is of no more use.
        if before == Contents::Over {
            return;
        }
        let may_follow = match said {
            SaidByV1::Answer { .. } => {
                let is_first = !told.is_answered;
                told.is_answered = true;
                is_first
            }
            SaidByV1::Head { .. } => before == Contents::Nothing,
            SaidByV1::Body(_) => before == Contents::Head,
            SaidByV1::BodyMissed | SaidByV1::Trailers(_) => {
                matches!(before, Contents::Head | Contents::Missed)
            }
            SaidByV1::End => before != Contents::Nothing,
            // v1 may break off at any time, and reset what it has answered.
            SaidByV1::Unknown | SaidByV1::Failed | SaidByV1::Missed(_) | SaidByV1::Broken => true,
        };
        assert!(may_follow, "{said:?} behind {told:?}");
        told.contents = match said {
            SaidByV1::Answer { .. } | SaidByV1::Unknown | SaidByV1::Failed => before,
            SaidByV1::Head { .. } => Contents::Head,
            SaidByV1::Body(_) => before,
            SaidByV1::BodyMissed => Contents::Missed,
            SaidByV1::Trailers(_) => Contents::Trailers,
            SaidByV1::End | SaidByV1::Missed(_) | SaidByV1::Broken => Contents::Over,
        };
    }
}
