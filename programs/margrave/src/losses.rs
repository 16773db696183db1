//! Who bears what a bankrupt account owes: its own collateral, the underlying's first-loss floor, insurance up to a cap, the
//! profitable positions opposite to its own, and what others have gained on the underlying, in this order (I-26).
//!
//! What is written off stays in the books: it is taken out of the account's claim and put into the pool's clearing, from where the
//! profit that bears it takes it back (I-03). By the zero sum there is always at least as much profit as loss, so nobody's
//! deposit is touched.

use crate::{constants::*, error::*, oracle::Action, portfolio::*, state::*, trading::Sheet};
use anchor_lang::prelude::*;

impl MarginAccount {
    pub fn is_bankrupt(&self) -> bool {
        self.status == Status::Bankrupt as u8
    }

    /// Counts the account among the bankrupt ones of every underlying and bank that it may leave a loss to, or no longer, as its
    /// status says. A deficit below [`DUST`] stops nobody.
    pub fn count_bankrupt(&mut self, full_equity: i64, accounts: &InstructionAccounts, now: i64) -> Result<()> {
        // Haircuts are margin: who could pay all he owes leaves no loss.
        let counts = self.is_bankrupt() && full_equity < -DUST;
        for index in 0..self.risk.len() {
            let slot = self.risk[index];
            if slot.is_empty() {
                continue;
            }
            let here = |position: &PositionSlot| !position.is_empty() && usize::from(position.risk_slot) == index;
            let counted = counts && (slot.claim < 0 || self.positions.iter().any(here));
            if counted != (slot.bankrupt != 0) {
                accounts.underlying_mut(&slot.underlying)?.losses.count(counted, now)?;
                self.risk[index].bankrupt = u8::from(counted);
            }
        }
        for index in 0..self.collateral.len() {
            let slot = self.collateral[index];
            if slot.is_empty() {
                continue;
            }
            let counted = counts && slot.shares < 0;
            if counted != (slot.bankrupt != 0) {
                accounts.bank_mut(&slot.bank)?.count_bankrupt(counted, now)?;
                self.collateral[index].bankrupt = u8::from(counted);
            }
        }
        self.compact()
    }

    /// Refuses an account that has something of its own left for its losses (I-26): collateral worth as much as [`DUST`] that somebody
    /// could buy, and `when_closed` its quote deposit and claims that their pools could pay, which pay when its positions are closed.
    pub fn require_nothing_left(&self, directory: &impl Directory, when_closed: bool, now: i64) -> Result<()> {
        require!(self.is_bankrupt(), MargraveError::AccountIsSolvent);
        for slot in self.collateral.iter().filter(|slot| slot.shares > 0) {
            let bank = directory.bank(&slot.bank)?;
            let atoms = bank.atoms_down(slot.shares.unsigned_abs())?;
            // Beside an isolated account's market nothing counts until its positions are closed, and then everything does.
            if !when_closed && self.mode == Mode::Isolated as u8 && !bank.is_quote() {
                continue;
            }
            let value = if bank.is_quote() {
                if when_closed { atoms } else { 0 }
            } else {
                let underlying = directory.underlying(&bank.underlying)?;
                // Nobody can buy what has no price any more.
                if now.saturating_sub(underlying.oracle.publish_time) > MAX_GATE_SECS {
                    continue;
                }
                let price = underlying.oracle.price.max(0).unsigned_abs();
                let worth = u128::from(atoms) * u128::from(price) / 10u128.pow(4 + u32::from(bank.decimals));
                let kept = u128::from(PPM - bank.terms.haircut_maintenance_ppm);
                u64::try_from(worth * kept / u128::from(PPM)).unwrap_or(u64::MAX)
            };
            require!(value < DUST.unsigned_abs(), MargraveError::OwnCollateralFirst);
        }
        for slot in self.risk.iter().filter(|slot| when_closed && slot.claim >= DUST) {
            let pool = directory.underlying(&slot.underlying)?.pool.balance;
            require!(pool < DUST.unsigned_abs(), MargraveError::OwnCollateralFirst);
        }
        Ok(())
    }

    /// Whether the account owes more than it has at any price: without positions, all claims and the quote balance together are a debt.
    pub fn owes_at_any_price(&self, quote_bank: &Pubkey, bank: &Bank) -> Result<bool> {
        let claims = self.risk.iter().fold(0i128, |sum, slot| sum + i128::from(slot.claim));
        let held = bank.atoms_down(self.shares_in(quote_bank).max(0).unsigned_abs())?;
        Ok(self.positions[0].is_empty() && claims + i128::from(held) < 0)
    }

    /// What the account has made on an underlying: see [`MarginAccount::profit_on`].
    pub fn profit(&self, key: &Pubkey, underlying: &Underlying, now: i64) -> Result<i64> {
        self.risk_in(key).map_or(Ok(0), |index| self.profit_on(index, *key, underlying, now))
    }

