//! Whose the records are.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use foldhash::fast::FixedState;
use mirror_capture::AttachmentId;

use super::control::MirrorId;

/// Which mirror has which attachment, for all shards. Written to before an attachment sees its first segment.
#[derive(Clone, Default)]
pub(crate) struct Routes(Arc<RwLock<HashMap<AttachmentId, MirrorId>>>);

impl Routes {
    pub(crate) fn add(&self, attachment: AttachmentId, mirror: MirrorId) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(attachment, mirror);
    }

    pub(crate) fn remove(&self, attachment: AttachmentId) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.remove(&attachment);
    }

    /// The mirror is gone.
    pub(crate) fn forget(&self, mirror: MirrorId) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, other| *other != mirror);
    }

    fn get(&self, attachment: AttachmentId) -> Option<MirrorId> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&attachment).copied()
    }
}

/// A shard's own view of the [`Routes`], by the places of its mirrors: records of one attachment mostly come after one
/// another, and no lock is taken for what is known.
pub(super) struct Table {
    routes: Routes,
    known: HashMap<AttachmentId, usize, FixedState>,
    last: Option<(AttachmentId, usize)>,
}

impl Table {
    pub(super) fn new(routes: Routes) -> Self {
        Self {
            routes,
            known: HashMap::default(),
            last: None,
        }
    }

    /// The place of the mirror that has this attachment, as `place_of` knows it.
    #[inline]
    pub(super) fn place(
        &mut self,
        attachment: AttachmentId,
        place_of: impl FnOnce(MirrorId) -> Option<usize>,
    ) -> Option<usize> {
        if let Some((last, place)) = self.last
            && last == attachment
        {
            return Some(place);
        }
        let place = match self.known.get(&attachment) {
            Some(place) => *place,
            None => {
                let place = place_of(self.routes.get(attachment)?)?;
                self.known.insert(attachment, place);
                place
            }
        };
        self.last = Some((attachment, place));
        Some(place)
    }

    /// An attachment is gone.
    pub(super) fn forget(&mut self, attachment: AttachmentId) {
        self.last = None;
        self.known.remove(&attachment);
    }

    /// The mirror at this place is gone.
    pub(super) fn vacate(&mut self, place: usize) {
        self.last = None;
        self.known.retain(|_, other| *other != place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_its_mirrors_until_one_of_them_is_gone() {
        let routes = Routes::default();
        let mut table = Table::new(routes.clone());
        let places = |id: MirrorId| usize::try_from(id.0).ok();
        let mut place = |number| table.place(AttachmentId(number), places);
        assert_eq!(place(1), None, "nobody's");
        routes.add(AttachmentId(1), MirrorId(7));
        routes.add(AttachmentId(2), MirrorId(8));
        for (attachment, expected) in [(1, 7), (1, 7), (2, 8), (1, 7)] {
            assert_eq!(place(attachment), Some(expected));
        }
        routes.remove(AttachmentId(1));
        assert_eq!(place(1), Some(7), "what it left in the ring is still its");
        table.forget(AttachmentId(1));
        assert_eq!(table.place(AttachmentId(1), places), None);

        routes.forget(MirrorId(8));
        table.vacate(8);
        assert_eq!(table.place(AttachmentId(2), places), None);
    }

    #[test]
    fn an_attachment_whose_mirror_is_not_here_is_nobodys_until_it_is() {
        let routes = Routes::default();
        routes.add(AttachmentId(1), MirrorId(7));
        let mut table = Table::new(routes);
        assert_eq!(table.place(AttachmentId(1), |_| None), None);
        assert_eq!(table.place(AttachmentId(1), |_| Some(3)), Some(3));
    }
}
