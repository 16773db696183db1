use crate::{constants::*, error::*};
use anchor_lang::prelude::*;
use margrave_risk::{CELLS, CompressedArray, Quantity, Usd, Valuation};

/// One portfolio: collateral, positions, and the risk they were last seen to carry.
#[account(zero_copy)]
#[repr(C)]
pub struct MarginAccount {
    pub version: u8,
    pub bump: u8,
    /// [`Status`] as a number.
    pub status: u8,
    pub padding: u8,
    /// Part of the address: an owner may have several accounts.
    pub number: u16,
    pub padding2: [u8; 2],
    pub group: Pubkey,
    pub owner: Pubkey,
    /// Grows by one with each change of a balance or position.
    pub sequence: u64,
    /// The last valuation, micro-dollars, and the sequence and unix time it was made at. Stale when `sequence` has moved on.
    pub equity: i64,
    pub initial_margin: i64,
    pub liquidation_end: i64,
    pub maintenance_margin: i64,
    pub valued_sequence: u64,
    pub valued_at: i64,
    pub collateral: [CollateralSlot; MAX_COLLATERALS],
    pub positions: [PositionSlot; MAX_POSITIONS],
    pub risk: [RiskSlot; MAX_UNDERLYINGS],
    /// For delegates, modes and quote nonces. Zero.
    pub reserved: [u8; 512],
}

/// A balance in one bank. All zeros: empty.
#[zero_copy]
#[repr(C)]
pub struct CollateralSlot {
    pub bank: Pubkey,
    /// Deposit shares. Zero: the slot is empty. Never negative: borrowing is not offered yet.
    pub shares: i64,
    /// One more than the index of the risk slot this collateral is part of; zero for the quote token.
    pub risk_slot: u8,
    pub padding: [u8; 7],
    pub reserved: [u8; 16],
}

/// A position in one instrument. All zeros: empty.
#[zero_copy]
#[repr(C)]
pub struct PositionSlot {
    /// [`InstrumentKind`] as a number; zero: empty.
    pub kind: u8,
    /// Index of the risk slot of its underlying.
    pub risk_slot: u8,
    /// Index of the expiry and strike on the underlying. Zero for a perp.
    pub expiry: u16,
    pub strike: u16,
    pub padding: u16,
    /// Smallest units of the base asset: long positive, short negative.
    pub quantity: i64,
    /// What the position has received less what it has paid, fees included, micro-dollars. Its profit is the value of
    /// `quantity` at the mark plus this.
    pub quote: i64,
    /// The perp's funding index when funding was last applied.
    pub funding_index: [u8; 16],
    pub reserved: [u8; 24],
}

/// An underlying the account has risk in, and its risk array when the account was last valued. All zeros: empty.
#[zero_copy]
#[repr(C)]
pub struct RiskSlot {
    pub underlying: Pubkey,
    /// Power of two of the mantissas, micro-dollars.
    pub exponent: u16,
    /// One per cell of the grid, profit positive.
    pub mantissas: [i16; CELLS],
    /// Price the array was computed at, 10^-10 dollars, and its publish time.
    pub price: i64,
    pub publish_time: i64,
    /// The sequence of the account at that moment.
    pub sequence: u64,
    /// Version of the risk terms it was computed with.
    pub terms_version: u32,
    /// The worst cell.
    pub worst_cell: u8,
    /// One while the account has risk in the underlying.
    pub used: u8,
    pub padding: [u8; 2],
}

/// Where an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// At or above initial margin when last valued.
    Healthy = 0,
    /// Below initial margin: only risk-reducing actions pass.
    MarginCall = 1,
    /// A liquidation has begun and not yet reached its end; it may go on above maintenance margin for a few minutes.
    InLiquidation = 2,
}

/// What a position is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum InstrumentKind {
    Perp = 1,
}

impl CollateralSlot {
    pub fn is_empty(&self) -> bool {
        self.shares == 0
    }

    /// The index of the risk slot of a token that is not the quote token.
    pub fn risk_slot(&self) -> Result<usize> {
        usize::from(self.risk_slot).checked_sub(1).ok_or_else(|| error!(MargraveError::InvariantViolated))
    }

