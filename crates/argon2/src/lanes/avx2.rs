//! Eight words in two registers of AVX2.

#![expect(
    unsafe_code,
    reason = "intrinsics of an instruction set that has to be there"
)]

use std::arch::{
    asm,
    x86_64::{
        __m256i, _MM_HINT_T0, _mm_cvtsi128_si64, _mm_prefetch, _mm256_add_epi64,
        _mm256_castsi256_si128, _mm256_load_si256, _mm256_mul_epu32, _mm256_setr_epi8,
        _mm256_shuffle_epi8, _mm256_shuffle_epi32, _mm256_srli_epi64, _mm256_store_si256,
        _mm256_xor_si256,
    },
};

use super::{Lanes, WIDTH, WORDS};
use crate::fill::{Lane, Plan, fill};

/// The words with an even column, then those with an odd one. Only [`Lanes::load`] makes one from
/// nothing, and its caller vouches for AVX2: where there is a value, there are the instructions.
///
/// In this order a turn is at most two moves, and many are one or none: turning by one word puts
/// the odd words where the even ones were, as they are, and swaps the even ones on their way.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256i, __m256i);

/// Fills one segment.
///
/// # Safety
///
/// As [`fill`], on a processor with AVX2.
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn fill_segment(plan: &Plan, memory: *mut u64, lane: Lane) {
    // SAFETY: the caller vouches for both.
    unsafe { fill::<Avx2>(plan, memory, lane) };
}

/// Turns by `$by` of four words: `$swap` exchanges two words of a register. It is a macro, as a
/// function would have to be inlined before its instructions are, which is not for sure.
macro_rules! turned {
    ($words:ident, $by:expr, $swap:ident) => {
        match $by % 4 {
            0 => $words,
            1 => Self($words.1, $words.0.$swap()),
            2 => Self($words.0.$swap(), $words.1.$swap()),
            _ => Self($words.1.$swap(), $words.0),
        }
    };
}

