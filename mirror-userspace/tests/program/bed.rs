//! A test bed: the program, loaded; what it counts and what it puts into its rings, read back.

use aya::{
    Ebpf, EbpfLoader,
    maps::{
        Array, ArrayOfMaps, Map, MapData, PerCpuArray, PerfEventArray, ProgramArray, RingBuf,
        perf::{PerfEvent, PerfEventArrayBuffer},
    },
    programs::{SchedClassifier, TestRun, TestRunOptions, Xdp},
    util::{KernelVersion, online_cpus},
};
use mirror_capture::object::{RingKind, object, tap_object};
use mirror_common::{
    counter::{COUNTERS, Counter, Counters, slot, unparsable},
    packet::{Tunnels, Unparsable},
    record::SegmentHeader,
    sample,
    settings::{Settings, TapSettings},
};

use zerocopy::{FromBytes, IntoBytes};

use crate::frame::Frame;

pub(crate) const BOTH: [RingKind; 2] = [RingKind::Bpf, RingKind::Perf];
pub(crate) const ATTACHMENT: u32 = 7;
/// The port that the bed mirrors.
pub(crate) const PORT: u16 = 8080;

const SETTINGS: usize = size_of::<Settings>();

/// A segment with so many bytes, no two stretches of which are alike.
pub(crate) fn segment(len: usize) -> Frame {
    Frame {
        payload: (0..len)
            .map(|i| (i * 31 + i / 251).to_le_bytes()[0])
            .collect(),
        ..Frame::default()
    }
}

/// A record as it came out of a ring.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) header: SegmentHeader,
    pub(crate) payload: Vec<u8>,
    /// Bytes of the whole record, as the ring says.
    pub(crate) room: usize,
    pub(crate) shard: usize,
}

pub(crate) struct Bed {
    pub(crate) ebpf: Ebpf,
    pub(crate) settings: Settings,
    rings: Rings,
}

enum Rings {
    Bpf(Vec<RingBuf<MapData>>),
    Perf(Vec<PerfEventArrayBuffer<MapData>>),
}

/// What one or more runs did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) counters: Counters,
    pub(crate) records: Vec<Record>,
}

impl Done {
    pub(crate) fn count(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    pub(crate) fn unparsable(&self, reason: Unparsable) -> u64 {
        self.counters[unparsable(reason)]
    }

    /// Every TCP segment has gone exactly one way.
    #[track_caller]
    pub(crate) fn assert_balance(&self) {
        let ways = [
            Counter::OtherPort,
            Counter::NoPayload,
            Counter::SampledOut,
            Counter::Copied,
            Counter::RingFull,
        ];
        let refused: u64 = Unparsable::ALL
            .map(|reason| self.unparsable(reason))
            .iter()
            .sum();
        let by_kernel = Counter::REFUSED.map(|reason| self.count(reason));
        let refused = refused + by_kernel.iter().sum::<u64>();
        let sum = ways.map(|way| self.count(way)).iter().sum::<u64>() + refused;
        assert_eq!(self.count(Counter::Seen), sum, "{:?}", self.counters);
        let total: u64 = self.counters.iter().sum();
        assert_eq!(
            total,
            self.count(Counter::NotTcp) + self.count(Counter::Unasked) + 2 * sum,
            "{:?}",
            self.counters
        );
    }
}

impl Bed {
    /// The program with roomy rings, which copies all of port [`PORT`].
    pub(crate) fn new(kind: RingKind) -> Self {
        Self::with_rings(kind, 1, 1 << 20)
    }

