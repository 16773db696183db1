//! A part of a whole portfolio changing hands: of every position, claim and balance the same part, so that hedges stay hedges.

use crate::{constants::*, error::*, portfolio::*, state::*};
use anchor_lang::prelude::*;
use margrave_risk::{Decimals, Price, Quantity, Ratio};

/// What is sold by whom to whom.
pub struct Sale<'a, 'b, 'info> {
    pub from: &'a mut MarginAccount,
    pub to: &'a mut MarginAccount,
    /// From 0 to 1.
    pub share: Ratio,
    pub directory: &'a InstructionAccounts<'b, 'info>,
    pub now: i64,
}

/// The part of an amount, toward zero.
pub fn part_of(amount: i64, share: Ratio) -> i64 {
    let part = (i128::from(amount) * i128::from(share.bits())) / i128::from(Ratio::ONE.bits());
    i64::try_from(part).unwrap_or(amount)
}

/// The part of a position in whole lots, and the part of what it has paid or received: profit and loss go along.
pub fn part_of_position(slot: &PositionSlot, share: Ratio, underlying: &Underlying) -> Result<(i64, i64)> {
    let lot = i64::try_from(underlying.market.lot.max(1)).map_err(|_| MargraveError::ValueOutOfRange)?;
    let quantity = if share == Ratio::ONE { slot.quantity } else { part_of(slot.quantity, share) / lot * lot };
    let quote = i128::from(slot.quote) * i128::from(quantity) / i128::from(slot.quantity);
    Ok((quantity, i64::try_from(quote).map_err(|_| MargraveError::ValueOutOfRange)?))
}

