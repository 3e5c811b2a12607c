//! Eight words in one register of AVX-512.

#![expect(
    unsafe_code,
    reason = "intrinsics of an instruction set that has to be there"
)]

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_cvtsi128_si64, _mm_prefetch, _mm512_add_epi64,
    _mm512_castsi512_si128, _mm512_load_si512, _mm512_mul_epu32, _mm512_permutexvar_epi64,
    _mm512_ror_epi64, _mm512_store_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512,
};

use super::{Lanes, WIDTH, WORDS, turns};
use crate::fill::{Lane, Plan, fill};

/// Eight words. Only [`Lanes::load`] makes one from nothing, and its caller vouches for AVX-512F:
/// where there is a value, there are the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512i);

/// Fills one segment.
///
/// # Safety
///
/// As [`fill`], on a processor with AVX-512F.
#[target_feature(enable = "avx512f")]
pub(crate) unsafe fn fill_segment(plan: &Plan, memory: *mut u64, lane: Lane) {
    // SAFETY: the caller vouches for both.
    unsafe { fill::<Avx512>(plan, memory, lane) };
}

/// XOR of three, as the truth table of `vpternlog`.
const XOR3: i32 = 0x96;

impl Avx512 {
    #[inline(always)]
    fn moved(self, table: &'static turns::Table) -> Self {
        // SAFETY: there is a value, so there is AVX-512F. The table has 64 bytes, and reading it
        // asks for no alignment.
        Self(unsafe {
            let table = table.as_ptr().cast::<__m512i>().read_unaligned();
            _mm512_permutexvar_epi64(table, self.0)
        })
    }
}

impl Lanes for Avx512 {
    #[inline(always)]
    unsafe fn load(from: *const u64) -> Self {
        // SAFETY: the caller vouches for 64 aligned bytes and for AVX-512F.
        Self(unsafe { _mm512_load_si512(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u64) {
        // SAFETY: the caller vouches for 64 aligned bytes.
        unsafe { _mm512_store_si512(to.cast(), self.0) };
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
        // SAFETY: there is a value, so there is AVX-512F; likewise below.
        Self(unsafe { _mm512_add_epi64(self.0, other.0) })
    }

    #[inline(always)]
    fn mul32(self, other: Self) -> Self {
        // SAFETY: as in `add`.
        Self(unsafe { _mm512_mul_epu32(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as in `add`.
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        // SAFETY: as in `add`.
        Self(unsafe { _mm512_ternarylogic_epi64::<XOR3>(self.0, second.0, third.0) })
    }

    #[inline(always)]
    fn ror16(self) -> Self {
        // SAFETY: as in `add`.
        Self(unsafe { _mm512_ror_epi64::<16>(self.0) })
    }

    #[inline(always)]
    fn ror24(self) -> Self {
        // SAFETY: as in `add`.
        Self(unsafe { _mm512_ror_epi64::<24>(self.0) })
    }

    #[inline(always)]
    fn ror32(self) -> Self {
        // SAFETY: as in `add`.
        Self(unsafe { _mm512_ror_epi64::<32>(self.0) })
    }

    #[inline(always)]
    fn ror63(self) -> Self {
        // SAFETY: as in `add`.
        Self(unsafe { _mm512_ror_epi64::<63>(self.0) })
    }

    #[inline(always)]
    fn first(self) -> u64 {
        // SAFETY: as in `add`.
        unsafe { _mm_cvtsi128_si64(_mm512_castsi512_si128(self.0)) }.cast_unsigned()
    }

    #[inline(always)]
    fn turn_row<const Q: usize>(self) -> Self {
        self.moved(const { &turns::row(Q) })
    }

    #[inline(always)]
    fn unturn_row<const Q: usize>(self) -> Self {
        self
    }

    #[inline(always)]
    fn turn_column<const Q: usize, const P: usize>(self) -> Self {
        self.moved(const { &turns::turned_column(Q, P) })
    }

    #[inline(always)]
    fn unturn_column<const Q: usize, const P: usize>(self) -> Self {
        self.moved(const { &turns::restore(Q, P) })
    }
}
