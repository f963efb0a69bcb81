//! The few instructions that the compiler must not choose itself.
//!
//! The verifier follows registers, the compiler follows values: it compares one copy and passes
//! another, or compares the low halves of two pointers because it knows that they were 32-bit
//! fields. [`opaque`] makes the compared register the used one. And where a packet's words are not
//! aligned, the compiler would read them byte by byte, which the kernel's own targets need not.

use core::arch::asm;

/// `value`, in a register that the optimiser cannot look through.
#[inline(always)]
pub fn opaque(mut value: usize) -> usize {
    // SAFETY: the value is moved to itself. (An empty block would leave two line numbers at one
    // instruction, which the kernel refuses.)
    unsafe {
        asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack, preserves_flags));
    }
    value
}

/// `len`, which is 1 to `MOST`, in a register that the verifier of every kernel knows to be that.
/// `MOST` is a power of two.
///
/// Helpers take no length of 0, and before Linux 6.8 a comparison with 0 teaches the verifier
/// nothing. Before 5.16 it forgets the bounds of what is spilled, too, so the bounds are made
/// where they are used: one less is masked, and one more is 64 bits wide, so that it cannot be 0.
#[inline(always)]
pub fn length<const MOST: usize>(mut len: usize) -> usize {
    const { assert!(MOST.is_power_of_two()) };
    // SAFETY: arithmetic on one register. Not `pure`, so that it stays where it stands.
    unsafe {
        asm!(
            "{0} += -1",
            "{0} &= {1}",
            "{0} += 1",
            inout(reg) len,
            const MOST - 1,
            options(nomem, nostack, preserves_flags),
        );
    }
    len
}

/// `len`, which is 1 to `most`, in a register that the verifier of every kernel knows to be that, if it knows
/// `most`, which need not be a power of two. Otherwise as [`length`].
#[inline(always)]
pub fn length_within(mut len: usize, most: usize) -> usize {
    // SAFETY: arithmetic on one register, and a jump over one of the instructions.
    unsafe {
        asm!(
            "{0} += -1",
            "if {0} < {1} goto +1",
            "{0} = 0",
            "{0} += 1",
            inout(reg) len,
            in(reg) most,
            options(nomem, nostack, preserves_flags),
        );
    }
    len
}

macro_rules! read {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $instruction:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// The bytes must be readable; they need not be aligned.
        #[inline(always)]
        pub unsafe fn $name(from: usize) -> [u8; $bytes] {
            let word: u64;
            // SAFETY: the caller promises readable bytes.
            unsafe {
                asm!($instruction, out(reg) word, in(reg) from,
                    options(pure, readonly, nostack, preserves_flags));
            }
            let mut bytes = [0; $bytes];
            for (byte, of_word) in bytes.iter_mut().zip(word.to_ne_bytes()) {
                *byte = of_word;
            }
            bytes
        }
    };
}

read!(/// One byte.
    read1, 1, "{0} = *(u8 *)({1} + 0)");
read!(/// Two bytes.
    read2, 2, "{0} = *(u16 *)({1} + 0)");
read!(/// Four bytes.
    read4, 4, "{0} = *(u32 *)({1} + 0)");
read!(/// Eight bytes.
    read8, 8, "{0} = *(u64 *)({1} + 0)");
