//! How a target gets its addresses.

use std::{net::SocketAddr, rc::Rc};

use mirror_core::destination::{Destination, TargetUrl};
use tokio::task::spawn_local;

use super::{
    Failure, Outcome, Target, Verdict,
    state::{Origin, State},
};

impl Target {
    /// Replaces the addresses of a target whose addresses are reported from outside.
    pub(crate) fn set_addresses(self: &Rc<Self>, sockets: &[SocketAddr]) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let Origin::Told(vacancy) = &mut state.origin else {
            return log::error!("{}: told addresses, but has its own", self.destination);
        };
        if sockets.is_empty() {
            vacancy.begin(self.now());
        } else {
            vacancy.end();
        }
        state.pool.set_addresses(sockets);
        self.pump(state);
    }

    /// Starts to look for addresses: there are none, or they are out of date.
    pub(super) fn find_addresses(self: &Rc<Self>, state: &mut State) {
        let now = self.now();
        let names = match &mut state.origin {
            Origin::Written => return,
            Origin::Told(vacancy) => return vacancy.begin(now),
            Origin::Name(names) => names,
        };
        let Destination::Url(TargetUrl { host, port, .. }) = &self.destination else {
            return;
        };
        if !names.begin(now, now + self.shared.config.resolve_every) {
            return;
        }
        let resolving = self.shared.resolver.resolve(&host.to_string(), *port);
        let target = Rc::clone(self);
        spawn_local(async move {
            let found = resolving.await;
            target.handle_resolved(&found.unwrap_or_default());
        });
    }

    fn handle_resolved(self: &Rc<Self>, found: &[SocketAddr]) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if let Origin::Name(names) = &mut state.origin {
            names.end();
        }
        if !found.is_empty() {
            state.pool.set_addresses(found);
        } else if !state.pool.has_address() {
            // Without an address, the copy whose turn it is can't be sent.
            if let Some(job) = state.queue.pop() {
                state.begin(&job);
                let outcome = Outcome::Failed(Failure::Connect);
                state.end(job, &outcome, Verdict::Fails, self.now());
            }
        }
        self.pump(state);
    }
}
