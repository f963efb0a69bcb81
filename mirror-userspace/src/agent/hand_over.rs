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
//!
//! More than two may be there for a while. Only who listens at the socket mirrors: whoever hears that another one is
//! gone looks there first, and the one that opens it is one. The old agent lets those go who stand at its door when the
//! new one has a door of its own. One that does not answer loses its place to the first that waited for it, whom the others
//! wait for then.

use std::{
    fs,
    future::pending,
    mem,
    os::unix::{fs::MetadataExt as _, net::UnixStream as Blocking},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, bail};
use futures::future::select_all;
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

/// What the new agent says when it has a door of its own. An agent of before that says nothing keeps others waiting at the
/// old one's door, which does no harm.
const OPEN: u8 = 2;

/// How many may wait for us; others stay before the door.
const MOST: usize = 8;

/// How often to look for another agent at a door that we can't open.
const TRIES: usize = 3;

/// See [`HandOver::patience`].
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
    /// How long the other agent may take to answer.
    patience: Duration,
}

/// Where others come, and its file.
type Door = (UnixListener, SocketFile);

/// Device and inode of a socket.
type Id = (u64, u64);

#[derive(Debug)]
enum Part {
    /// Another one mirrors, who listened at this socket.
    Waits(UnixStream, Option<Id>),
    /// We mirror.
    Mirrors(Mirrors),
    /// Another one has taken over.
    Done {
        next: UnixStream,
        /// Those who stand there or wait would take us for gone, and perhaps find nobody before the next one has opened its
        /// own.
        others: Option<(Option<Door>, Vec<UnixStream>)>,
        /// As in [`Mirrors::before`].
        before: Option<UnixStream>,
    },
}

#[derive(Debug, Default)]
struct Mirrors {
    /// Where the next one comes.
    door: Option<Door>,
    /// Who has come, and may ask to take over, [`MOST`] at most.
    come: Vec<UnixStream>,
    /// Who has asked.
    next: Option<UnixStream>,
    /// Whom we took over from: it goes on if it hears that we are gone.
    before: Option<UnixStream>,
}

impl HandOver {
    /// Meets whoever mirrors on this node, or opens the door for whoever comes next.
    ///
    /// Must be called within a tokio runtime.
    pub(super) fn start(path: PathBuf) -> Self {
        let part = Part::begin(&path, None);
        if matches!(part, Part::Waits(..)) {
            info!("another agent mirrors on this node: taking over once all is attached");
        }
        Self {
            path,
            part,
            patience: PATIENCE,
        }
    }

    /// Whether another one mirrors until we take over.
    pub(super) const fn waits(&self) -> bool {
        matches!(self.part, Part::Waits(..))
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
                Part::Waits(predecessor, _) => {
                    while hear(predecessor).await.is_some() {}
                    (Met::PredecessorGone, None)
                }
                Part::Done {
                    next,
                    others,
                    before,
                } => match hear(next).await {
                    Some(OPEN) => {
                        *others = None;
                        continue;
                    }
                    Some(_) => continue,
                    None => (Met::SuccessorGone, before.take()),
                },
                Part::Mirrors(mirrors) => {
                    if mirrors.is_asked().await {
                        return Met::Asked;
                    }
                    continue;
                }
            };
            // Those who stand there are to come to whoever mirrors now.
            self.part = Part::Mirrors(Mirrors::default());
            self.part = Part::begin(&self.path, before);
            if !self.waits() {
                return met;
            }
            info!("another agent of this node mirrors now: taking over once all is attached");
        }
    }

    /// Takes over, and says from when on all is ours; `None` if yet another one mirrors.
    ///
    /// # Errors
    /// The other one has not answered: all is ours, but what it still mirrors may be copied twice.
    pub(super) async fn take_over(&mut self) -> Result<Option<Time>> {
        let nobody = Part::Mirrors(Mirrors::default());
        let Part::Waits(mut before, id) = mem::replace(&mut self.part, nobody) else {
            return Ok(Some(Time::default()));
        };
        let asked = async {
            before.write_u8(TAKE_OVER).await?;
            before.read_u64_le().await
        };
        let answered = match timeout(self.patience, asked).await {
            Ok(Ok(from)) => Some(Time::from_nanos(from)),
            // It has ended meanwhile.
            Ok(Err(_)) => {
                self.part = Part::begin(&self.path, None);
                return Ok((!self.waits()).then(Time::default));
            }
            Err(_) => None,
        };
        // Another one has taken its place meanwhile, and mirrors.
        if socket_at(&self.path) != id
            && let Some((other, id)) = meet(&self.path)
        {
            self.part = Part::Waits(other, id);
            return Ok(None);
        }
        // There is no moment at which nobody listens. Whoever has not answered hears this when it comes to it.
        let mut mirrors = Mirrors::open(&self.path, open_instead);
        let _gone = before.write_u8(OPEN).await;
        mirrors.before = Some(before);
        self.part = Part::Mirrors(mirrors);
        match answered {
            Some(from) => Ok(Some(from)),
            None => bail!("the agent before this one does not answer"),
        }
    }

    /// Tells the next one that all is its own from then on. If that has gone meanwhile, [`next`](Self::next) says so.
    pub(super) async fn give(&mut self, from: Time) {
        let nobody = Part::Mirrors(Mirrors::default());
        let part = mem::replace(&mut self.part, nobody);
        let Part::Mirrors(Mirrors {
            door,
            come,
            next: Some(mut next),
            before,
        }) = part
        else {
            self.part = part;
            return;
        };
        let _gone = next.write_u64_le(from.as_nanos()).await;
        self.part = Part::Done {
            next,
            others: Some((door, come)),
            before,
        };
    }
}

