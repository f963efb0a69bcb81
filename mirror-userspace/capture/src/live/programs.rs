//! The kernel half, loaded once for many attachments.
//!
//! The verifier takes most of a tenth of a second for a program. So each is loaded once, by the first
//! attachment that needs it, into a [`Set`] that has [`SEATS`] seats; an attachment takes a seat, and has an
//! entry point of a few instructions attached that says which seat it is and hands over. A set that is full is
//! followed by another one. What a set has loaded stays loaded: pods come back.
//!
//! A seat is used again only once the entry points of its last attachment are gone: whoever holds one on
//! (`bpftool link`, a child that was just forked) would otherwise have it copy for the next. Whether they are gone
//! is known with `CAP_SYS_ADMIN` alone: without it, seats that were never used are taken first, and then any.

use std::{
    collections::HashMap,
    fmt,
    io::ErrorKind,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{ArrayOfMaps, Map, MapData, ProgramArray},
    programs::{Program, ProgramError, SchedClassifier},
};
use mirror_common::{
    counter::slot,
    settings::{MAX_SHARDS, ROWS, SEATS, Settings},
};

use super::{
    attach::{os_error, quiet::is_loaded},
    entries::{Entries, share},
    kernel_log::KernelLog,
    refusal,
    wakeups::Flags,
};

/// How often a program is loaded while signals come in between.
const LOAD_ATTEMPTS: usize = 5;

/// The programs that captures share: those whose configurations are copies of one another.
#[derive(Clone, Default)]
pub struct Programs(Arc<Mutex<Vec<Arc<Set>>>>);

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Programs").finish_non_exhaustive()
    }
}

impl Programs {
    /// A seat in a set that `suits`, or in one that is loaded for it; `settle` comes to know it before
    /// anybody else looks at the set.
    pub(super) fn seat<T>(
        &self,
        suits: impl Fn(&Arc<Set>) -> bool,
        load: impl FnOnce() -> Result<Set>,
        settle: impl FnOnce(Seat) -> Result<T>,
    ) -> Result<T> {
        let mut sets = lock(&self.0);
        let had = sets.iter().filter(|set| suits(set));
        let seat = match had.filter_map(Set::take).next() {
            Some(seat) => seat,
            None => {
                let set = Arc::new(load()?);
                sets.push(Arc::clone(&set));
                Set::take(&set).context("a new set of programs has no seat")?
            }
        };
        settle(seat)
    }
}

/// Programs, and the maps that all of their attachments share.
pub(super) struct Set {
    loaded: Mutex<Loaded>,
    /// Passes on what the programs log, if they do.
    log: Option<KernelLog>,
}

struct Loaded {
    ebpf: Ebpf,
    /// Whom entry points hand over to.
    targets: ProgramArray<MapData>,
    /// The program that each of them has.
    named: HashMap<u32, &'static str>,
    seats: Vec<State>,
    rows: Vec<bool>,
}

/// What became of a seat.
enum State {
    Taken,
    /// The entry points of its last attachment, by number: somebody may still hold them.
    Free(Vec<u32>),
}

impl Set {
    /// Of an object whose maps are made.
    pub(super) fn new(mut ebpf: Ebpf, log: Option<KernelLog>) -> Result<Self> {
        let targets = ebpf.take_map("PROGRAMS");
        let targets = targets.context("the object has no map `PROGRAMS`")?;
        let loaded = Loaded {
            targets: ProgramArray::try_from(targets)?,
            ebpf,
            named: HashMap::new(),
            seats: (0..SEATS).map(|_| State::Free(Vec::new())).collect(),
            rows: vec![false; ROWS],
        };
        Ok(Self {
            loaded: Mutex::new(loaded),
            log,
        })
    }

    /// Whether its programs log.
    pub(super) const fn logs(&self) -> bool {
        self.log.is_some()
    }

    /// A free seat, in which nothing has been counted yet.
    fn take(set: &Arc<Self>) -> Option<Seat> {
        let mut loaded = lock(&set.loaded);
        let is_free = |state: &State, unknown: bool| match state {
            State::Taken => false,
            State::Free(entered) => {
                let mut held = entered.iter().map(|&it| is_loaded(it).unwrap_or(unknown));
                !held.any(|held| held)
            }
        };
        let seats = &loaded.seats;
        let known = seats.iter().position(|it| is_free(it, true));
        let at = known.or_else(|| seats.iter().position(|it| is_free(it, false)))?;
        *loaded.seats.get_mut(at)? = State::Taken;
        Some(Seat {
            set: Arc::clone(set),
            number: u32::try_from(at).ok()?,
            entered: Vec::new(),
        })
    }

    /// Whether a mirror that has no row of rings here yet can have one.
    pub(super) fn has_row(&self) -> bool {
        lock(&self.loaded).rows.contains(&false)
    }
}

/// An attachment's share of a set. Dropping it frees it.
pub(super) struct Seat {
    set: Arc<Set>,
    number: u32,
    /// The numbers of its entry points.
    entered: Vec<u32>,
}

impl Seat {
    pub(super) const fn set(&self) -> &Arc<Set> {
        &self.set
    }

    /// What is kept for it in the maps; nothing is in there yet.
    pub(super) fn entries(&self) -> Result<Entries> {
        let mut entries = Entries::of(&lock(&self.set.loaded).ebpf, self.number)?;
        entries.clear()?;
        Ok(entries)
    }