    /// Deposit shares as an unsigned number.
    pub fn deposit_shares(&self) -> Result<u64> {
        u64::try_from(self.shares).map_err(|_| error!(MargraveError::InvariantViolated))
    }
}

impl PositionSlot {
    pub fn is_empty(&self) -> bool {
        self.kind == 0
    }

    pub fn quantity(&self) -> Quantity {
        Quantity::new(self.quantity)
    }

    pub fn quote(&self) -> Result<Usd> {
        Usd::new(self.quote).or_refuse()
    }

    /// Adds `quantity` against `quote` and returns the change of the long side.
    pub fn change(&mut self, quantity: i64, quote: i64) -> Result<i64> {
        let long_before = self.quantity.max(0);
        self.quantity = self.quantity.checked_add(quantity).ok_or(MargraveError::ValueOutOfRange)?;
        self.quote = self.quote.checked_add(quote).ok_or(MargraveError::ValueOutOfRange)?;
        require!(self.quantity.unsigned_abs() <= MAX_QUANTITY, MargraveError::ValueOutOfRange);
        Ok(self.quantity.max(0) - long_before)
    }
}

impl RiskSlot {
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// The stored array.
    pub fn array(&self) -> CompressedArray {
        CompressedArray { exponent: self.exponent, mantissas: self.mantissas }
    }
}

impl MarginAccount {
    /// The slot of a balance in `bank`, or `None`.
    pub fn collateral_in(&self, bank: &Pubkey) -> Option<&CollateralSlot> {
        self.collateral.iter().find(|slot| !slot.is_empty() && slot.bank == *bank)
    }

    /// The slot of a balance in `bank`, opened when there is none. `underlying` is the bank's.
    pub fn open_collateral(&mut self, bank: Pubkey, underlying: Pubkey) -> Result<&mut CollateralSlot> {
        let index = match self.collateral.iter().position(|slot| !slot.is_empty() && slot.bank == bank) {
            Some(index) => index,
            None => {
                let risk_slot = match underlying == Pubkey::default() {
                    true => 0,
                    false => self.open_risk(underlying)? + 1,
                };
                let free = self.collateral.iter().position(CollateralSlot::is_empty);
                let index = free.ok_or(MargraveError::CollateralLimitExceeded)?;
                self.collateral[index] = CollateralSlot { bank, risk_slot, ..bytemuck::Zeroable::zeroed() };
                index
            }
        };
        Ok(&mut self.collateral[index])
    }

    fn risk_in(&self, underlying: &Pubkey) -> Option<usize> {
        self.risk.iter().position(|slot| !slot.is_empty() && slot.underlying == *underlying)
    }

    /// The index of the perp position on `underlying`, or `None`.
    pub fn perp_on(&self, underlying: &Pubkey) -> Option<usize> {
        let risk_slot = self.risk_in(underlying)?;
        self.positions.iter().position(|position| {
            position.kind == InstrumentKind::Perp as u8 && usize::from(position.risk_slot) == risk_slot
        })
    }

    /// The index of the perp position on `underlying`, opened when there is none.
    pub fn open_perp(&mut self, underlying: Pubkey) -> Result<usize> {
        if let Some(index) = self.perp_on(&underlying) {
            return Ok(index);
        }
        let free = self.positions.iter().position(PositionSlot::is_empty);
        let index = free.ok_or(MargraveError::PositionLimitExceeded)?;
        let risk_slot = self.open_risk(underlying)?;
        self.positions[index] =
            PositionSlot { kind: InstrumentKind::Perp as u8, risk_slot, ..bytemuck::Zeroable::zeroed() };
        Ok(index)
    }

    fn open_risk(&mut self, underlying: Pubkey) -> Result<u8> {
        let same = self.risk_in(&underlying);
        let index = match same.or_else(|| self.risk.iter().position(RiskSlot::is_empty)) {
            Some(index) => index,
            None => return err!(MargraveError::UnderlyingLimitExceeded),
        };
        (self.risk[index].underlying, self.risk[index].used) = (underlying, 1);
        u8::try_from(index).map_err(|_| error!(MargraveError::InvariantViolated))
    }

    /// Counts a change of a balance or position. Called before the change is valued, so that the valuation carries its number.
    pub fn count_change(&mut self) -> Result<()> {
        self.sequence = self.sequence.checked_add(1).ok_or(MargraveError::ValueOutOfRange)?;
        Ok(())
    }