    /// As many rings as shards (one a CPU for perf), of `bytes` each.
    pub(crate) fn with_rings(kind: RingKind, shards: u32, bytes: u32) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "the kernel program's tests load it, which needs root: run them as root"
        );
        let object = object(kind).unwrap_or_else(|missing| panic!("{missing}"));
        let mut ebpf = EbpfLoader::new().load(object).unwrap();
        program(&mut ebpf).load().unwrap();
        reply_program(&mut ebpf).load().unwrap();
        decap_program(&mut ebpf).load().unwrap();
        let rings = match kind {
            RingKind::Bpf => bpf_rings(&mut ebpf, shards, bytes),
            RingKind::Perf => perf_rings(&mut ebpf, bytes),
        };
        Self::set_up(ebpf, rings, shards)
    }

    /// The program for ports that receive copies, with a ring of `bytes`; it copies all of port
    /// [`PORT`] and takes the usual tunnels off. `None`, said loudly, if the kernel is too old for it.
    pub(crate) fn tap(bytes: u32) -> Option<Self> {
        if KernelVersion::current().unwrap() < KernelVersion::new(5, 18, 0) {
            eprintln!("SKIPPED: Linux 5.18 has XDP on frames of several buffers");
            return None;
        }
        let object = tap_object().unwrap_or_else(|missing| panic!("{missing}"));
        let mut ebpf = EbpfLoader::new().load(object).unwrap();
        tap_program(&mut ebpf).load().unwrap();
        let rings = bpf_rings(&mut ebpf, 1, bytes);
        let mut bed = Self::set_up(ebpf, rings, 1);
        bed.set_tap(TapSettings::default());
        Some(bed)
    }

    fn set_up(ebpf: Ebpf, rings: Rings, shards: u32) -> Self {
        let mut bed = Self {
            ebpf,
            settings: Settings::default(),
            rings,
        };
        bed.set(|settings| {
            settings.threshold = sample::ALWAYS;
            settings.ports[3] = PORT;
            settings.shards = shards;
            settings.ethernet = 1;
            settings.attachment = ATTACHMENT;
            settings.tunnels = Tunnels::default();
        });
        bed
    }

    pub(crate) fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        let bytes: [u8; SETTINGS] = self.settings.as_bytes().try_into().unwrap();
        let mut map: Array<_, [u8; SETTINGS]> =
            self.ebpf.map_mut("SETTINGS").unwrap().try_into().unwrap();
        map.set(0, bytes, 0).unwrap();
    }

    pub(crate) fn set_tap(&mut self, tap: TapSettings) {
        const TAP: usize = size_of::<TapSettings>();
        let bytes: [u8; TAP] = tap.as_bytes().try_into().unwrap();
        let mut map: Array<_, [u8; TAP]> = self.ebpf.map_mut("TAP").unwrap().try_into().unwrap();
        map.set(0, bytes, 0).unwrap();
    }

    /// Runs the program for ports that receive copies on a frame: its verdict, and what it did.
    #[track_caller]
    pub(crate) fn run_tap(&mut self, frame: &[u8]) -> (u32, Done) {
        let before = self.counters();
        let verdict = self.send_tap(frame);
        (verdict, self.done_since(&before))
    }

    /// Runs that program, and reads nothing. It must leave the frame as it is.
    #[track_caller]
    pub(crate) fn send_tap(&mut self, frame: &[u8]) -> u32 {
        let mut after = vec![0; frame.len()];
        let result = tap_program(&mut self.ebpf)
            .test_run(TestRunOptions {
                data_in: Some(frame),
                data_out: Some(&mut after),
                ..TestRunOptions::default()
            })
            .unwrap();
        assert!(after == frame, "the packet is read, never written");
        result.return_value
    }

    /// Runs the program on a frame `times` times. It must leave the frame as it is, and the
    /// verdict to others.
    #[track_caller]
    pub(crate) fn run_times(&mut self, frame: &[u8], times: u32) -> Done {
        let before = self.counters();
        self.send(frame, times);
        self.done_since(&before)
    }

    /// Runs the program, and reads nothing.
    #[track_caller]
    pub(crate) fn send(&mut self, frame: &[u8], times: u32) {
        send(program(&mut self.ebpf), frame, times);
    }

    /// Runs the program that takes tunnels off.
    #[track_caller]
    pub(crate) fn run_decap(&mut self, frame: &[u8]) -> Done {
        let before = self.counters();
        send(decap_program(&mut self.ebpf), frame, 1);
        self.done_since(&before)
    }

    #[track_caller]
    pub(crate) fn run(&mut self, frame: &Frame) -> Done {
        self.run_times(&frame.bytes(), 1)
    }

    /// What happened since the counters were `before`; the books must balance.
    #[track_caller]
    pub(crate) fn done_since(&mut self, before: &Counters) -> Done {
        let records = self.records();
        let mut counters = self.counters();
        for (now, before) in counters.iter_mut().zip(before) {
            *now -= before;
        }
        let done = Done { counters, records };
        done.assert_balance();
        done
    }

    /// The counters of all CPUs, summed.
    pub(crate) fn counters(&self) -> Counters {
        self.counters_of(slot::REQUESTS)
    }

    /// Those of one direction.
    pub(crate) fn counters_of(&self, slot: u32) -> Counters {
        self.counters_at(0, slot)
    }

    /// Those of one direction of a seat.
    pub(crate) fn counters_at(&self, seat: u32, slot: u32) -> Counters {
        let slot = seat * u32::try_from(slot::SLOTS).unwrap() + slot;
        let map: PerCpuArray<_, Counters> = self.ebpf.map("COUNTERS").unwrap().try_into().unwrap();
        let mut sum = [0; COUNTERS];
        for cpu in map.get(&slot, 0).unwrap().iter() {
            for (sum, count) in sum.iter_mut().zip(cpu) {
                *sum += count;
            }
        }
        sum
    }

    /// Tells the program whether the reader of a shard sleeps.
    pub(crate) fn set_sleeping(&mut self, shard: u32, sleeping: u32) {
        let mut map: Array<_, u32> = self.ebpf.map_mut("SLEEPING").unwrap().try_into().unwrap();
        map.set(shard, sleeping, 0).unwrap();
    }

    pub(crate) fn bpf_ring(&self, shard: usize) -> &RingBuf<MapData> {
        match &self.rings {
            Rings::Bpf(rings) => &rings[shard],
            Rings::Perf(_) => panic!("this bed has perf rings"),
        }
    }

    /// All records that are in the rings.
    pub(crate) fn records(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        match &mut self.rings {
            Rings::Bpf(rings) => {
                for (shard, ring) in rings.iter_mut().enumerate() {
                    while let Some(item) = ring.next() {
                        records.push(record(&item, shard));
                    }
                }
            }
            Rings::Perf(rings) => {
                for ring in rings {
                    ring.for_each(|event| match event {
                        PerfEvent::Sample { head, tail } => {
                            records.push(record(&[head, tail].concat(), 0));
                        }
                        PerfEvent::Lost { .. } => {}
                    });
                }
            }
        }
        records
    }
}

