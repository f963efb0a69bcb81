//! The pcapng format (draft-ietf-opsawg-pcapng): blocks, in sections, of several interfaces.
//!
//! A block tells its length twice, so it can be stepped over without being understood; that is
//! done here, with `pcap-parser` reading what is inside. Its own streaming reader is not used: it
//! must hold a block whole, however long the file claims it to be, and stops where it cannot; nor
//! is its reading of time options, which knows neither powers of two nor big-endian offsets.

use std::io::{self, Read};

use mirror_core::segment::Time;
use pcap_parser::{Block, parse_block_be, parse_block_le};

use super::{
    format::{Ending, MAX_BLOCK, Packet, Skipped, Step},
    interface::{ByteOrder, Interface},
    window::Window,
};

/// A section header's block type: a palindrome, the same in both byte orders.
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// The byte-order magic that follows a section header's length, as little-endian files have it.
const LITTLE_ENDIAN: [u8; 4] = [0x4d, 0x3c, 0x2b, 0x1a];
const BIG_ENDIAN: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];

const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// The packet block that the enhanced one replaced; old files have it.
const OBSOLETE_PACKET: u32 = 2;

/// The shortest block: type, length, length.
const MIN_BLOCK: usize = 12;
/// More interfaces than this in one section are not remembered; their packets are malformed.
const MAX_INTERFACES: usize = 65_536;

/// What a section has said so far.
#[derive(Debug, Default)]
pub(super) struct PcapNg {
    order: ByteOrder,
    interfaces: Vec<Interface>,
    /// The time of the last packet that has one: simple packet blocks have none of their own.
    last: Time,
}

impl PcapNg {
    /// How many bytes tell that a file is of this format.
    pub(super) const RECOGNISED_BY: usize = 12;

    /// Whether a file starts with a section header.
    pub(super) fn recognise(bytes: &[u8]) -> bool {
        bytes.starts_with(&SECTION_HEADER) && section_order(bytes).is_some()
    }

    pub(super) fn step<R: Read>(&mut self, window: &mut Window<R>) -> io::Result<Step> {
        if !window.fill(MIN_BLOCK)? {
            return Ok(Step::End(if window.bytes().is_empty() {
                Ending::Complete
            } else {
                Ending::Cut
            }));
        }
        if window.bytes().starts_with(&SECTION_HEADER) {
            let Some(order) = section_order(window.bytes()) else {
                return Ok(Step::End(Ending::Damaged));
            };
            self.order = order;
            self.interfaces.clear();
        }
        let (Some(kind), Some(claimed)) = (
            self.order.u32(window.bytes(), 0),
            self.order.u32(window.bytes(), 4),
        ) else {
            return Ok(Step::End(Ending::Damaged));
        };
        let len = claimed as usize;
        if len < MIN_BLOCK || !len.is_multiple_of(4) {
            return Ok(Step::End(Ending::Damaged));
        }
        if len > MAX_BLOCK {
            let what = match kind {
                SIMPLE_PACKET | ENHANCED_PACKET | OBSOLETE_PACKET => Skipped::Oversized,
                _ => Skipped::Metadata,
            };
            return Ok(Step::Other(what, u64::from(claimed)));
        }
        if !window.fill(len)? {
            return Ok(Step::End(Ending::Cut));
        }
        let block = window.bytes().get(..len).unwrap_or_default();
        if self.order.u32(block, len - 4) != Some(claimed) {
            return Ok(Step::End(Ending::Damaged));
        }
        Ok(match self.read_block(kind, block) {
            Ok(packet) => {
                self.last = packet.at;
                Step::Packet(packet, u64::from(claimed))
            }
            Err(skipped) => Step::Other(skipped, u64::from(claimed)),
        })
    }

    /// Reads a whole block.
    fn read_block(&mut self, kind: u32, block: &[u8]) -> Result<Packet, Skipped> {
        if kind == OBSOLETE_PACKET {
            return self.obsolete_packet(block).ok_or(Skipped::Malformed);
        }
        let parsed = match self.order {
            ByteOrder::Little => parse_block_le(block),
            ByteOrder::Big => parse_block_be(block),
        };
        let (_, parsed) = parsed.map_err(|_| Skipped::Malformed)?;
        match parsed {
            Block::InterfaceDescription(description) => {
                if self.interfaces.len() < MAX_INTERFACES {
                    self.interfaces
                        .push(Interface::new(&description, self.order));
                }
                Err(Skipped::Metadata)
            }
            Block::EnhancedPacket(packet) => {
                let ticks = (u64::from(packet.ts_high) << 32) | u64::from(packet.ts_low);
                self.packet(packet.if_id, ticks, packet.caplen, packet.origlen)
                    .ok_or(Skipped::Malformed)
            }
            Block::SimplePacket(packet) => {
                let room = packet.data.len();
                self.simple_packet(packet.origlen, room)
                    .ok_or(Skipped::Malformed)
            }
            _ => Err(Skipped::Metadata),
        }
    }

    /// A packet in a block with the layout of the enhanced packet block (section 4.3).
    fn packet(&self, interface: u32, ticks: u64, captured: u32, wire: u32) -> Option<Packet> {
        const DATA: usize = 28;
        let interface = self.interfaces.get(interface as usize)?;
        Some(Packet {
            at: interface.time(ticks),
            link: interface.link,
            bytes: DATA..DATA + captured as usize,
            wire_len: wire as usize,
        })
    }

    /// A packet of the first interface, with no time and no captured length of its own
    /// (section 4.4).
    fn simple_packet(&self, wire: u32, room: usize) -> Option<Packet> {
        const DATA: usize = 12;
        let interface = self.interfaces.first()?;
        let captured = match interface.snap_len {
            0 => wire,
            snap_len => wire.min(snap_len),
        };
        Some(Packet {
            at: self.last,
            link: interface.link,
            bytes: DATA..DATA + room.min(captured as usize),
            wire_len: wire as usize,
        })
    }

    /// The obsolete packet block (appendix A): a short interface number and a drop count where the
    /// enhanced one has its long interface number.
    fn obsolete_packet(&self, block: &[u8]) -> Option<Packet> {
        let interface = self.order.u16(block, 8)?;
        let field = |at| self.order.u32(block, at);
        let ticks = (u64::from(field(12)?) << 32) | u64::from(field(16)?);
        let packet = self.packet(u32::from(interface), ticks, field(20)?, field(24)?)?;
        (packet.bytes.end + 4 <= block.len()).then_some(packet)
    }
}

/// The byte order that a section header announces; `None` if it is none.
fn section_order(block: &[u8]) -> Option<ByteOrder> {
    let magic = block.get(8..12)?;
    if magic == LITTLE_ENDIAN {
        Some(ByteOrder::Little)
    } else if magic == BIG_ENDIAN {
        Some(ByteOrder::Big)
    } else {
        None
    }
}
