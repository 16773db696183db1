//! Who bears what a bankrupt account owes: its own collateral, the underlying's first-loss floor, insurance up to a cap, the
//! profitable positions opposite to its own, and what others have gained on the underlying, in this order (I-26).
//!
//! What is written off stays in the books: it is taken out of the account's claim and put into the pool's clearing, from where the
//! profit that bears it takes it back (I-03). By the zero sum there is always at least as much profit as loss, so nobody's
//! deposit is touched.

use crate::{constants::*, error::*, portfolio::*, state::*};
use anchor_lang::prelude::*;

impl MarginAccount {
    pub fn is_bankrupt(&self) -> bool {
        self.status == Status::Bankrupt as u8
    }

    /// Counts the account among the bankrupt ones of every underlying and bank that it may leave a loss to, or no longer, as its
    /// status says. A deficit below [`DUST`] stops nobody.
    pub fn count_bankrupt(&mut self, accounts: &InstructionAccounts, now: i64) -> Result<()> {
        let counts = self.is_bankrupt() && self.equity < -DUST;
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

    /// Refuses an account that has something of its own left for its losses (I-26): collateral or a claim worth as much as [`DUST`].
    pub fn require_nothing_left(&self, directory: &impl Directory) -> Result<()> {
        require!(self.is_bankrupt(), MargraveError::AccountIsSolvent);
        for slot in self.collateral.iter().filter(|slot| slot.shares > 0) {
            let bank = directory.bank(&slot.bank)?;
            let atoms = bank.atoms_down(slot.shares.unsigned_abs())?;
            let value = if bank.is_quote() {
                atoms
            } else {
                let price = directory.underlying(&bank.underlying)?.oracle.price.max(0).unsigned_abs();
                let worth = u128::from(atoms) * u128::from(price) / 10u128.pow(4 + u32::from(bank.decimals));
                let kept = u128::from(PPM - bank.terms.haircut_maintenance_ppm);
                u64::try_from(worth * kept / u128::from(PPM)).unwrap_or(u64::MAX)
            };
            require!(value < DUST.unsigned_abs(), MargraveError::OwnCollateralFirst);
        }
        require!(self.risk.iter().all(|slot| slot.claim < DUST), MargraveError::OwnCollateralFirst);
        Ok(())
    }
}

impl LossDomain {
    fn count(&mut self, more: bool, now: i64) -> Result<()> {
        count(&mut self.bankrupts, &mut self.gated_until, more, now)
    }

    /// Whether a loss is open here that nobody has borne yet: profit is not drawn, fees are not swept.
    pub fn require_closed(&self, now: i64) -> Result<()> {
        let gated = self.bankrupts != 0 && now <= self.gated_until;
        require!(!gated && self.unshared == 0, MargraveError::DeficitOpen);
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
/// share a portfolio have each the rank of the whole.
pub fn rank_of(profit: i64, equity: i64) -> u64 {
    let part = u128::from(profit.max(0).unsigned_abs()) * u128::from(PPM) / u128::from(equity.max(1).unsigned_abs());
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// How much of a position of `wanted` may be closed against one of `offered`, when closing all of it costs the other side `uncovered`
/// more than the mark and it has a `profit` to pay that from: whole lots, or all.
pub fn closable(wanted: i64, offered: i64, uncovered: u64, profit: i64, lot: u64) -> i64 {
    if wanted.signum() != -offered.signum() || profit <= 0 {
        return 0;
    }
    let most = wanted.unsigned_abs().min(offered.unsigned_abs());
    let borne = u128::from(profit.unsigned_abs()) * u128::from(wanted.unsigned_abs());
    let borne =
        borne.checked_div(u128::from(uncovered)).map_or(u64::MAX, |most| u64::try_from(most).unwrap_or(u64::MAX));
    let size = if borne >= most { most } else { borne - borne % lot };
    i64::try_from(size).unwrap_or(0)
}

impl MarginAccount {
    /// A position's signed size.
    pub fn position_of(&self, underlying: &Pubkey, instrument: &Instrument) -> Result<i64> {
        let index = self.position_in(underlying, instrument).ok_or(MargraveError::NoPosition)?;
        Ok(self.positions[index].quantity)
    }

    /// Refuses an account that liquidators may still take over from, or that has something of its own left.
    pub fn require_deleverageable(&self, directory: &impl Directory, terms: &GroupTerms, now: i64) -> Result<()> {
        self.require_nothing_left(directory)?;
        let had_time = now.saturating_sub(self.flagged_at) >= i64::from(terms.liquidation_ramp_secs);
        require!(had_time, MargraveError::NoticeRunning);
        Ok(())
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
        require!(candidate.rank > 0, MargraveError::NotACandidate);
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