    /// What the account has made on the underlying in `index`, micro-dollars: its claim, what its options are worth, less what it owes as
    /// a writer, which it was paid for. Perps and futures are realised.
    pub fn profit_on(&self, index: usize, key: Pubkey, underlying: &Underlying, now: i64) -> Result<i64> {
        let mut profit = self.risk[index].claim;
        for slot in self.positions.iter().take_while(|slot| !slot.is_empty()) {
            if usize::from(slot.risk_slot) == index && slot.kind()?.is_option() {
                profit = profit.saturating_add(option_value(slot, key, underlying, now)?);
            }
        }
        Ok(profit)
    }
}

impl LossDomain {
    fn count(&mut self, more: bool, now: i64) -> Result<()> {
        count(&mut self.bankrupts, &mut self.gated_until, more, now)
    }

    /// Whether a loss is open here that nobody has borne yet: profit is not drawn and is no margin, fees are not swept.
    pub fn is_open(&self, now: i64) -> bool {
        (self.bankrupts != 0 && now <= self.gated_until) || self.unshared != 0
    }

    pub fn require_closed(&self, now: i64) -> Result<()> {
        require!(!self.is_open(now), MargraveError::DeficitOpen);
        Ok(())
    }

    /// Adds to the losses that profit will bear, and begins a round if none goes on.
    pub fn add_unshared(&mut self, micros: u64, terms: &GroupTerms, now: i64) -> Result<()> {
        self.unshared = self.unshared.checked_add(micros).ok_or(MargraveError::ValueOutOfRange)?;
        self.begin_round(terms, now)
    }

    fn begin_round(&mut self, terms: &GroupTerms, now: i64) -> Result<()> {
        if self.unshared != 0 && self.registered == 0 && self.registering_until == 0 {
            self.round = self.round.checked_add(1).ok_or(MargraveError::ValueOutOfRange)?;
            self.registering_until = now.saturating_add(terms.loss_notice_secs.into());
            (self.shared, self.shared_of) = (0, 0);
        }
        Ok(())
    }

    /// Whether registered profit is bearing a loss.
    pub fn is_sharing(&self) -> bool {
        self.shared != 0
    }

    /// Ends the registration: so much of registered profit bears the loss. What it does not reach waits for a next round.
    pub fn share(&mut self, terms: &GroupTerms, now: i64) -> Result<u64> {
        require!(self.registering_until != 0 && now > self.registering_until, MargraveError::NoticeRunning);
        self.registering_until = 0;
        let shared = self.unshared.min(self.registered);
        if shared == 0 {
            self.begin_round(terms, now)?;
            return Ok(0);
        }
        (self.shared, self.shared_of) = (shared, self.registered);
        self.unshared -= shared;
        Ok(shared)
    }
}

impl Underlying {
    /// Takes an account's part of the loss that is being shared out of its profit; returns it.
    pub fn bear_loss(&mut self, slot: &mut RiskSlot, terms: &GroupTerms, now: i64) -> Result<i64> {
        let losses = &mut self.losses;
        if slot.registered == 0 || slot.loss_round != losses.round || !losses.is_sharing() {
            return Ok(0);
        }
        let part = u128::from(slot.registered.unsigned_abs()) * u128::from(losses.shared);
        let part = part.div_ceil(u128::from(losses.shared_of.max(1)));
        let part = i64::try_from(part).map_err(|_| MargraveError::ValueOutOfRange)?;
        slot.add_claim(-part)?;
        self.pool.clearing = self.pool.clearing.checked_add(part).ok_or(MargraveError::ValueOutOfRange)?;
        let left = losses.registered.checked_sub(slot.registered.unsigned_abs());
        losses.registered = left.ok_or(MargraveError::InvariantViolated)?;
        slot.registered = 0;
        if losses.registered == 0 {
            (losses.shared, losses.shared_of) = (0, 0);
            losses.begin_round(terms, now)?;
        }
        Ok(part)
    }
}

impl Bank {
    fn count_bankrupt(&mut self, more: bool, now: i64) -> Result<()> {
        count(&mut self.bankrupts, &mut self.gated_until, more, now)
    }

    /// Whether an account is bankrupt that owes depositors: until its loss is shared nobody leaves.
    pub fn require_no_deficit(&self, now: i64) -> Result<()> {
        require!(self.bankrupts == 0 || now > self.gated_until, MargraveError::DeficitOpen);
        Ok(())
    }
}

fn count(bankrupts: &mut u32, gated_until: &mut i64, more: bool, now: i64) -> Result<()> {
    let counted = if more { bankrupts.checked_add(1) } else { bankrupts.checked_sub(1) };
    *bankrupts = counted.ok_or(MargraveError::InvariantViolated)?;
    if more {
        *gated_until = now.saturating_add(MAX_GATE_SECS).max(*gated_until);
    }
    Ok(())
}

/// How much an account's profit counts among those that may be deleveraged: as a part of its equity, in millionths. Two accounts that
/// share a portfolio have each the rank of the whole. Whoever has no profit comes last.
pub fn rank_of(profit: i64, equity: i64) -> u64 {
    let part = u128::from(profit.max(0).unsigned_abs()) * u128::from(PPM) / u128::from(equity.max(1).unsigned_abs());
    // Zero is no candidate.
    u64::try_from(part).unwrap_or(u64::MAX).max(1)
}

