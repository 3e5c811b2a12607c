//! The compression function, written once for every width of vector.
//!
//! A block is 8 rows of 16 words. The permutation works on the rows, as 4 × 4 words, and then on
//! the columns, which are pairs of words. Both times it first mixes whole quarters with each other
//! and then the diagonals. So that neither half needs a transposition, a vector holds what shares
//! a *pair of rows* and a *quarter of the columns*: the quarter is the operand of a row, the pair
//! of rows is the operand of a column. What is left, half of the column, row of the pair and pair
//! of the quarter, is the place in the vector, and diagonals are moves within vectors.
//!
//! Memory keeps blocks in this order; [`position`] translates.

#![expect(
    unsafe_code,
    reason = "reads and writes blocks of the arena where they are"
)]

pub(crate) mod plain;

#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) mod avx2;
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) mod avx512;
pub(crate) mod turns;

/// Words in a block.
pub(crate) const WORDS: usize = 128;
/// Words in a vector.
const WIDTH: usize = 8;

/// Where a block in memory has the word that the standard gives this number, for `word` < 128.
pub(crate) const fn position(word: usize) -> usize {
    let (row, column) = (word / 16, word % 16);
    let vector = row / 2 * 4 + column / 4;
    vector * WIDTH + column % 2 * 4 + row % 2 * 2 + column / 2 % 2
}

/// Eight words that are worked on at once.
///
/// The *turns* are moves of words within the vector. A diagonal of a row takes operand `Q` from
/// `Q` columns further on, a diagonal of a column takes operand `P` from `P` words further down.
/// An implementation may leave the words of a row turned and undo that in `unturn_column`.
pub(crate) trait Lanes: Copy {
    /// Reads a vector.
    ///
    /// # Safety
    ///
    /// The pointer is valid for reading 64 bytes and aligned to 64, and the processor has the
    /// instructions of the implementation.
    unsafe fn load(from: *const u64) -> Self;

    /// Writes a vector.
    ///
    /// # Safety
    ///
    /// The pointer is valid for writing 64 bytes and aligned to 64.
    unsafe fn store(self, to: *mut u64);

    /// Asks for a block, ahead of its use. Any address will do.
    fn prefetch(block: *const u64);

