//! Header blocks to field lists (RFC 7541 section 3).
//!
//! What a block costs is linear in its bytes and in what its list may hold. An index of one byte can stand for 64 KiB:
//! an entry is copied only into the list, up to the list's limit, and an entry that names another one shares its name.

use std::rc::Rc;

use super::{
    super::{FieldList, Refusal},
    dynamic_table::{DynamicTable, Name},
    huffman, integer,
    static_table::STATIC,
};
use crate::budget::Budget;

/// The largest dynamic table that is followed, in bytes by the measure of RFC 7541 section 4.1. Its at most 2048
/// entries reserve 96 bytes each beside that.
pub const MAX_TABLE: usize = 64 * 1024;

/// Decodes the header blocks of one direction of a connection, in their order.
#[derive(Debug)]
pub struct Decoder {
    table: DynamicTable,
    /// Whether there may be entries that are not known, older than all that are.
    partial: bool,
}

impl Decoder {
    /// A decoder as a connection begins it: an empty table of at most 4096 bytes. The table's entries come out of
    /// `budget`.
    #[must_use]
    pub fn new(budget: &Budget) -> Self {
        Self {
            table: DynamicTable::new(budget),
            partial: false,
        }
    }

    /// A decoder of which it does not matter what came before its first block, or before it was made to
    /// [forget](Self::forget): what refers to entries that were inserted then is left out of a list, which
    /// [says so](FieldList::lacks_fields). Entries count from the newest one, so that those since then are known for
    /// certain.
    #[must_use]
    pub fn partial(budget: &Budget) -> Self {
        Self {
            partial: true,
            ..Self::new(budget)
        }
    }

    /// A block is missing: what was inserted so far is not known any more.
    pub fn forget(&mut self) {
        self.table.clear();
    }

    /// The size of the dynamic table in bytes, by the measure of RFC 7541 section 4.1.
    #[must_use]
    pub const fn table_size(&self) -> usize {
        self.table.size()
    }

    /// Decodes one whole block; `list` is emptied first. A list past its limit keeps what fits and says so, since the
    /// table must follow the rest all the same; nothing is copied to the list then.
    ///
    /// # Errors
    /// [`Refusal::Compression`] if it is no header block, [`Refusal::TableSize`] if its encoder wants more than
    /// [`MAX_TABLE`], [`Refusal::Memory`] if the budget is used up. The decoder is of no use afterwards.
    pub fn decode(&mut self, block: &[u8], list: &mut FieldList) -> Result<(), Refusal> {
        list.clear();
        let mut value = list.take_spare();
        let decoded = self.fields(block, list, &mut value);
        list.keep_spare(value);
        decoded
    }

    fn fields(
        &mut self,
        block: &[u8],
        list: &mut FieldList,
        value: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let mut rest = block;
        let mut begun = false;
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            match first.leading_zeros() {
                // Section 6.1: an indexed field.
                0 => match self.entry(integer::read(first, 7, &mut rest)?)? {
                    Found::Static(name, value) => {
                        list.push(name.as_bytes(), value.as_bytes(), false);
                    }
                    Found::Dynamic(Name::Unknown, _) | Found::Unknown => list.note_unknown(),
                    Found::Dynamic(name, value) => list.push(name.bytes(), value, false),
                },
                // Section 6.2.1: a literal, to be inserted.
                1 => {
                    let name = self.literal(first, 6, &mut rest, value)?;
                    push(list, &name, value, false);
                    self.table.insert(name, value)?;
                }
                // Section 6.3: a new table size; only at the block's beginning (section 4.2).
                2 => {
                    let size = integer::read(first, 5, &mut rest)?;
                    if begun {
                        return Err(Refusal::Compression);
                    }
                    if size > MAX_TABLE {
                        return Err(Refusal::TableSize);
                    }
                    self.table.resize(size);
                    continue;
                }
                // Sections 6.2.3 (never indexed) and 6.2.2 (not indexed).
                zeros => {
                    let name = self.literal(first, 4, &mut rest, value)?;
                    push(list, &name, value, zeros == 3);
                }
            }
            begun = true;
        }
        Ok(())
    }

    /// The entry of an index of both tables (section 2.3.3).
    fn entry(&self, index: usize) -> Result<Found<'_>, Refusal> {
        let index = index.checked_sub(1).ok_or(Refusal::Compression)?;
        if let Some((name, value)) = STATIC.get(index) {
            return Ok(Found::Static(name, value));
        }
        match self.table.get(index - STATIC.len()) {
            Some((name, value)) => Ok(Found::Dynamic(name, value)),
            None if self.partial => Ok(Found::Unknown),
            None => Err(Refusal::Compression),
        }
    }

    /// The name of a literal; its value goes to `value`.
    fn literal(
        &self,
        first: u8,
        bits: u32,
        rest: &mut &[u8],
        value: &mut Vec<u8>,
    ) -> Result<Name, Refusal> {
        let name = match integer::read(first, bits, rest)? {
            0 => {
                string(rest, value)?;
                Name::Literal(Rc::from(&value[..]))
            }
            index => match self.entry(index)? {
                Found::Static(name, _) => Name::Static(name),
                Found::Dynamic(name, _) => name.clone(),
                Found::Unknown => Name::Unknown,
            },
        };
        string(rest, value)?;
        Ok(name)
    }
}

/// An entry of the two tables.
enum Found<'a> {
    Static(&'static str, &'static str),
    Dynamic(&'a Name, &'a [u8]),
    /// Of the dynamic table, before anything was known of it.
    Unknown,
}

fn push(list: &mut FieldList, name: &Name, value: &[u8], never_indexed: bool) {
    match name {
        Name::Unknown => list.note_unknown(),
        name => list.push(name.bytes(), value, never_indexed),
    }
}

/// A string literal (section 5.2), which replaces what is in `out`.
fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.clear();
    let (&first, after) = rest.split_first().ok_or(Refusal::Compression)?;
    *rest = after;
    let len = integer::read(first, 7, rest)?;
    let (string, after) = rest.split_at_checked(len).ok_or(Refusal::Compression)?;
    *rest = after;
    if first & 0x80 == 0 {
        out.extend_from_slice(string);
    } else {
        huffman::decode(string, out)?;
    }
    #[cfg(test)]
    crate::http::tests::work::done(out.len());
    Ok(())
}
