//! The turns as tables: place `i` of the result is place `table[i]` of the operand.
//!
//! They are for vectors that move words from any place to any other at one price. So rows stay
//! turned after their diagonals: the operands of a column are turned alike, by the quarter of the
//! columns that they are from, and turning columns goes by where words are rather than where they
//! should be.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "the compiler computes the tables, and a mistake would stop it"
)]

/// A move of the eight words of a vector.
pub(crate) type Table = [u64; 8];

/// Operand `quarter` of a row, taken from that many columns further on.
pub(crate) const fn row(quarter: usize) -> Table {
    let mut table = [0; 8];
    let mut place = 0;
    while place < 8 {
        let (half, row, pair) = (place / 4, place / 2 % 2, place % 2);
        let column = (pair * 2 + half + quarter) % 4;
        table[place] = (column % 2 * 4 + row * 2 + column / 2) as u64;
        place += 1;
    }
    table
}

/// Operand `pair` of a column, taken from that many words further down.
const fn column(pair: usize) -> Table {
    let mut table = [0; 8];
    let mut place = 0;
    while place < 8 {
        let (half, row, rest) = (place / 4, place / 2 % 2, place % 2);
        let word = (row * 2 + half + pair) % 4;
        table[place] = (word % 2 * 4 + word / 2 * 2 + rest) as u64;
        place += 1;
    }
    table
}

/// [`column`] where the rows are still turned.
pub(crate) const fn turned_column(quarter: usize, pair: usize) -> Table {
    compose(row(4 - quarter), compose(column(pair), row(quarter)))
}

/// Undoes [`turned_column`] and [`row`].
pub(crate) const fn restore(quarter: usize, pair: usize) -> Table {
    compose(row(4 - quarter), column(4 - pair))
}

/// `outer` of `inner`, as functions.
const fn compose(outer: Table, inner: Table) -> Table {
    let mut table = [0; 8];
    let mut place = 0;
    while place < 8 {
        table[place] = outer[inner[place] as usize];
        place += 1;
    }
    table
}