/// Exchanges the halves of a register by the one instruction that is fast everywhere: compilers
/// prefer `vpermq`, which is two on some processors.
#[inline]
#[target_feature(enable = "avx2")]
fn exchange_halves(words: __m256i) -> __m256i {
    let exchanged;
    // SAFETY: an instruction of AVX2 on registers, and nothing else.
    unsafe {
        asm!(
            "vperm2i128 {to}, {from}, {from}, 0x01",
            to = lateout(ymm_reg) exchanged,
            from = in(ymm_reg) words,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    exchanged
}

/// Rotates each word by 16 bits to the right in one instruction: compilers make two of it, to
/// save the register that holds the order.
#[inline]
#[target_feature(enable = "avx2")]
fn rotate_by_two_bytes(words: __m256i) -> __m256i {
    let order = _mm256_setr_epi8(
        2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, //
        2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,
    );
    let rotated;
    // SAFETY: an instruction of AVX2 on registers, and nothing else.
    unsafe {
        asm!(
            "vpshufb {to}, {from}, {order}",
            to = lateout(ymm_reg) rotated,
            from = in(ymm_reg) words,
            order = in(ymm_reg) order,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    rotated
}

/// The moves within one register of a value.
trait Swap {
    /// Exchanges the two pairs of columns.
    fn swap_pairs(self) -> Self;
    /// Exchanges the two rows.
    fn swap_rows(self) -> Self;
}

impl Swap for __m256i {
    #[inline(always)]
    fn swap_pairs(self) -> Self {
        // SAFETY: only called on a register of a value, and where that is, there is AVX2.
        unsafe { _mm256_shuffle_epi32::<0b01_00_11_10>(self) }
    }

    #[inline(always)]
    fn swap_rows(self) -> Self {
        // SAFETY: as in `swap_pairs`.
        unsafe { exchange_halves(self) }
    }
}

impl Lanes for Avx2 {
    #[inline(always)]
    unsafe fn load(from: *const u64) -> Self {
        // SAFETY: the caller vouches for 64 aligned bytes and for AVX2.
        unsafe {
            let from = from.cast::<__m256i>();
            Self(_mm256_load_si256(from), _mm256_load_si256(from.add(1)))
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u64) {
        // SAFETY: the caller vouches for 64 aligned bytes.
        unsafe {
            let to = to.cast::<__m256i>();
            _mm256_store_si256(to, self.0);
            _mm256_store_si256(to.add(1), self.1);
        }
    }

    #[inline(always)]
    fn prefetch(block: *const u64) {
        for line in 0..WORDS / WIDTH {
            // SAFETY: prefetching is part of SSE, which every x86-64 has, and reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(block.wrapping_add(line * WIDTH).cast()) };
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: there is a value, so there is AVX2.
        unsafe {
            Self(
                _mm256_add_epi64(self.0, other.0),
                _mm256_add_epi64(self.1, other.1),
            )
        }
    }

    #[inline(always)]
    fn mul32(self, other: Self) -> Self {
        // SAFETY: there is a value, so there is AVX2.
        unsafe {
            Self(
                _mm256_mul_epu32(self.0, other.0),
                _mm256_mul_epu32(self.1, other.1),
            )
        }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: there is a value, so there is AVX2.
        unsafe {
            Self(
                _mm256_xor_si256(self.0, other.0),
                _mm256_xor_si256(self.1, other.1),
            )
        }
    }

    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        self.xor(second).xor(third)
    }

    #[inline(always)]
    fn ror16(self) -> Self {
        // SAFETY: there is a value, so there is AVX2.
        unsafe { Self(rotate_by_two_bytes(self.0), rotate_by_two_bytes(self.1)) }
    }

    #[inline(always)]
    fn ror24(self) -> Self {
        // SAFETY: there is a value, so there is AVX2.
        unsafe {
            let order = _mm256_setr_epi8(
                3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, //
                3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,
            );
            Self(
                _mm256_shuffle_epi8(self.0, order),
                _mm256_shuffle_epi8(self.1, order),
            )
        }
    }

    #[inline(always)]
    fn ror32(self) -> Self {
        // SAFETY: there is a value, so there is AVX2.
        unsafe {
            Self(
                _mm256_shuffle_epi32::<0b10_11_00_01>(self.0),
                _mm256_shuffle_epi32::<0b10_11_00_01>(self.1),
            )
        }
    }

    #[inline(always)]
    fn ror63(self) -> Self {
        // SAFETY: there is a value, so there is AVX2.
        let high = unsafe {
            Self(
                _mm256_srli_epi64::<63>(self.0),
                _mm256_srli_epi64::<63>(self.1),
            )
        };
        self.add(self).xor(high)
    }

    #[inline(always)]
    fn first(self) -> u64 {
        // SAFETY: there is a value, so there is AVX2.
        unsafe { _mm_cvtsi128_si64(_mm256_castsi256_si128(self.0)) }.cast_unsigned()
    }

    #[inline(always)]
    fn turn_row<const Q: usize>(self) -> Self {
        turned!(self, Q, swap_pairs)
    }

    #[inline(always)]
    fn unturn_row<const Q: usize>(self) -> Self {
        match Q {
            1 => turned!(self, 3, swap_pairs),
            2 => turned!(self, 2, swap_pairs),
            _ => turned!(self, 1, swap_pairs),
        }
    }

    #[inline(always)]
    fn turn_column<const Q: usize, const P: usize>(self) -> Self {
        turned!(self, P, swap_rows)
    }

    #[inline(always)]
    fn unturn_column<const Q: usize, const P: usize>(self) -> Self {
        match P {
            0 => self,
            1 => turned!(self, 3, swap_rows),
            2 => turned!(self, 2, swap_rows),
            _ => turned!(self, 1, swap_rows),
        }
    }
}
