//! The risk array: profit and loss in each cell, and its 64-byte form.

use crate::{CELLS, Cell, Grid, NODES, Usd};

/// Profit (positive) and loss (negative) of one underlying's positions and collateral in each cell of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskArray([Usd; CELLS]);

impl RiskArray {
    /// Nothing at risk.
    pub const ZERO: Self = Self([Usd::ZERO; CELLS]);

    /// The array of a linear book whose net value is `net`: `net x move`, rounded down in each cell.
    pub fn linear(net: Usd, grid: &Grid) -> Self {
        LinearArray::new(net, grid).with(None)
    }

    /// With the results of futures and options added.
    pub(crate) fn plus(mut self, cells: &[Usd; CELLS]) -> Self {
        for (cell, more) in self.0.iter_mut().zip(cells) {
            *cell += *more;
        }
        self
    }

    /// The cells in grid order.
    pub const fn cells(&self) -> &[Usd; CELLS] {
        &self.0
    }

    /// The worst cell and the result there, never above zero since one cell leaves everything unchanged.
    /// The first of several equal ones.
    pub fn worst(&self) -> (Cell, Usd) {
        let mut worst = (0, self.0[0]);
        for (index, value) in self.0.iter().enumerate() {
            if *value < worst.1 {
                worst = (index, *value);
            }
        }
        name(worst)
    }

    /// The 64-byte form, every cell rounded toward loss (I-10).
    pub fn compress_down(&self) -> CompressedArray {
        // The bits of a size, with -2^n counted like 2^n - 1, since a mantissa reaches from -2^15 to 2^15 - 1.
        let widest = self.0.iter().map(|v| (v.micros() ^ (v.micros() >> 63)).unsigned_abs()).fold(0, |a, b| a | b);
        let exponent = (u64::BITS - widest.leading_zeros()).saturating_sub(15);
        let mut mantissas = [0; CELLS];
        for (mantissa, value) in mantissas.iter_mut().zip(&self.0) {
            *mantissa = low_i16(value.micros() >> exponent);
        }
        CompressedArray { exponent: u16::try_from(exponent).unwrap_or(u16::MAX), mantissas }
    }
}

/// Profit and loss of a linear book at each price node. Volatility does not matter to it, so it costs one product per node and
/// not one per cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinearArray([Usd; NODES]);

impl LinearArray {
    pub(crate) fn new(net: Usd, grid: &Grid) -> Self {
        let mut nodes = [Usd::ZERO; NODES];
        for (value, shift) in nodes.iter_mut().zip(grid.moves()) {
            *value = net.mul_down(*shift);
        }
        Self(nodes)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, value) in self.0.iter_mut().zip(&other.0) {
            *sum += *value;
        }
    }

    /// In every cell, with the results of futures and options added.
    pub(crate) fn with(&self, cells: Option<&[Usd; CELLS]>) -> RiskArray {
        let mut array = cells.map_or(RiskArray::ZERO, |cells| RiskArray(*cells));
        for (cell, value) in array.0.iter_mut().enumerate() {
            *value += self.0[Grid::node_of(cell)];
        }
        array
    }

    /// The worst cell and the result there, as [`RiskArray::worst`] of [`LinearArray::with`], without making the array.
    pub(crate) fn worst(&self, cells: Option<&[Usd; CELLS]>) -> (Cell, Usd) {
        let Some(cells) = cells else {
            // The least first and its place then: carrying both along needs more registers than there are.
            let least = self.0.iter().fold(Usd::ZERO, |least, value| least.min(*value));
            let node = self.0.iter().position(|value| *value == least).unwrap_or(0);
            return name((Grid::first_cell_of(node), least));
        };
        let least = self.least(cells);
        if least >= Usd::ZERO {
            return name((0, least));
        }
        name((self.first(cells, least), least))
    }

    /// The first cell with this result: node by node, since looking up the node of each cell costs more than the comparison.
    fn first(&self, cells: &[Usd; CELLS], result: Usd) -> usize {
        for (node, (value, three)) in self.0.iter().zip(cells.as_chunks::<3>().0).take(7).enumerate() {
            let wanted = result - *value;
            if let Some(place) = three.iter().position(|cell| *cell == wanted) {
                return 3 * node + place;
            }
        }
        let is_wanted = |cell: &usize| cells[*cell] + self.0[Grid::node_of(*cell)] == result;
        (21..CELLS).find(is_wanted).unwrap_or(0)
    }

    /// The least of the cells.
    pub(crate) fn least(&self, cells: &[Usd; CELLS]) -> Usd {
        let (core, rest) = cells.split_at(21);
        let [outer @ .., rotated, lifted] = rest else { return Usd::ZERO };
        // Where only the smile moves the node is the unchanged one.
        let mut least = *rotated.min(lifted) + self.0[3];
        for (node, three) in self.0.iter().zip(core.as_chunks::<3>().0) {
            least = least.min(*node + three[0].min(three[1]).min(three[2]));
        }
        for (node, cell) in self.0[7..].iter().zip(outer) {
            least = least.min(*node + *cell);
        }
        least
    }
}

/// A loss by its cell; no loss is the unchanged cell's.
fn name((cell, result): (usize, Usd)) -> (Cell, Usd) {
    if result >= Usd::ZERO { (Cell::UNCHANGED, Usd::ZERO) } else { (Cell::from_position(cell), result) }
}

/// The lower 16 bits. The caller has shifted the value into range.
#[allow(clippy::cast_possible_truncation)]
const fn low_i16(value: i64) -> i16 {
    value as i16
}

/// A risk array in 64 bytes: cell = mantissa x 2^exponent micro-dollars, never above the exact cell and below it by less
/// than 2^exponent, which is at most 2^-14 of the array's largest cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressedArray {
    /// Power of two shared by all cells.
    pub exponent: u16,
    /// Signed mantissas in grid order.
    pub mantissas: [i16; CELLS],
}

impl CompressedArray {
    /// The widest exponent a real array needs: a sum of 2^56 moved by less than 8 has 59 bits, 15 of them in the mantissa.
    pub(crate) const MAX_EXPONENT: u16 = 44;

    /// The array the mantissas stand for. An exponent above 44, which is never written, reads as 44.
    pub fn expand(&self) -> RiskArray {
        let exponent = self.exponent.min(Self::MAX_EXPONENT);
        RiskArray(self.mantissas.map(|mantissa| Usd::of_sum(i64::from(mantissa) << exponent)))
    }
}
