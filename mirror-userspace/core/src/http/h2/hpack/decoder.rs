//! Header blocks to field lists (RFC 7541 section 3).

use super::{
    super::{FieldList, Refusal},
    dynamic_table::DynamicTable,
    huffman, integer,
    static_table::STATIC,
};
use crate::budget::Budget;

/// The largest dynamic table that is followed, in bytes.
pub const MAX_TABLE: usize = 64 * 1024;

/// Decodes the header blocks of one direction of a connection, in their order.
#[derive(Debug)]
pub struct Decoder {
    table: DynamicTable,
    /// The literals of one field; reused.
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    /// A decoder as a connection begins it: an empty table of at most 4096 bytes. The table's entries come out of
    /// `budget`.
    #[must_use]
    pub fn new(budget: &Budget) -> Self {
        Self {
            table: DynamicTable::new(budget),
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Decodes one whole block; `list` is emptied first. A list past its limit keeps what fits and says so, since the
    /// table must follow the rest all the same; nothing is copied then.
    ///
    /// # Errors
    /// [`Refusal::Compression`] if it is no header block, [`Refusal::TableSize`] if its encoder wants more than
    /// [`MAX_TABLE`], [`Refusal::Memory`] if the budget is used up. The decoder is of no use afterwards.
    pub fn decode(&mut self, block: &[u8], list: &mut FieldList) -> Result<(), Refusal> {
        list.clear();
        let mut rest = block;
        let mut begun = false;
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            match first.leading_zeros() {
                // Section 6.1: an indexed field.
                0 => {
                    let index = integer::read(first, 7, &mut rest)?;
                    let (name, value) = get(&self.table, index)?;
                    list.push(name, value, false);
                }
                // Section 6.2.1: a literal, to be inserted.
                1 => {
                    self.literal(first, 6, &mut rest)?;
                    list.push(&self.name, &self.value, false);
                    self.table.insert(&self.name, &self.value)?;
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
                    self.literal(first, 4, &mut rest)?;
                    list.push(&self.name, &self.value, zeros == 3);
                }
            }
            begun = true;
        }
        // What one long literal needed is not kept for ever.
        self.name.shrink_to(4096);
        self.value.shrink_to(4096);
        Ok(())
    }

    fn literal(&mut self, first: u8, bits: u32, rest: &mut &[u8]) -> Result<(), Refusal> {
        self.name.clear();
        self.value.clear();
        match integer::read(first, bits, rest)? {
            0 => string(rest, &mut self.name)?,
            index => self.name.extend_from_slice(get(&self.table, index)?.0),
        }
        string(rest, &mut self.value)
    }
}

/// The entry of an index of both tables (section 2.3.3).
fn get(table: &DynamicTable, index: usize) -> Result<(&[u8], &[u8]), Refusal> {
    let index = index.checked_sub(1).ok_or(Refusal::Compression)?;
    match STATIC.get(index) {
        Some((name, value)) => Ok((name.as_bytes(), value.as_bytes())),
        None => table.get(index - STATIC.len()).ok_or(Refusal::Compression),
    }
}

/// A string literal (section 5.2).
fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let (&first, after) = rest.split_first().ok_or(Refusal::Compression)?;
    *rest = after;
    let len = integer::read(first, 7, rest)?;
    let (string, after) = rest.split_at_checked(len).ok_or(Refusal::Compression)?;
    *rest = after;
    if first & 0x80 == 0 {
        out.extend_from_slice(string);
        return Ok(());
    }
    huffman::decode(string, out)
}
