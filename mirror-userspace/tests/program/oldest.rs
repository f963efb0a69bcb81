//! The object for the oldest kernels has nothing in it that Linux 5.4 lacks. No machine of that
//! version can be had here, so the object is read.

use aya_obj::{Object, generated::bpf_map_type};
use mirror_capture::object::{RingKind, object};

/// The types of its maps.
const MAPS: [bpf_map_type; 4] = [
    bpf_map_type::BPF_MAP_TYPE_ARRAY,
    bpf_map_type::BPF_MAP_TYPE_PERCPU_ARRAY,
    bpf_map_type::BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    bpf_map_type::BPF_MAP_TYPE_PROG_ARRAY,
];
/// `BPF_JMP | BPF_CALL`.
const CALL: u8 = 0x85;
/// The last helper of Linux 5.4, `bpf_tcp_gen_syncookie`.
const LAST_HELPER: i32 = 110;
/// `BPF_STX | BPF_ATOMIC`, whose other operations than addition came with Linux 5.12.
const ATOMIC: [u8; 2] = [0xc3, 0xdb];

#[test]
fn the_perf_object_needs_nothing_newer_than_linux_5_4() {
    let bytes = object(RingKind::Perf).unwrap_or_else(|missing| panic!("{missing}"));
    let object = Object::parse(bytes).unwrap();
    for (name, map) in &object.maps {
        let kind = map.map_type();
        let is_old = MAPS.iter().any(|&old| old as u32 == kind);
        assert!(is_old, "{name} is of type {kind}");
    }
    let instructions = object.functions.values().flat_map(|one| &one.instructions);
    let mut helpers = 0;
    for instruction in instructions {
        // A call of a function of its own has another source.
        if instruction.code == CALL && instruction.src_reg() == 0 {
            assert!(instruction.imm <= LAST_HELPER, "helper {}", instruction.imm);
            helpers += 1;
        }
        let is_atomic = ATOMIC.contains(&instruction.code);
        assert!(!is_atomic || instruction.imm == 0, "a newer atomic");
    }
    assert!(helpers > 0, "no program was read");
}
