//! The chains and the index: who is next, who has moved.

use std::hash::BuildHasher;

use super::{ByActivity, ByWait, Connection, FlowTable};
use crate::{
    segment::{FlowId, Time},
    stream::{
        chain::Chain,
        queue::Wait,
        slab::{Key, Slab},
    },
};

impl<T> FlowTable<T> {
    pub(super) fn find(&self, hash: u64, flow: &FlowId) -> Option<Key> {
        let is_it = |key: &Key| {
            self.connections
                .get(*key)
                .is_some_and(|known| known.flow == *flow)
        };
        self.index.find(hash, is_it).copied()
    }

    /// What a consumer keeps of this connection, if it is open.
    pub fn state_mut(&mut self, flow: &FlowId) -> Option<&mut T> {
        let key = self.find(self.hasher.hash_one(flow), flow)?;
        Some(&mut self.connections.get_mut(key)?.state)
    }

    pub(super) fn wait_anew(&mut self, key: Key, waited: Option<Wait>, waits: Option<Wait>) {
        for (wait, begins) in [(waited, false), (waits, true)] {
            let chain = match wait {
                None => continue,
                Some(wait) if wait.overtaken => &mut self.overtaken,
                Some(_) => &mut self.waiting,
            };
            if begins {
                chain.push(&mut self.connections, key);
            } else {
                chain.remove(&mut self.connections, key);
            }
        }
    }

    pub(super) fn note_activity(&mut self, now: Time, key: Key, grown_up: bool) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.last_active = now;
        let was_embryonic = connection.beginning.embryonic;
        connection.beginning.embryonic &= !grown_up;
        let is_embryonic = connection.beginning.embryonic;
        self.chain_of(was_embryonic, |chain, connections| {
            chain.remove(connections, key)
        });
        self.chain_of(is_embryonic, |chain, connections| {
            chain.push(connections, key)
        });
    }

    pub(super) fn chain_of(
        &mut self,
        embryonic: bool,
        apply: impl FnOnce(&mut Chain<ByActivity>, &mut Slab<Connection<T>>),
    ) {
        let chain = if embryonic {
            &mut self.embryonic
        } else {
            &mut self.active
        };
        apply(chain, &mut self.connections);
    }

    /// The first of a chain of those that wait, and when it has waited for long enough.
    pub(super) fn due_of(&self, chain: &Chain<ByWait>) -> Option<(Key, Time)> {
        let key = chain.first()?;
        let wait = self.connections.get(key)?.assembler.waits()?;
        Some((key, wait.since + self.limits.patience(wait)))
    }

    pub(super) fn first_embryonic(&self) -> Option<(Key, Time)> {
        let key = self.embryonic.first()?;
        Some((key, self.connections.get(key)?.last_active))
    }

    pub(super) fn first_active(&self) -> Option<(Key, Time)> {
        let key = self.active.first()?;
        Some((key, self.connections.get(key)?.last_active))
    }

    pub(super) fn first_due(&self, now: Time) -> Option<Key> {
        let chains = [&self.overtaken, &self.waiting];
        let mut due = chains.into_iter().filter_map(|chain| self.due_of(chain));
        due.find_map(|(key, due)| (due <= now).then_some(key))
    }
}
