//! An agent takes over from the one before it on its node: at an update both run for a while.
//!
//! ```text
//! new: attaches everywhere, copying nothing ──take over──► old
//! old: what comes from T on is not mine ─────────T───────► new: copies from T on
//! old: finishes what came before T, and waits for its end. If the new one ends first, it goes on.
//! ```
//!
//! They meet at a unix socket in a folder that is ours alone. `T` is a moment of the clock that both kernel
//! programs stamp segments by, once all shards of the old agent obey it. So no request is copied twice. Those are
//! missed that begin in the millisecond or two from `T` on, until the new agent copies, and those whose segments
//! came on both sides of it.

use std::{
    mem,
    os::unix::net::UnixStream as Blocking,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use log::{info, warn};
use mirror_core::segment::Time;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    time::{sleep, timeout},
};

use crate::admin::{SocketFile, claim_folder, listen_at};

/// The request, which is the version of this protocol, too. The answer is `T`: 8 bytes, little-endian.
const TAKE_OVER: u8 = 1;

/// How long the other agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What happened at the socket.
#[derive(Debug)]
pub(super) enum Met {
    /// The one before has ended by itself: all is ours at once.
    PredecessorGone,
    /// The next one is ready, and asks to take over.
    Asked,
    /// The next one has ended after it took over: all is ours again.
    SuccessorGone,
}

/// This agent's part.
#[derive(Debug)]
pub(super) struct HandOver {
    path: PathBuf,
    part: Part,
}

#[derive(Debug)]
enum Part {
    /// Another one mirrors.
    Waits(UnixStream),
    /// We mirror.
    Mirrors(Mirrors),
    /// Another one has taken over.
    Done {
        next: UnixStream,
        /// As in [`Mirrors::before`].
        before: Option<UnixStream>,
    },
}

#[derive(Debug, Default)]
struct Mirrors {
    /// Where the next one comes.
    door: Option<(UnixListener, SocketFile)>,
    /// Who has come, and may ask to take over.
    next: Option<UnixStream>,
    /// Whom we took over from: it goes on if it hears that we are gone.
    before: Option<UnixStream>,
}

impl HandOver {
    /// Meets whoever mirrors on this node, or opens the door for whoever comes next.
    ///
    /// Must be called within a tokio runtime.
    pub(super) fn start(path: PathBuf) -> Self {
        let part = match meet(&path) {
            Some(predecessor) => {
                info!("another agent mirrors on this node: taking over once all is attached");
                Part::Waits(predecessor)
            }
            None => Part::Mirrors(Mirrors::open(&path, None)),
        };
        Self { path, part }
    }

    /// Whether another one mirrors until we take over.
    pub(super) const fn waits(&self) -> bool {
        matches!(self.part, Part::Waits(_))
    }

    /// Whether another one has taken over and mirrors.
    pub(super) const fn is_relieved(&self) -> bool {
        matches!(self.part, Part::Done { .. })
    }

    /// Opens the door if that could not be done before. To be called from time to time, within a tokio runtime.
    pub(super) fn keep_door(&mut self) {
        if let Part::Mirrors(mirrors) = &mut self.part
            && mirrors.door.is_none()
            && let Ok(door) = open(&self.path)
        {
            mirrors.door = Some(door);
            info!("the next agent of this node can take over from this one now");
        }
    }

    /// Waits until something happens. Nothing is lost if this is dropped before it is done.
    pub(super) async fn next(&mut self) -> Met {
        loop {
            let (met, before) = match &mut self.part {
                Part::Waits(predecessor) => {
                    until_gone(predecessor).await;
                    (Met::PredecessorGone, None)
                }
                Part::Done { next, before } => {
                    until_gone(next).await;
                    (Met::SuccessorGone, before.take())
                }
                Part::Mirrors(mirrors) => {
                    if mirrors.is_asked().await {
                        return Met::Asked;
                    }
                    continue;
                }
            };
            self.part = Part::Mirrors(Mirrors::open(&self.path, before));
            return met;
        }
    }

    /// Takes over, and says from when on all is ours.
    ///
    /// # Errors
    /// The other one has not answered: all is ours, but what it still mirrors may be copied twice.
    pub(super) async fn take_over(&mut self) -> Result<Time> {
        let nobody = Part::Mirrors(Mirrors::default());
        let Part::Waits(mut before) = mem::replace(&mut self.part, nobody) else {
            return Ok(Time::default());
        };
        let asked = async {
            before.write_u8(TAKE_OVER).await?;
            before.read_u64_le().await
        };
        let answer = timeout(PATIENCE, asked).await;
        self.part = Part::Mirrors(Mirrors::open(&self.path, Some(before)));
        let answer = answer.context("the agent before this one does not answer")?;
        let from = answer.context("the agent before this one has ended meanwhile")?;
        Ok(Time::from_nanos(from))
    }

    /// Tells the next one that all is its own from then on. If that has gone meanwhile, [`next`](Self::next) says so.
    pub(super) async fn give(&mut self, from: Time) {
        let nobody = Part::Mirrors(Mirrors::default());
        let part = mem::replace(&mut self.part, nobody);
        let Part::Mirrors(Mirrors {
            door,
            next: Some(mut next),
            before,
        }) = part
        else {
            self.part = part;
            return;
        };
        // The next one opens its own.
        drop(door);
        let _gone = next.write_u64_le(from.as_nanos()).await;
        self.part = Part::Done { next, before };
    }
}