    /// Has `attach` attach its entry point for one direction (one of [`slot`]'s), from which frames come to this
    /// program. The set is held meanwhile: the kernel attaches one at a time, too.
    pub(super) fn enter<T>(
        &mut self,
        slot: u32,
        program: &'static str,
        attach: impl FnOnce(&mut SchedClassifier) -> Result<T>,
    ) -> Result<T> {
        let mut loaded = lock(&self.set.loaded);
        let Loaded {
            ebpf,
            targets,
            named,
            ..
        } = &mut *loaded;
        let index = self.number * u32::try_from(slot::SLOTS)? + slot;
        if named.get(&index) != Some(&program) {
            let target = load_program(ebpf, program)?;
            targets
                .set(index, target.fd()?, 0)
                .context("telling an entry point its program")?;
            named.insert(index, program);
        }
        let name = if slot == slot::REPLIES {
            "replies"
        } else {
            "mirror"
        };
        let entry = load_program(ebpf, &format!("{name}_{}", self.number))?;
        self.entered.push(entry.info()?.id());
        let attached = attach(entry);
        // What is attached holds it, and whether that is gone is asked by its number.
        entry.unload()?;
        attached
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut loaded = lock(&self.set.loaded);
        let silenced = Entries::of(&loaded.ebpf, self.number)
            .and_then(|mut entries| entries.write(Settings::default()));
        if let Err(error) = silenced {
            log::warn!("the settings of seat {} stay: {error:#}", self.number);
        }
        if let Some(state) = loaded.seats.get_mut(self.number as usize) {
            *state = State::Free(std::mem::take(&mut self.entered));
        }
    }
}

/// A mirror's place for its rings in a set. Dropping it takes them out.
pub(super) struct Row {
    set: Arc<Set>,
    number: usize,
    rings: u32,
}

impl Row {
    /// Puts the rings in, by shard.
    pub(super) fn take(set: &Arc<Set>, rings: &[MapData]) -> Result<Self> {
        let mut loaded = lock(&set.loaded);
        let number = loaded.rows.iter().position(|taken| !taken);
        let number = number.context("no room for one more mirror's rings")?;
        let row = Self {
            set: Arc::clone(set),
            number,
            rings: u32::try_from(rings.len())?,
        };
        if let Some(taken) = loaded.rows.get_mut(number) {
            *taken = true;
        }
        let put = put(&mut loaded.ebpf, row.first()?, rings);
        // What there is of it is taken out again with the lock.
        drop(loaded);
        put.map(|()| row)
    }

    pub(super) const fn set(&self) -> &Arc<Set> {
        &self.set
    }

    /// The number of its first ring, for [`Settings::rings`].
    pub(super) fn first(&self) -> Result<u32> {
        Ok(u32::try_from(self.number * MAX_SHARDS)?)
    }

    /// The flags of readers that sleep.
    pub(super) fn flags(&self) -> Result<Flags> {
        Flags::of(&lock(&self.set.loaded).ebpf, self.first()?)
    }

    fn empty(&self, ebpf: &Ebpf) -> Result<()> {
        // To whoever clears it, it is as an array of programs.
        let map = Map::ProgramArray(share(ebpf, "RINGS")?);
        let mut places: ProgramArray<MapData> = ProgramArray::try_from(map)?;
        let first = self.first()?;
        for ring in first..first.saturating_add(self.rings) {
            match places.clear_index(&ring) {
                Err(error) if os_error(&error) != Some(nix::libc::ENOENT) => {
                    return Err(error.into());
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        let mut loaded = lock(&self.set.loaded);
        match self.empty(&loaded.ebpf) {
            Ok(()) => {
                if let Some(taken) = loaded.rows.get_mut(self.number) {
                    *taken = false;
                }
            }
            Err(error) => log::warn!("the rings of a mirror that ended stay: {error:#}"),
        }
    }
}

/// Puts rings in their places, from `first` on.
pub(super) fn put(ebpf: &mut Ebpf, first: u32, rings: &[MapData]) -> Result<()> {
    let map = ebpf.map_mut("RINGS").context("the program has no rings")?;
    let mut places: ArrayOfMaps<_, MapData> = ArrayOfMaps::try_from(map)?;
    for (number, ring) in (first..).zip(rings) {
        places.set(number, ring, 0)?;
    }
    Ok(())
}

/// A program that is loaded by now.
pub(super) fn load_program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier> {
    let program: &mut SchedClassifier = program(ebpf, name)?.try_into()?;
    if program.fd().is_err() {
        load(|| program.load())?;
    }
    Ok(program)
}

pub(super) fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Program> {
    ebpf.program_mut(name)
        .with_context(|| format!("the object has no program `{name}`"))
}

/// Loads the program. The verifier gives up with `EAGAIN` when a signal comes, in the middle of work
/// of its tenth of a second, so it is asked again (as libbpf does).
pub(super) fn load(mut once: impl FnMut() -> Result<(), ProgramError>) -> Result<()> {
    for _ in 1..LOAD_ATTEMPTS {
        match once() {
            Err(ProgramError::LoadError { io_error, .. })
                if io_error.kind() == ErrorKind::WouldBlock =>
            {
                log::debug!("a signal came while the kernel program was verified: again");
            }
            loaded => return loaded.map_err(refusal::explain),
        }
    }
    once().map_err(refusal::explain)
}

/// A panic under the lock leaves what is there whole, so poison is ignored.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
