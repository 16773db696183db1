//! Profit and loss on its way from one account to another: realised into a claim, paid into or out of the underlying's pool.
//!
//! ```text
//! for every underlying, to the unit (I-03):
//! sum of quotes + claims + unreported fees and funding of all accounts
//!     + the sheet's unsettled fees + clearing = what its pool holds
//! ```

use crate::{breaker::Present, error::*, oracle::Action, snapshot::funding_due_up, state::*};
use anchor_lang::prelude::*;
use margrave_risk::{Decimals, Price};

impl MarginAccount {
    /// Charges pending funding, and moves what perps and futures on the underlying in `index` have made or lost at their marks
    /// from their quotes to the claim.
    ///
    /// # Errors
    /// A price that is too old while there are such positions.
    pub fn realise(&mut self, index: usize, underlying: &Underlying, now: i64) -> Result<()> {
        let unit = Decimals::new(underlying.decimals).or_refuse()?;
        let risk = &mut self.risk[index];
        for slot in self.positions.iter_mut().filter(|slot| !slot.is_empty() && usize::from(slot.risk_slot) == index) {
            let kind = slot.kind()?;
            if kind.is_option() {
                continue;
            }
            underlying.oracle.require_good_for(Action::Settle, now)?;
            let mark = match kind {
                InstrumentKind::Perp => {
                    let index_now = underlying.perp.funding_index;
                    let due = funding_due_up(slot.quantity, slot.funding_index, index_now, underlying.decimals)?;
                    risk.charge_funding(due)?;
                    slot.funding_index = index_now;
                    Price::new(underlying.oracle.price).or_refuse()?
                }
                _ => underlying.expiries[usize::from(slot.expiry)].expiry().terms().forward,
            };
            let value = mark.value_down(slot.quantity(), unit).or_refuse()?.micros();
            let profit = value.checked_add(slot.quote).ok_or(MargraveError::ValueOutOfRange)?;
            slot.quote = -value;
            risk.add_claim(profit)?;
        }
        Ok(())
    }

    /// Tells the sheet of funding that the account has been charged since the last time, and of fees if it owes nothing any more:
    /// fees that nobody has paid do not go ahead of winners.
    pub fn report(&mut self, index: usize, underlying: &mut Underlying) -> Result<()> {
        let (risk, pool) = (&mut self.risk[index], &mut underlying.pool);
        pool.clearing = pool.clearing.checked_add(risk.funding).ok_or(MargraveError::ValueOutOfRange)?;
        risk.funding = 0;
        if risk.claim >= 0 {
            pool.unsettled_fees = pool.unsettled_fees.checked_add(risk.fees).ok_or(MargraveError::ValueOutOfRange)?;
            risk.fees = 0;
        }
        Ok(())
    }

    /// Pays a loss into the pool or draws a profit from it, as far as the deposit or the pool goes; returns what was paid in,
    /// negative for what was drawn. Nothing is drawn while a breaker says so, nor unless the account `draws` (I-28). Interest must be up
    /// to date.
    #[allow(clippy::too_many_arguments)]
    pub fn settle_claim(
        &mut self,
        index: usize,
        underlying: &mut Underlying,
        bank: &mut Bank,
        bank_key: Pubkey,
        lending: Lending,
        draws: bool,
        present: &Present,
    ) -> Result<i64> {
        let (shares, claim) = (self.shares_in(&bank_key), self.risk[index].claim);
        let mut amount = claim.unsigned_abs();
        let after;
        if claim < 0 {
            if lending == Lending::Refused {
                amount = amount.min(bank.atoms_down(shares.max(0).unsigned_abs())?);
            }
            after = bank.debit(shares, amount, lending)?;
            let balance = underlying.pool.balance.checked_add(amount).ok_or(MargraveError::ValueOutOfRange)?;
            underlying.pool.balance = balance;
            bank.pools = bank.pools.checked_add(amount).ok_or(MargraveError::ValueOutOfRange)?;
        } else {
            let open = draws && underlying.require_pool_open(present).is_ok();
            amount = if open { amount.min(underlying.pool.balance) } else { 0 };
            after = bank.credit(shares, amount)?;
            underlying.pool.balance -= amount;
            bank.pools = bank.pools.checked_sub(amount).ok_or(MargraveError::InvariantViolated)?;
        }
        self.set_shares(bank_key, Pubkey::default(), after)?;
        let paid = i64::try_from(amount).map_err(|_| MargraveError::ValueOutOfRange)? * -claim.signum();
        self.risk[index].add_claim(paid)?;
        Ok(paid)
    }

    /// Closes the positions of a settled expiry against the claim; returns how many there were and what they paid, rounded
    /// against the account. The sheet's clearing takes the other side.
    pub fn expire(&mut self, index: usize, expiry: u8, underlying: &mut Underlying) -> Result<(u8, i64)> {
        let unit = Decimals::new(underlying.decimals).or_refuse()?;
        let settled = underlying.expiries[usize::from(expiry)].settlement_price;
        let (mut count, mut total) = (0u8, 0i64);
        for at in 0..self.positions.len() {
            let slot = self.positions[at];
            let here = !slot.is_empty() && usize::from(slot.risk_slot) == index && slot.expiry == expiry;
            if !here || slot.kind == InstrumentKind::Perp as u8 {
                continue;
            }
            let kind = slot.kind()?;
            let strike = underlying.strikes[usize::from(slot.strike)].price[0];
            let worth = match kind {
                InstrumentKind::Call => settled.saturating_sub(strike).max(0),
                InstrumentKind::Put => strike.saturating_sub(settled).max(0),
                _ => settled,
            };
            let paid = match worth {
                0 => 0,
                _ => Price::new(worth).or_refuse()?.value_down(slot.quantity(), unit).or_refuse()?.micros(),
            };
            let series = underlying.expiries[usize::from(expiry)].series;
            let instrument = Instrument { kind, expiry, strike: slot.strike, series };
            underlying.remove_interest(&instrument, slot.quantity)?;
            self.risk[index].add_claim(paid)?;
            let clearing = underlying.pool.clearing.checked_sub(paid).ok_or(MargraveError::ValueOutOfRange)?;
            underlying.pool.clearing = clearing;
            // What a future has paid or received becomes part of the claim when its slot is emptied.
            self.positions[at].quantity = 0;
            total = total.checked_add(paid).ok_or(MargraveError::ValueOutOfRange)?;
            count += 1;
        }
        Ok((count, total))
    }
}
