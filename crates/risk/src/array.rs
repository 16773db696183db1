//! The risk array: profit and loss in each cell, and its 64-byte form.

use crate::expiry::{EDGE_NODE, UNCHANGED_NODE};
use crate::{CELLS, Cell, DatedRisk, Exposure, Grid, NODES, Usd};

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
        let mut mantissas = [0; CELLS];
        let exponent = LinearArray::default().compress_into(Some(&self.0), &mut mantissas);
        CompressedArray { exponent, mantissas }
    }
}

/// Profit and loss of a linear book at each price node. Volatility does not matter to it, so it costs one product per node and
/// not one per cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinearArray([Usd; NODES]);

impl LinearArray {
    pub(crate) fn new(net: Usd, grid: &Grid) -> Self {
        let mut nodes = [Usd::ZERO; NODES];
        let (edge, mut at_edge) = (grid.moves()[EDGE_NODE], Usd::ZERO);
        for (node, (value, shift)) in nodes.iter_mut().zip(grid.moves()).enumerate() {
            // Most of the rising tails are held to the edge.
            if node > EDGE_NODE && *shift == edge {
                *value = at_edge;
            } else if node != UNCHANGED_NODE {
                *value = net.mul_down(*shift);
            }
            if node == EDGE_NODE {
                at_edge = *value;
            }
        }
        Self(nodes)
    }

    /// Of one underlying: its perps, futures and own collateral.
    pub(crate) fn of(exposure: &Exposure, dated: Option<&DatedRisk>, grid: &Grid) -> Self {
        Self::new(exposure.net + dated.map_or(Usd::ZERO, |dated| dated.futures), grid)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, value) in self.0.iter_mut().zip(&other.0) {
            *sum += *value;
        }
    }

    /// In every cell, with the results of futures and options added.
    pub(crate) fn with(&self, cells: Option<&[Usd; CELLS]>) -> RiskArray {
        let mut array = RiskArray::ZERO;
        match cells {
            Some(cells) => self.each(|cell| cells[cell], |cell, result| array.0[cell] = result),
            None => self.each(|_| Usd::ZERO, |cell, result| array.0[cell] = result),
        }
        array
    }

    /// Every cell with its result, node by node and written out: looking up the node of a cell costs more than its result.
    #[inline(always)]
    fn each(&self, cells: impl Fn(usize) -> Usd, mut then: impl FnMut(usize, Usd)) {
        let (nodes, of_one_cell) = self.0.split_at(7);
        for (node, value) in nodes.iter().enumerate() {
            then(3 * node, *value + cells(3 * node));
            then(3 * node + 1, *value + cells(3 * node + 1));
            then(3 * node + 2, *value + cells(3 * node + 2));
        }
        for (node, value) in of_one_cell.iter().enumerate() {
            then(21 + node, *value + cells(21 + node));
        }
        // Where only the smile moves the node is the unchanged one.
        then(29, self.0[UNCHANGED_NODE] + cells(29));
        then(30, self.0[UNCHANGED_NODE] + cells(30));
    }

    /// The 64-byte form of [`LinearArray::with`], without making the array: fills the mantissas and gives the exponent.
    #[inline(always)]
    pub(crate) fn compress_into(&self, cells: Option<&[Usd; CELLS]>, mantissas: &mut [i16; CELLS]) -> u16 {
        match cells {
            Some(cells) => self.compress_with(|cell| cells[cell], mantissas),
            None => self.compress_with(|_| Usd::ZERO, mantissas),
        }
    }

    #[inline(always)]
    fn compress_with(&self, cells: impl Fn(usize) -> Usd, mantissas: &mut [i16; CELLS]) -> u16 {
        let mut widest = 0;
        self.each(&cells, |_, result| widest |= bits(result));
        let exponent = exponent(widest);
        self.each(&cells, |cell, result| mantissas[cell] = low_i16(result.micros() >> exponent));
        exponent
    }

    /// The worst cell and the result there, as [`RiskArray::worst`] of [`LinearArray::with`], without making the array.
    pub(crate) fn worst(&self, cells: Option<&[Usd; CELLS]>) -> (Cell, Usd) {
        let Some(cells) = cells else {
            // The least first and its place then: carrying both along needs more registers than there are.
            let least = self.0.iter().fold(Usd::ZERO, |least, value| least.min(*value));
            let node = self.0.iter().position(|value| *value == least).unwrap_or(0);
            return name((Grid::first_cell_of(node), least));
        };
        self.place(cells, self.least(cells))
    }

    /// The same, adding every cell's result to `sums` on the way.
    pub(crate) fn worst_added(&self, cells: &[Usd; CELLS], sums: &mut [Usd; CELLS]) -> (Cell, Usd) {
        let mut least = Usd::ZERO;
        self.each(
            |cell| cells[cell],
            |cell, result| {
                sums[cell] += result;
                least = least.min(result);
            },
        );
        self.place(cells, least)
    }

    /// The first of the cells with the least result.
    fn place(&self, cells: &[Usd; CELLS], least: Usd) -> (Cell, Usd) {
        name((if least >= Usd::ZERO { 0 } else { self.first(cells, least) }, least))
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

/// The bits of a size, with -2^n counted like 2^n - 1, since a mantissa reaches from -2^15 to 2^15 - 1.
const fn bits(value: Usd) -> u64 {
    (value.micros() ^ (value.micros() >> 63)).cast_unsigned()
}

/// How many more bits than 15. By halves, since leading_zeros is forty instructions on the VM.
const fn exponent(bits: u64) -> u16 {
    let (mut rest, mut exponent, mut half) = (bits >> 15, 0, 32);
    while half > 0 {
        if rest >> half != 0 {
            rest >>= half;
            exponent += half;
        }
        half >>= 1;
    }
    exponent + (rest != 0) as u16
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