    /// Ends a change: empties the slots that hold nothing any more.
    pub fn compact(&mut self) {
        for slot in self.collateral.iter_mut().filter(|slot| slot.is_empty() && slot.bank != Pubkey::default()) {
            *slot = bytemuck::Zeroable::zeroed();
        }
        // A closed position whose profit or loss is not settled stays, as a claim or a debt.
        for slot in self.positions.iter_mut().filter(|slot| !slot.is_empty() && slot.quantity == 0 && slot.quote == 0) {
            *slot = bytemuck::Zeroable::zeroed();
        }
        let mut used = [false; MAX_UNDERLYINGS];
        for slot in self.collateral.iter().filter(|slot| slot.risk_slot != 0) {
            used[usize::from(slot.risk_slot) - 1] = true;
        }
        for slot in self.positions.iter().filter(|slot| !slot.is_empty()) {
            used[usize::from(slot.risk_slot)] = true;
        }
        for (slot, _) in self.risk.iter_mut().zip(used).filter(|(slot, used)| !used && !slot.is_empty()) {
            *slot = bytemuck::Zeroable::zeroed();
        }
    }

    /// Whether nothing can be lost any more: no open position, no unsettled loss, no borrowed token.
    pub fn is_flat(&self) -> bool {
        self.positions.iter().all(|slot| slot.quantity == 0 && slot.quote >= 0)
            && self.collateral.iter().all(|slot| slot.shares >= 0)
    }

    /// Stores a valuation of the account as it is now, and the status that follows from it.
    pub fn record(&mut self, valuation: &Valuation, now: i64) {
        self.equity = valuation.equity.micros();
        self.initial_margin = valuation.initial_margin.micros();
        self.liquidation_end = valuation.liquidation_end.micros();
        self.maintenance_margin = valuation.maintenance_margin.micros();
        self.valued_sequence = self.sequence;
        self.valued_at = now;
        self.status = self.status_after(valuation) as u8;
    }

    /// A liquidation once begun goes on until its end level, so that an account does not hover at the edge.
    fn status_after(&self, valuation: &Valuation) -> Status {
        if !valuation.initial_health().is_negative() {
            Status::Healthy
        } else if self.status == Status::InLiquidation as u8 && valuation.liquidation_end_health().is_negative() {
            Status::InLiquidation
        } else {
            Status::MarginCall
        }
    }

    /// I-22: below maintenance margin, or in a liquidation of the last minutes that has not reached its end.
    pub fn is_liquidatable(&self, valuation: &Valuation, now: i64) -> bool {
        let begun = self.status == Status::InLiquidation as u8
            && now.saturating_sub(self.valued_at) <= LIQUIDATION_CONTINUES_SECS;
        valuation.maintenance_health().is_negative() || (begun && valuation.liquidation_end_health().is_negative())
    }

    /// What every instruction that writes a margin account leaves behind. Slots point at live slots; empty ones are zero.
    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION, MargraveError::InvariantViolated);
        for slot in self.collateral.iter().filter(|slot| !slot.is_empty()) {
            require!(slot.shares > 0, MargraveError::InvariantViolated);
            if slot.risk_slot != 0 {
                let index = usize::from(slot.risk_slot) - 1;
                require!(index < MAX_UNDERLYINGS && !self.risk[index].is_empty(), MargraveError::InvariantViolated);
            }
        }
        for slot in self.positions.iter().filter(|slot| !slot.is_empty()) {
            let index = usize::from(slot.risk_slot);
            require!(index < MAX_UNDERLYINGS && !self.risk[index].is_empty(), MargraveError::InvariantViolated);
        }
        Ok(())
    }
}

const _: () = {
    assert!(size_of::<CollateralSlot>() == 64);
    assert!(size_of::<PositionSlot>() == 64);
    assert!(size_of::<RiskSlot>() == 128);
    assert!(
        size_of::<MarginAccount>()
            == 8 + 64 + 8 * 7 + 64 * MAX_COLLATERALS + 64 * MAX_POSITIONS + 128 * MAX_UNDERLYINGS + 512
    );
};