    fn add(self, other: Self) -> Self;
    /// The products of the lower halves.
    fn mul32(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn xor3(self, second: Self, third: Self) -> Self;
    fn ror16(self) -> Self;
    fn ror24(self) -> Self;
    fn ror32(self) -> Self;
    fn ror63(self) -> Self;
    /// The word at the lowest place.
    fn first(self) -> u64;

    fn turn_row<const Q: usize>(self) -> Self;
    fn unturn_row<const Q: usize>(self) -> Self;
    fn turn_column<const Q: usize, const P: usize>(self) -> Self;
    fn unturn_column<const Q: usize, const P: usize>(self) -> Self;
}

/// Computes one block from two others. Returns what `ahead` makes of the new block's first word;
/// it is called while most of the work is still to be done.
///
/// # Safety
///
/// All three are blocks: aligned, valid, and `target` is none of the other two and nobody else's.
/// The processor has the instructions of `L`.
#[inline(always)]
pub(crate) unsafe fn compress<L: Lanes, const KEEP: bool, T>(
    previous: *const u64,
    reference: *const u64,
    target: *mut u64,
    ahead: impl FnOnce(u64) -> T,
) -> T {
    let inputs = (previous, reference);
    // SAFETY: the contracts are the same.
    unsafe {
        let [a0, a1, a2, a3] = rows::<L>(inputs, 0);
        let [b0, b1, b2, b3] = rows::<L>(inputs, 1);
        let [c0, c1, c2, c3] = rows::<L>(inputs, 2);
        let [d0, d1, d2, d3] = rows::<L>(inputs, 3);
        let first = columns::<L, KEEP, 0>(inputs, target, [a0, b0, c0, d0]);
        let ahead = ahead(first);
        columns::<L, KEEP, 1>(inputs, target, [a1, b1, c1, d1]);
        columns::<L, KEEP, 2>(inputs, target, [a2, b2, c2, d2]);
        columns::<L, KEEP, 3>(inputs, target, [a3, b3, c3, d3]);
        ahead
    }
}

/// Reads and mixes one pair of rows.
///
/// # Safety
///
/// As [`compress`], and `pair` < 4.
#[inline(always)]
unsafe fn rows<L: Lanes>(inputs: (*const u64, *const u64), pair: usize) -> [L; 4] {
    let first = pair * 4;
    // SAFETY: each is one of the 16 vectors of a block, and the caller vouches for those.
    unsafe {
        row([
            input(inputs, first),
            input(inputs, first + 1),
            input(inputs, first + 2),
            input(inputs, first + 3),
        ])
    }
}

/// Mixes and writes one quarter of the columns. Returns the first word.
///
/// # Safety
///
/// As [`compress`], and `Q` < 4.
#[inline(always)]
unsafe fn columns<L: Lanes, const KEEP: bool, const Q: usize>(
    inputs: (*const u64, *const u64),
    target: *mut u64,
    operands: [L; 4],
) -> u64 {
    let [a, b, c, d] = column::<L, Q>(operands);
    // SAFETY: each is one of the 16 vectors of a block, and the caller vouches for those.
    unsafe {
        let first = output::<L, KEEP>(inputs, target, Q, a).first();
        output::<L, KEEP>(inputs, target, Q + 4, b);
        output::<L, KEEP>(inputs, target, Q + 8, c);
        output::<L, KEEP>(inputs, target, Q + 12, d);
        first
    }
}

/// The sum of one vector of both inputs.
///
/// # Safety
///
/// As [`compress`], and `vector` < 16.
#[inline(always)]
unsafe fn input<L: Lanes>(inputs: (*const u64, *const u64), vector: usize) -> L {
    let at = vector * WIDTH;
    // SAFETY: the caller vouches for the blocks.
    unsafe { L::load(inputs.0.add(at)).xor(L::load(inputs.1.add(at))) }
}

/// Writes one vector of the new block.
///
/// # Safety
///
/// As [`compress`], and `vector` < 16.
#[inline(always)]
unsafe fn output<L: Lanes, const KEEP: bool>(
    inputs: (*const u64, *const u64),
    target: *mut u64,
    vector: usize,
    value: L,
) -> L {
    let at = vector * WIDTH;
    // SAFETY: the caller vouches for the blocks.
    unsafe {
        let mut value = value.xor3(L::load(inputs.0.add(at)), L::load(inputs.1.add(at)));
        if KEEP {
            value = value.xor(L::load(target.add(at)));
        }
        value.store(target.add(at));
        value
    }
}

#[inline(always)]
fn row<L: Lanes>(operands: [L; 4]) -> [L; 4] {
    let [a, b, c, d] = mix(operands);
    let (b, c, d) = (b.turn_row::<1>(), c.turn_row::<2>(), d.turn_row::<3>());
    let [a, b, c, d] = mix([a, b, c, d]);
    [
        a,
        b.unturn_row::<1>(),
        c.unturn_row::<2>(),
        d.unturn_row::<3>(),
    ]
}

#[inline(always)]
fn column<L: Lanes, const Q: usize>(operands: [L; 4]) -> [L; 4] {
    let [a, b, c, d] = mix(operands);
    let b = b.turn_column::<Q, 1>();
    let c = c.turn_column::<Q, 2>();
    let d = d.turn_column::<Q, 3>();
    let [a, b, c, d] = mix([a, b, c, d]);
    [
        a.unturn_column::<Q, 0>(),
        b.unturn_column::<Q, 1>(),
        c.unturn_column::<Q, 2>(),
        d.unturn_column::<Q, 3>(),
    ]
}

/// BlaMka's quarter round.
#[inline(always)]
fn mix<L: Lanes>([a, b, c, d]: [L; 4]) -> [L; 4] {
    let a = multiply_add(a, b);
    let d = d.xor(a).ror32();
    let c = multiply_add(c, d);
    let b = b.xor(c).ror24();
    let a = multiply_add(a, b);
    let d = d.xor(a).ror16();
    let c = multiply_add(c, d);
    let b = b.xor(c).ror63();
    [a, b, c, d]
}

/// x + y + 2 · (x mod 2³²) · (y mod 2³²)
#[inline(always)]
fn multiply_add<L: Lanes>(x: L, y: L) -> L {
    let product = x.mul32(y);
    x.add(y).add(product.add(product))
}
