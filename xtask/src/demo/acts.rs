//! What happens on the stage, act by act, and what is counted.

use std::{sync::mpsc, thread, time::Duration};

use anyhow::{Context as _, Result, anyhow};

use super::{screen::Screen, stage::Stage};
use lab::{
    Ledger, RawClient,
    load::{Load, Outcome, Reuse},
};

/// How much traffic an act has.
pub(super) struct Act {
    pub(super) rate: f64,
    pub(super) duration: Duration,
}

/// What an act showed.
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    pub(super) copies: Copies,
}

/// What v2 got of it.
pub(super) enum Copies {
    /// No mirror was running.
    Unmirrored,
    /// As many as v1 served.
    All { at_v2: usize, ledger: Ledger },
    /// As many as the ledger says that it sent.
    Some { at_v2: usize, ledger: Ledger },
    /// v2 died in the midst of it, and its log with it.
    Lost { ledger: Ledger },
}

/// Requests that the mirrored act makes one by one, to be read by the spectator.
const SHOWN: u64 = 5;

impl Act {
    pub(super) fn unmirrored(&self, stage: &mut Stage, screen: &Screen) -> Result<Scene> {
        screen.act(
            "v1 alone",
            "No mirror yet: this is the latency to compare with.",
        );
        // The first requests warm caches and connections up, and are not looked at.
        Load::get(stage.v1_address(), self.rate, Duration::from_secs(1))
            .run(&stage.lab.client, |_| ())?;
        let outcome = self.traffic(stage, screen, Reuse::KeepAlive, |_| ())?;
        Ok(Scene {
            name: "no mirror",
            outcome,
            copies: Copies::Unmirrored,
        })
    }

    pub(super) fn mirrored(&self, stage: &mut Stage, screen: &Screen) -> Result<Scene> {
        screen.act(
            "Every request",
            "v1 answers every call; v2's log shows the copies.",
        );
        let before = stage.settled_copies()?;
        let mirror = screen.mirror(stage, &[])?;
        ask_one_by_one(stage, screen)?;
        stage.settled_copies()?;
        for entry in stage.copies()? {
            screen.line(
                "v2's log",
                &format!("{} {}", entry.request_line, entry.status),
            );
        }
        let mut outcome = self.traffic(stage, screen, Reuse::KeepAlive, |_| ())?;
        outcome.due += SHOWN;
        outcome.answered += SHOWN;
        let at_v2 = stage.settled_copies()? - before;
        let ended = mirror.stop()?;
        screen.ledger(&ended);
        Ok(Scene {
            name: "every request",
            outcome,
            copies: Copies::All {
                at_v2,
                ledger: ended.ledger,
            },
        })
    }

    pub(super) fn sampled(&self, stage: &mut Stage, screen: &Screen) -> Result<Scene> {
        screen.act(
            "A quarter",
            "Sampled by connection, in the kernel; each request has a connection of its own.",
        );
        let before = stage.settled_copies()?;
        let mirror = screen.mirror(stage, &["--sample-rate", "25%"])?;
        let outcome = self.traffic(stage, screen, Reuse::Never, |_| ())?;
        let at_v2 = stage.settled_copies()? - before;
        let ended = mirror.stop()?;
        screen.ledger(&ended);
        Ok(Scene {
            name: "25 % *",
            outcome,
            copies: Copies::Some {
                at_v2,
                ledger: ended.ledger,
            },
        })
    }

    pub(super) fn target_dies(&self, stage: &mut Stage, screen: &Screen) -> Result<Scene> {
        screen.act(
            "v2 dies",
            "Killed while the traffic runs. v1 is not to notice.",
        );
        let mirror = screen.mirror(stage, &[])?;
        let v2 = stage.take_v2();
        let (half_time, killer) = mpsc::channel::<()>();
        let outcome = thread::scope(|scope| {
            // Killing takes milliseconds, which the load's own thread does not have.
            scope.spawn(move || {
                // An error means that the load is over: v2 has to go all the same.
                let _half_time = killer.recv();
                drop(v2);
            });
            let half = self.load(stage).total() / 2;
            let mut alive = Some(half_time);
            self.traffic(stage, screen, Reuse::KeepAlive, |done| {
                if done >= half {
                    alive = None;
                }
            })
        })?;
        screen.line("v2", "killed after half of them");
        let ended = mirror.stop()?;
        screen.ledger(&ended);
        Ok(Scene {
            name: "v2 dead",
            outcome,
            copies: Copies::Lost {
                ledger: ended.ledger,
            },
        })
    }

    /// Traffic on connections that stay open.
    pub(super) fn keep_alive(&self, stage: &Stage, screen: &Screen) -> Result<Outcome> {
        self.traffic(stage, screen, Reuse::KeepAlive, |_| ())
    }

    fn load(&self, stage: &Stage) -> Load {
        Load::get(stage.v1_address(), self.rate, self.duration)
    }

    fn traffic(
        &self,
        stage: &Stage,
        screen: &Screen,
        reuse: Reuse,
        mut on_answer: impl FnMut(u64) + Send,
    ) -> Result<Outcome> {
        let load = Load {
            reuse,
            ..self.load(stage)
        };
        let bar = screen.progress(load.total());
        let outcome = load.run(&stage.lab.client, |done| {
            bar.set_position(done);
            on_answer(done);
        })?;
        bar.finish_and_clear();
        screen.served(&outcome);
        Ok(outcome)
    }
}

fn ask_one_by_one(stage: &Stage, screen: &Screen) -> Result<()> {
    let mut client = RawClient::connect(&stage.lab.client, stage.v1_address())?;
    for number in 1..=SHOWN {
        client.write(format!("GET /call/{number} HTTP/1.1\r\nHost: v1\r\n\r\n").as_bytes())?;
        let reply = client.read_reply("GET").context("v1 did not answer")?;
        let said = String::from_utf8_lossy(&reply.body.bytes);
        screen.line(
            "client",
            &format!("GET /call/{number} -> {} {said}", reply.status),
        );
    }
    Ok(())
}

impl Scene {
    /// What in this scene contradicts what podmirror promises.
    pub(super) fn contradictions(&self) -> Vec<String> {
        let outcome = &self.outcome;
        let mut wrong = Vec::new();
        let mut expect = |holds: bool, what: String| {
            if !holds {
                wrong.push(format!("{}: {what}", self.name));
            }
        };
        expect(
            outcome.answered == outcome.due,
            format!(
                "v1 answered {} of {} requests",
                outcome.answered, outcome.due
            ),
        );
        if let Copies::All { ledger, .. } | Copies::Some { ledger, .. } | Copies::Lost { ledger } =
            &self.copies
        {
            expect(ledger.balanced(), "the ledger does not balance".to_owned());
        }
        match &self.copies {
            Copies::Unmirrored | Copies::Lost { .. } => {}
            Copies::All { at_v2, .. } => expect(
                *at_v2 as u64 == outcome.answered,
                format!("v2 got {at_v2} copies of {} requests", outcome.answered),
            ),
            Copies::Some { at_v2, ledger } => {
                let sent = ledger
                    .count("/requests/sent")
                    .map_err(|error| anyhow!(error));
                expect(
                    sent.as_ref().is_ok_and(|sent| *sent == *at_v2 as u64),
                    format!("v2 got {at_v2} copies, the ledger says {sent:?}"),
                );
                expect(
                    *at_v2 > 0 && (*at_v2 as u64) < outcome.answered,
                    format!("{at_v2} copies of {} are no sample", outcome.answered),
                );
            }
        }
        wrong
    }
}
