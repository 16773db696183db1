//! The scenario grid: 31 joint moves of an underlying's price and its implied volatility.
//!
//! R is the underlying's scan range. 21 core cells: seven price moves of thirds of R by three volatility moves. Two edges
//! at 4/3 R. Six tails at fixed percentages, each weighted by `min(1, 4/3 R / |move|)`: a tail charges convexity and never
//! charges a delta-one book more than the edge. Two skew cells leave the price where it is. Source: SPAN's sixteen
//! scenarios, widened as the option venues of today do.

use crate::{Ratio, RiskError};

/// Cells of the grid.
pub const CELLS: usize = 31;
/// Distinct price moves: seven core, two edges, six tails.
pub const NODES: usize = 15;

const TAILS_PERCENT: [i64; 6] = [-66, -33, 50, 100, 200, 400];
/// The tails in 2^-30, toward zero.
pub(crate) const TAILS: [Ratio; 6] = {
    let mut tails = [Ratio::ZERO; 6];
    let mut tail = 0;
    while tail < 6 {
        tails[tail] = Ratio::percent_toward_zero(TAILS_PERCENT[tail]);
        tail += 1;
    }
    tails
};
const UNCHANGED_NODE: usize = 3;
const FIRST_EDGE: usize = 7;
const FIRST_TAIL: usize = 9;

/// The price node of each cell.
const NODE_OF_CELL: [usize; CELLS] = {
    let mut nodes = [UNCHANGED_NODE; CELLS];
    let mut cell = 0;
    while cell < 29 {
        nodes[cell] = if cell < 21 { cell / 3 } else { cell - 14 };
        cell += 1;
    }
    nodes
};

/// A cell of the grid by its index, 0 to 30.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell(u8);

/// What a cell does to the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceMove {
    /// So many thirds of the scan range, -4 to 4.
    Thirds(i8),
    /// A fixed percentage, weighted down so that a linear book loses no more than at the edge.
    TailPercent(i16),
}

/// What a cell does to implied volatility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolMove {
    /// Lower.
    Down,
    /// As it is.
    Same,
    /// Higher.
    Up,
    /// The smile rotated around the forward.
    Rotated,
    /// The smile's wings lifted.
    WingsLifted,
}

impl Cell {
    /// # Errors
    /// [`RiskError::NoSuchCell`] for 31 and more.
    pub const fn new(index: u8) -> Result<Self, RiskError> {
        if index as usize >= CELLS { Err(RiskError::NoSuchCell) } else { Ok(Self(index)) }
    }

    /// The cell in which nothing moves.
    pub const UNCHANGED: Self = Self(10);

    /// Not a cell of the grid but its rival for the worst: the charge for expiries moving apart.
    pub const BASIS: Self = Self(31);

    /// 0 to 30, 31 for [`Cell::BASIS`].
    pub const fn index(self) -> u8 {
        self.0
    }

    pub(crate) fn from_position(index: usize) -> Self {
        Self(u8::try_from(index).unwrap_or(0))
    }

    /// The move of the price.
    pub fn price_move(self) -> PriceMove {
        let node = NODE_OF_CELL.get(usize::from(self.0)).copied().unwrap_or(UNCHANGED_NODE);
        match node {
            FIRST_TAIL.. => PriceMove::TailPercent(i16::try_from(TAILS_PERCENT[node - FIRST_TAIL]).unwrap_or(0)),
            FIRST_EDGE => PriceMove::Thirds(-4),
            8 => PriceMove::Thirds(4),
            core => PriceMove::Thirds(i8::try_from(core).unwrap_or(0) - 3),
        }
    }

    /// The move of the volatility.
    pub const fn vol_move(self) -> VolMove {
        match self.0 {
            0..21 => match self.0 % 3 {
                0 => VolMove::Down,
                1 => VolMove::Same,
                _ => VolMove::Up,
            },
            21..29 => VolMove::Up,
            29 => VolMove::Rotated,
            30 => VolMove::WingsLifted,
            _ => VolMove::Same,
        }
    }
}

/// The grid of one underlying: the weighted price move of each node for a linear product.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    moves: [Ratio; NODES],
}