/// What an option position is worth at its mark, signed, micro-dollars; nothing where it does not trade any more.
pub fn option_value(slot: &PositionSlot, key: Pubkey, underlying: &Underlying, now: i64) -> Result<i64> {
    let series = underlying.expiries[usize::from(slot.expiry)].series;
    let instrument = Instrument { kind: slot.kind()?, expiry: slot.expiry, strike: slot.strike, series };
    match Sheet::of(key, underlying, &instrument, now) {
        Ok(sheet) => Ok(sheet.mark.value_down(slot.quantity(), sheet.unit).or_refuse()?.micros()),
        Err(_) => Ok(0),
    }
}

/// How much of a position of `wanted` is closed against one of `offered`.
pub fn closable(wanted: i64, offered: i64) -> i64 {
    if wanted.signum() != -offered.signum() {
        return 0;
    }
    i64::try_from(wanted.unsigned_abs().min(offered.unsigned_abs())).unwrap_or(0)
}

impl MarginAccount {
    /// A position's signed size.
    pub fn position_of(&self, underlying: &Pubkey, instrument: &Instrument) -> Result<i64> {
        let index = self.position_in(underlying, instrument).ok_or(MargraveError::NoPosition)?;
        Ok(self.positions[index].quantity)
    }

    /// Refuses an account that liquidators may still take over from, or that has something of its own left.
    pub fn require_deleverageable(&self, directory: &impl Directory, terms: &GroupTerms, now: i64) -> Result<()> {
        // A deposit pays when the position is closed: what an option has lost is in its price and in no claim.
        self.require_nothing_left(directory, false, now)?;
        let had_time = now.saturating_sub(self.flagged_at) >= i64::from(terms.liquidation_ramp_secs);
        require!(had_time, MargraveError::NoticeRunning);
        Ok(())
    }
}

impl MarginAccount {
    /// Refuses an account that has recovered since it was flagged.
    pub fn require_insolvent(&self, arranged: &mut Arranged, directory: &impl Directory, now: i64) -> Result<()> {
        arranged.read(self, directory, Action::Reduce, now)?;
        require!(arranged.valuation()?.equity.is_negative(), MargraveError::AccountIsSolvent);
        Ok(())
    }

    /// What the other side of a bankrupt position has gained on the underlying and could bear; zero without a gain.
    pub fn bearable(&self, key: &Pubkey, instrument: &Instrument, underlying: &Underlying, now: i64) -> Result<i64> {
        let Some(index) = self.risk_in(key) else { return Ok(0) };
        let profit = self.profit_on(index, *key, underlying, now)?;
        let Some(at) = self.position_in(key, instrument) else { return Ok(0) };
        let slot = &self.positions[at];
        // A writer whose option is worthless has kept what it was paid for it.
        let is_writer = slot.kind()?.is_option() && slot.quantity < 0;
        Ok(profit.max(i64::from(is_writer)))
    }
}

impl DeleveragingQueue {
    pub fn is_about(&self, bankrupt: &Pubkey, instrument: &Instrument) -> bool {
        let same =
            (self.kind, self.expiry, self.strike) == (instrument.kind as u8, instrument.expiry, instrument.strike);
        same_key(&self.bankrupt, bankrupt) && same
    }

    /// Makes the queue one for this position. Another one's must be empty, or left alone for as long again as its notice.
    pub fn begin(&mut self, bankrupt: Pubkey, instrument: &Instrument, terms: &GroupTerms, now: i64) -> Result<()> {
        if self.is_about(&bankrupt, instrument) && self.candidates[0].rank != 0 {
            return Ok(());
        }
        let notice = i64::from(terms.deleverage_notice_secs);
        let free = self.candidates[0].rank == 0 || now > self.ready_at.saturating_add(10 * notice);
        require!(free, MargraveError::NoticeRunning);
        *self = Self {
            bankrupt,
            ready_at: now.saturating_add(notice),
            kind: instrument.kind as u8,
            expiry: instrument.expiry,
            strike: instrument.strike,
            ..bytemuck::Zeroable::zeroed()
        };
        Ok(())
    }

    /// Puts a candidate in its place, or in its new one; the last of a full queue makes room for a higher one.
    pub fn insert(&mut self, candidate: Candidate) -> Result<()> {
        if let Some(old) = self.candidates.iter().position(|it| it.margin_account == candidate.margin_account) {
            self.remove(old);
        }
        let place = self.candidates.iter().position(|it| it.rank < candidate.rank);
        let place = place.ok_or(MargraveError::NotACandidate)?;
        self.candidates.copy_within(place..MAX_CANDIDATES - 1, place + 1);
        self.candidates[place] = candidate;
        Ok(())
    }

    pub fn remove_first(&mut self) {
        self.remove(0);
    }

    fn remove(&mut self, place: usize) {
        self.candidates.copy_within(place + 1.., place);
        self.candidates[MAX_CANDIDATES - 1] = bytemuck::Zeroable::zeroed();
    }
}