impl Sale<'_, '_, '_> {
    fn part(&self, amount: i64) -> i64 {
        part_of(amount, self.share)
    }

    /// Moves the part of every position in whole lots, with the part of what it has paid or received. What changes hands counts as
    /// liquidated, at its underlying's price.
    #[inline(never)]
    pub fn move_positions(&mut self) -> Result<()> {
        let mut volumes = [0u64; MAX_UNDERLYINGS];
        for at in 0..self.from.positions.len() {
            let slot = self.from.positions[at];
            if slot.is_empty() {
                break;
            }
            let key = self.from.risk[usize::from(slot.risk_slot)].underlying;
            let (quantity, long_side, instrument, value) = {
                let underlying = self.directory.underlying(&key)?;
                let (quantity, long_side, instrument) = self.move_position(at, key, &underlying)?;
                let price = Price::new(underlying.oracle.price).or_refuse()?;
                let unit = Decimals::new(underlying.decimals).or_refuse()?;
                let value = price.value_up(Quantity::new(quantity.saturating_abs()), unit).or_refuse()?;
                (quantity, long_side, instrument, value.micros().unsigned_abs())
            };
            if quantity == 0 {
                continue;
            }
            let volume = &mut volumes[usize::from(slot.risk_slot)];
            *volume = volume.saturating_add(value);
            if long_side != 0 {
                self.directory.underlying_mut(&key)?.change_interest(&instrument, long_side)?;
            }
        }
        for (slot, volume) in self.from.risk.iter().zip(volumes).filter(|(_, volume)| *volume != 0) {
            let mut underlying = self.directory.underlying_mut(&slot.underlying)?;
            underlying.count_liquidation(slot.underlying, volume, self.now);
        }
        Ok(())
    }

    /// How much has moved, and by how much that changes the long side.
    fn move_position(&mut self, at: usize, key: Pubkey, underlying: &Underlying) -> Result<(i64, i64, Instrument)> {
        let slot = self.from.positions[at];
        let series = if slot.kind == InstrumentKind::Perp as u8 {
            0
        } else {
            underlying.expiries[usize::from(slot.expiry)].series
        };
        let instrument = Instrument { kind: slot.kind()?, expiry: slot.expiry, strike: slot.strike, series };
        let (quantity, quote) = part_of_position(&slot, self.share, underlying)?;
        if quantity == 0 {
            return Ok((0, 0, instrument));
        }
        let there = self.to.open_position(key, &instrument, underlying.perp.funding_index)?;
        let (given, taken) = if instrument.kind == InstrumentKind::Perp {
            let given = self.from.change_perp_at(at, underlying, -quantity, -quote)?;
            (given, self.to.change_perp_at(there, underlying, quantity, quote)?)
        } else {
            let given = self.from.positions[at].change(-quantity, -quote)?;
            (given, self.to.positions[there].change(quantity, quote)?)
        };
        Ok((quantity, given + taken, instrument))
    }

    /// Moves the part of every claim, and of what is registered of it to bear a loss.
    pub fn move_claims(&mut self) -> Result<()> {
        for at in 0..self.from.risk.len() {
            let slot = self.from.risk[at];
            let part = self.part(slot.claim);
            if slot.is_empty() || (part == 0 && slot.registered == 0) {
                continue;
            }
            let there = usize::from(self.to.open_risk(slot.underlying)?);
            self.from.risk[at].add_claim(-part)?;
            self.to.risk[there].add_claim(part)?;
            let registered = self.part(slot.registered);
            if registered != 0 {
                let to = &mut self.to.risk[there];
                let fits = to.registered == 0 || to.loss_round == slot.loss_round;
                require!(fits, MargraveError::DeficitOpen);
                to.registered = to.registered.checked_add(registered).ok_or(MargraveError::ValueOutOfRange)?;
                to.loss_round = slot.loss_round;
                self.from.risk[at].registered -= registered;
            }
        }
        Ok(())
    }

    /// Moves the part of every balance but the quote token's.
    #[inline(never)]
    pub fn move_balances(&mut self, quote_bank: &Pubkey) -> Result<()> {
        for at in 0..self.from.collateral.len() {
            let slot = self.from.collateral[at];
            let moved = self.part(slot.shares);
            if slot.is_empty() || slot.bank == *quote_bank || moved == 0 {
                continue;
            }
            let underlying = self.from.risk[slot.risk_slot()?].underlying;
            let there = self.to.shares_in(&slot.bank);
            if there.signum() == -moved.signum() {
                // A debt of the one meets a deposit of the other.
                let mut bank = self.directory.bank_mut(&slot.bank)?;
                bank.accrue(self.now)?;
                self.exchange(&mut bank, &slot.bank, moved)?;
                bank.invariant()?;
                continue;
            }
            self.from.set_shares(slot.bank, underlying, slot.shares - moved)?;
            self.to.set_shares(
                slot.bank,
                underlying,
                there.checked_add(moved).ok_or(MargraveError::ValueOutOfRange)?,
            )?;
        }
        Ok(())
    }

    /// A debt or deposit of `moved` shares goes over as atoms.
    fn exchange(&mut self, bank: &mut Bank, key: &Pubkey, moved: i64) -> Result<()> {
        if moved < 0 {
            let atoms = bank.debt_up_at(moved.unsigned_abs(), self.now)?;
            bank.transfer_with(key, self.to, self.from, atoms, Lending::Allowed)
        } else {
            let atoms = bank.atoms_down(moved.unsigned_abs())?;
            bank.transfer(key, self.from, self.to, atoms)
        }
    }

    /// Moves the part of the quote balance, and what is paid for the slice the other way.
    pub fn move_quote(&mut self, bank: &mut Bank, key: &Pubkey, paid: i64) -> Result<()> {
        let moved = self.part(self.from.shares_in(key));
        let there = self.to.shares_in(key);
        if moved != 0 && there.signum() != -moved.signum() {
            self.from.set_shares(*key, Pubkey::default(), self.from.shares_in(key) - moved)?;
            self.to.set_shares(
                *key,
                Pubkey::default(),
                there.checked_add(moved).ok_or(MargraveError::ValueOutOfRange)?,
            )?;
        } else if moved != 0 {
            self.exchange(bank, key, moved)?;
        }
        let paid = u64::try_from(paid).map_err(|_| MargraveError::ValueOutOfRange)?;
        if paid == 0 { Ok(()) } else { bank.transfer_with(key, self.to, self.from, paid, Lending::Refused) }
    }
}

/// Whether every value of a position lies within what the engine values, as a trade would leave it.
pub fn require_positions_in_range(account: &MarginAccount, directory: &impl Directory) -> Result<()> {
    for slot in account.positions.iter().take_while(|slot| !slot.is_empty()) {
        let underlying = directory.underlying(&account.risk[usize::from(slot.risk_slot)].underlying)?;
        let unit = Decimals::new(underlying.decimals).or_refuse()?;
        let strike = if slot.kind()?.is_option() { underlying.strikes[usize::from(slot.strike)].price[0] } else { 0 };
        let price = Price::new(underlying.oracle.price.max(strike)).or_refuse()?;
        let value = price.value_down(Quantity::new(slot.quantity), unit).or_refuse()?.micros().unsigned_abs();
        let most = if slot.kind()?.is_option() { MAX_TRADED_NOTIONAL } else { MAX_TRADED_VALUE };
        require!(value <= most, MargraveError::ValueOutOfRange);
    }
    Ok(())
}