impl Grid {
    /// The grid for scan range `range`, which is positive and at most 3. Moves of the range round away from zero, tails to
    /// the nearest step toward it.
    ///
    /// # Errors
    /// [`RiskError::RatioOutOfRange`] outside that.
    pub fn new(range: Ratio) -> Result<Self, RiskError> {
        if range <= Ratio::ZERO || range.bits() > 3 * Ratio::ONE.bits() {
            return Err(RiskError::RatioOutOfRange);
        }
        let [third, two_thirds, edge] = [1, 2, 4].map(|thirds| range.thirds_up(thirds));
        let mut moves = [Ratio::ZERO; NODES];
        for (thirds, size) in [(1, third), (2, two_thirds), (3, range)] {
            moves[UNCHANGED_NODE - thirds] = size.opposite();
            moves[UNCHANGED_NODE + thirds] = size;
        }
        moves[FIRST_EDGE] = edge.opposite();
        moves[FIRST_EDGE + 1] = edge;
        for (tail, slot) in TAILS.iter().zip(&mut moves[FIRST_TAIL..]) {
            // weight x move = sign(move) min(|move|, edge)
            *slot = tail.clamp_to(edge);
        }
        Ok(Self { moves })
    }

    /// The moves of the 15 price nodes.
    pub const fn moves(&self) -> &[Ratio; NODES] {
        &self.moves
    }

    /// The move of a node before its tail weight.
    pub(crate) fn raw_move(&self, node: usize) -> Ratio {
        match node.checked_sub(FIRST_TAIL) {
            Some(tail) => TAILS[tail],
            None => self.moves[node],
        }
    }

    /// `min(1, edge / |move|)` of a tail, rounded up.
    pub(crate) fn tail_weight_up(&self, node: usize) -> Ratio {
        let (edge, size) =
            (self.moves[FIRST_EDGE + 1].bits().unsigned_abs(), self.raw_move(node).bits().unsigned_abs());
        if edge >= size || node < FIRST_TAIL {
            return Ratio::ONE;
        }
        // Below 2^32, so the product is below 2^62, and the quotient below one.
        Ratio::from_bits((edge << Ratio::BITS).div_ceil(size).cast_signed()).unwrap_or(Ratio::ONE)
    }

    /// The first of the cells of a node.
    pub(crate) const fn first_cell_of(node: usize) -> usize {
        if node < FIRST_EDGE { 3 * node } else { node + 14 }
    }

    pub(crate) const fn node_of(cell: usize) -> usize {
        NODE_OF_CELL[cell]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cells_are_the_model_document_s() {
        let moves = |index| (Cell::new(index).unwrap().price_move(), Cell::new(index).unwrap().vol_move());
        assert_eq!(moves(0), (PriceMove::Thirds(-3), VolMove::Down));
        assert_eq!(moves(10), (PriceMove::Thirds(0), VolMove::Same));
        assert_eq!(moves(20), (PriceMove::Thirds(3), VolMove::Up));
        assert_eq!(moves(21), (PriceMove::Thirds(-4), VolMove::Up));
        assert_eq!(moves(22), (PriceMove::Thirds(4), VolMove::Up));
        assert_eq!(moves(23), (PriceMove::TailPercent(-66), VolMove::Up));
        assert_eq!(moves(28), (PriceMove::TailPercent(400), VolMove::Up));
        assert_eq!(moves(29), (PriceMove::Thirds(0), VolMove::Rotated));
        assert_eq!(moves(30), (PriceMove::Thirds(0), VolMove::WingsLifted));
        assert_eq!(Cell::new(31), Err(RiskError::NoSuchCell));
    }

    #[test]
    fn no_tail_moves_a_linear_book_more_than_the_edge() {
        for ppm in [1, 120_000, 180_000, 480_000, 540_000, 1_000_000, 3_000_000] {
            let grid = Grid::new(Ratio::from_ppm_up(ppm).unwrap()).unwrap();
            let edge = grid.moves()[8];
            assert!(grid.moves().iter().all(|m| *m <= edge && m.bits() >= -edge.bits()), "{ppm}");
        }
    }
}