fn record(bytes: &[u8], shard: usize) -> Record {
    let (header, rest) = SegmentHeader::read_from_prefix(bytes).unwrap();
    Record {
        payload: rest[..header.captured as usize].to_vec(),
        header,
        room: bytes.len(),
        shard,
    }
}

#[track_caller]
pub(crate) fn send(program: &mut SchedClassifier, frame: &[u8], times: u32) {
    let mut after = vec![0; frame.len()];
    let result = program
        .test_run(TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut after),
            repeat: times,
            ..TestRunOptions::default()
        })
        .unwrap();
    assert_eq!(result.return_value.cast_signed(), -1, "TC_ACT_UNSPEC");
    assert_eq!(after, frame, "the packet is read, never written");
}

pub(crate) fn program(ebpf: &mut Ebpf) -> &mut SchedClassifier {
    ebpf.program_mut("mirror").unwrap().try_into().unwrap()
}

/// The entry point of a seat, for one direction.
pub(crate) fn entry(ebpf: &mut Ebpf, seat: u32, slot: u32) -> &mut SchedClassifier {
    let name = match slot {
        slot::REPLIES => "replies",
        _ => "mirror",
    };
    let name = format!("{name}_{seat}");
    ebpf.program_mut(&name).unwrap().try_into().unwrap()
}

/// Loads an entry point, which hands over to the program for its direction.
pub(crate) fn load_entry(ebpf: &mut Ebpf, seat: u32, slot: u32) {
    entry(ebpf, seat, slot).load().unwrap();
    let target = match slot {
        slot::REPLIES => reply_program(ebpf),
        _ => program(ebpf),
    };
    let target = target.fd().unwrap().try_clone().unwrap();
    let mut programs: ProgramArray<_> = ebpf.map_mut("PROGRAMS").unwrap().try_into().unwrap();
    let index = seat * u32::try_from(slot::SLOTS).unwrap() + slot;
    programs.set(index, &target, 0).unwrap();
}

/// What sits at the other hook.
pub(crate) fn reply_program(ebpf: &mut Ebpf) -> &mut SchedClassifier {
    ebpf.program_mut("replies").unwrap().try_into().unwrap()
}

/// What takes tunnels off.
pub(crate) fn decap_program(ebpf: &mut Ebpf) -> &mut SchedClassifier {
    ebpf.program_mut("decap").unwrap().try_into().unwrap()
}

pub(crate) fn tap_program(ebpf: &mut Ebpf) -> &mut Xdp {
    ebpf.program_mut("mirror").unwrap().try_into().unwrap()
}

fn bpf_rings(ebpf: &mut Ebpf, shards: u32, bytes: u32) -> Rings {
    const RINGBUF: u32 = 27;
    let mut outer: ArrayOfMaps<_, MapData> = ebpf.map_mut("RINGS").unwrap().try_into().unwrap();
    let rings = (0..shards).map(|shard| {
        let template = aya_obj::Map::new_from_params(RINGBUF, 0, 0, bytes, 0);
        let ring = MapData::create(template, "shard", None).unwrap();
        outer.set(shard, &ring, 0).unwrap();
        RingBuf::try_from(Map::RingBuf(ring)).unwrap()
    });
    Rings::Bpf(rings.collect())
}

fn perf_rings(ebpf: &mut Ebpf, bytes: u32) -> Rings {
    let mut events: PerfEventArray<MapData> = ebpf.take_map("EVENTS").unwrap().try_into().unwrap();
    let cpus = online_cpus().unwrap();
    let pages = bytes as usize / 4096;
    Rings::Perf(
        cpus.into_iter()
            .map(|cpu| events.open(cpu, Some(pages)).unwrap())
            .collect(),
    )
}