impl Mirrors {
    fn open(path: &Path, before: Option<UnixStream>) -> Self {
        let door = open(path).inspect_err(|error| {
            warn!(
                "{}: {error:#}: the next agent of this node can't take over from this one",
                path.display()
            );
        });
        Self {
            door: door.ok(),
            next: None,
            before,
        }
    }

    /// Waits until somebody comes, asks or goes. Returns whether somebody asked to take over.
    async fn is_asked(&mut self) -> bool {
        if let Some(next) = &mut self.next {
            let asks = next.read_u8().await.ok() == Some(TAKE_OVER);
            if !asks {
                self.next = None;
            }
            return asks;
        }
        let Some((listener, _)) = &self.door else {
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, _)) => self.next = Some(stream),
            // No descriptors are left, for a moment.
            Err(_) => sleep(Duration::from_secs(1)).await,
        }
        false
    }
}

/// In a folder that others may write to, whoever listens may be anybody.
fn meet(path: &Path) -> Option<UnixStream> {
    claim_folder(path).ok()?;
    let stream = Blocking::connect(path).ok()?;
    stream.set_nonblocking(true).ok()?;
    UnixStream::from_std(stream).ok()
}

fn open(path: &Path) -> Result<(UnixListener, SocketFile)> {
    let (listener, file) = listen_at(path)?;
    Ok((UnixListener::from_std(listener)?, file))
}

/// It says nothing as long as it lives.
async fn until_gone(other: &mut UnixStream) {
    while other.read_u8().await.is_ok() {}
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt as _,
    };

    use super::*;

    #[tokio::test]
    async fn the_next_one_takes_over_and_if_it_ends_the_one_before_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hand-over.sock");
        let mut old = HandOver::start(path.clone());
        assert!(!old.waits());
        let mut new = HandOver::start(path.clone());
        assert!(new.waits());
        // A third one waits for its turn, and goes.
        drop(HandOver::start(path.clone()));

        let give = async {
            assert!(matches!(old.next().await, Met::Asked));
            old.give(Time::from_nanos(7)).await;
        };
        let (taken, ()) = tokio::join!(new.take_over(), give);
        assert_eq!(taken.unwrap(), Time::from_nanos(7));
        assert!(!new.waits());

        // The door is the new one's now.
        let mut newer = HandOver::start(path.clone());
        assert!(newer.waits());
        let give = async {
            assert!(matches!(new.next().await, Met::Asked));
            new.give(Time::from_nanos(9)).await;
        };
        let (taken, ()) = tokio::join!(newer.take_over(), give);
        assert_eq!(taken.unwrap(), Time::from_nanos(9));
        drop(newer);
        assert!(matches!(new.next().await, Met::SuccessorGone));
        drop(new);
        assert!(matches!(old.next().await, Met::SuccessorGone));
        assert!(HandOver::start(path).waits());
    }

    /// Three are there for a while: the first one is not to mirror beside the third.
    #[tokio::test]
    async fn whoever_was_relieved_first_hears_nothing_of_the_next_hand_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hand-over.sock");
        let mut first = HandOver::start(path.clone());
        let mut second = HandOver::start(path.clone());
        hand_over(&mut first, &mut second).await;
        let mut third = HandOver::start(path.clone());
        hand_over(&mut second, &mut third).await;
        assert!(first.is_relieved() && second.is_relieved());
        let heard = timeout(Duration::from_millis(100), first.next()).await;
        assert!(heard.is_err(), "{heard:?}");
        // The second one goes on: nor is the first one to mirror beside that.
        drop(third);
        assert!(matches!(second.next().await, Met::SuccessorGone));
        let heard = timeout(Duration::from_millis(100), first.next()).await;
        assert!(heard.is_err(), "{heard:?}");
        drop(second);
        assert!(matches!(first.next().await, Met::SuccessorGone));
    }

    async fn hand_over(old: &mut HandOver, new: &mut HandOver) {
        let give = async {
            assert!(matches!(old.next().await, Met::Asked));
            old.give(Time::from_nanos(7)).await;
        };
        let (taken, ()) = tokio::join!(new.take_over(), give);
        taken.unwrap();
    }

    #[tokio::test]
    async fn whoever_listens_where_others_may_write_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hand-over.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(!HandOver::start(path.clone()).waits());
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(HandOver::start(path).waits());
    }

    #[tokio::test]
    async fn a_door_that_could_not_be_opened_is_opened_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hand-over.sock");
        let other = UnixListener::bind(&path).unwrap();
        let mut own = HandOver {
            part: Part::Mirrors(Mirrors::open(&path, None)),
            path: path.clone(),
        };
        own.keep_door();
        drop(other);
        own.keep_door();
        assert!(HandOver::start(path).waits());
    }

    #[tokio::test]
    async fn whoever_waits_goes_on_alone_if_the_one_before_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hand-over.sock");
        let old = HandOver::start(path.clone());
        let mut new = HandOver::start(path.clone());
        drop(old);
        assert!(matches!(new.next().await, Met::PredecessorGone));
        assert!(!new.waits());
        assert!(HandOver::start(path).waits());
    }
}
