//! What an agent does when it takes over, or is relieved; and the gates that it opens for pods.

use std::{future, time::Duration};

use log::{info, warn};
use mirror_runtime::clock;

use super::{
    Agent,
    hand_over::{HandOver, Met},
    told::Telling,
};

/// From when on the next agent's segments are its own, so that all shards know before that.
const LEAD: Duration = Duration::from_millis(50);

/// The two agents' programs see a segment one after the other, a microsecond apart.
const APART: Duration = Duration::from_micros(200);

impl Agent {
    /// Opens the gates of pods that need not wait any more.
    pub(super) fn open_gates(&mut self) {
        if let Some(gates) = &mut self.gates {
            let all_rules = self.watches.complete().is_ok();
            gates.keep(self.state.gated(all_rules));
        }
    }

    /// Takes over, once all is attached.
    pub(super) async fn take_over(&mut self) {
        let waits = self.hand_over.as_ref().is_some_and(HandOver::waits);
        if !waits || self.all_attached().is_err() {
            return;
        }
        let Some(hand_over) = &mut self.hand_over else {
            return;
        };
        match hand_over.take_over().await {
            Ok(None) => return,
            Ok(Some(from)) => {
                let wait = (from + APART).since(clock::now());
                tokio::time::sleep(wait).await;
            }
            Err(error) => warn!("{error:#}: mirroring all the same"),
        }
        self.mirror().await;
        info!("took over from the agent before this one");
    }

    /// Mirrors, and tells people: only one agent of a node does.
    async fn mirror(&mut self) {
        self.mirrors.resume().await;
        if self.telling.is_none() {
            self.telling = self.tell.clone().map(Telling::start);
        }
    }

    pub(super) async fn on_met(&mut self, met: Met) {
        match met {
            Met::PredecessorGone => {
                self.mirror().await;
                info!("the agent before this one has ended: mirroring");
            }
            Met::Asked => {
                let from = self.mirrors.pause(LEAD).await;
                if let Some(hand_over) = &mut self.hand_over {
                    hand_over.give(from).await;
                }
                if let Some(telling) = self.telling.take() {
                    // It may take a moment, for which segments do not wait.
                    tokio::spawn(telling.end());
                }
                info!("the next agent of this node has taken over");
            }
            Met::SuccessorGone => {
                self.mirror().await;
                warn!("the agent that took over has ended: mirroring again");
            }
        }
    }

    /// Before the end: whoever waits goes on from now.
    pub(super) async fn leave(&mut self) {
        if let Some(hand_over) = self.hand_over.take().filter(|it| !it.waits()) {
            self.mirrors.pause(Duration::ZERO).await;
            drop(hand_over);
        }
    }
}

/// Waits for what happens at the socket, if there is one.
pub(super) async fn next(hand_over: &mut Option<HandOver>) -> Met {
    match hand_over {
        Some(hand_over) => hand_over.next().await,
        None => future::pending().await,
    }
}