impl Part {
    /// Waits for whoever mirrors, or mirrors. `before` is whom we took over from.
    fn begin(path: &Path, before: Option<UnixStream>) -> Self {
        for _ in 0..TRIES {
            if let Some((other, id)) = meet(path) {
                return Self::Waits(other, id);
            }
            // If another one has opened it since, that one mirrors.
            if let Ok(door) = open(path) {
                return Self::Mirrors(Mirrors {
                    door: Some(door),
                    before,
                    ..Mirrors::default()
                });
            }
        }
        Self::Mirrors(Mirrors {
            before,
            ..Mirrors::open(path, open)
        })
    }
}

impl Mirrors {
    fn open(path: &Path, how: fn(&Path) -> Result<Door>) -> Self {
        let door = how(path).inspect_err(|error| {
            warn!(
                "{}: {error:#}: the next agent of this node can't take over from this one",
                path.display()
            );
        });
        Self {
            door: door.ok(),
            ..Self::default()
        }
    }

    /// Waits until somebody comes, asks or goes. Returns whether somebody asked to take over.
    async fn is_asked(&mut self) -> bool {
        let door = self.door.as_ref().filter(|_| self.come.len() < MOST);
        let comes = async {
            match door {
                Some((listener, _)) => listener.accept().await,
                None => pending().await,
            }
        };
        let says = async {
            if self.come.is_empty() {
                return pending().await;
            }
            let each = self.come.iter_mut().map(|it| Box::pin(hear(it)));
            let (said, which, _) = select_all(each).await;
            (said, which)
        };
        tokio::select! {
            come = comes => match come {
                Ok((stream, _)) => self.come.push(stream),
                // No descriptors are left, for a moment.
                Err(_) => sleep(Duration::from_secs(1)).await,
            },
            (said, which) = says => {
                let next = self.come.swap_remove(which);
                if said == Some(TAKE_OVER) {
                    self.next = Some(next);
                    return true;
                }
            }
        }
        false
    }
}

/// In a folder that others may write to, whoever listens may be anybody.
fn meet(path: &Path) -> Option<(UnixStream, Option<Id>)> {
    claim_folder(path).ok()?;
    // One that is replaced between the two counts as replaced: whoever listens then is met again.
    let id = socket_at(path);
    let stream = Blocking::connect(path).ok()?;
    stream.set_nonblocking(true).ok()?;
    Some((UnixStream::from_std(stream).ok()?, id))
}

fn socket_at(path: &Path) -> Option<Id> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

fn open(path: &Path) -> Result<Door> {
    let (listener, file) = listen_at(path)?;
    Ok((UnixListener::from_std(listener)?, file))
}

/// In place of the one that listens there.
fn open_instead(path: &Path) -> Result<Door> {
    let (listener, file) = open(&path.with_extension("next"))?;
    Ok((listener, file.renamed(path)?))
}

/// What the other one says; `None` if it has ended.
async fn hear(other: &mut UnixStream) -> Option<u8> {
    other.read_u8().await.ok()
}

#[cfg(test)]
mod tests;
