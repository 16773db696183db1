use super::{same_key, word};
use crate::{constants::*, error::*};
use anchor_lang::prelude::*;
use margrave_risk::{CELLS, CompressedArray, Mode as RiskMode, Quantity, Usd, Valuation};

/// One portfolio: collateral, positions, and the risk they were last seen to carry.
#[account(zero_copy)]
#[repr(C)]
pub struct MarginAccount {
    pub version: u8,
    pub bump: u8,
    /// [`Status`] as a number.
    pub status: u8,
    /// [`Mode`] as a number.
    pub mode: u8,
    /// Part of the address: an owner may have several accounts.
    pub number: u16,
    pub padding: [u8; 2],
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
    /// Sorted by risk slot and instrument; the empty ones are last.
    pub positions: [PositionSlot; MAX_POSITIONS],
    pub risk: [RiskSlot; MAX_UNDERLYINGS],
    pub delegates: [Delegate; MAX_DELEGATES],
    /// Unix seconds: when the account was opened or last went into liquidation. Part of every quote, so that none outlives
    /// either.
    pub quotes_since: i64,
    /// Quotes signed with a lower nonce are cancelled.
    pub quote_floor: u64,
    /// What is known of a quote is in the slot that its nonce falls to.
    pub quotes: [QuoteSlot; MAX_QUOTES],
    /// When the liquidation that goes on began, and when the account became bankrupt in it; zero: none does.
    pub flagged_at: i64,
    /// What a liquidator's bracket that is open has taken out: see [`Bracket`].
    pub bracket: Bracket,
    /// When a step of it was last taken, or maintenance margin last seen breached.
    pub stepped_at: i64,
    /// Zero.
    pub reserved: [u8; 56],
}

/// A balance in one bank. All zeros: empty.
#[zero_copy]
#[repr(C)]
pub struct CollateralSlot {
    pub bank: Pubkey,
    /// Deposit shares; negative: borrow shares. Zero: the slot is empty.
    pub shares: i64,
    /// One more than the index of the risk slot this collateral is part of; zero for the quote token.
    pub risk_slot: u8,
    /// One while the bank counts the account among its bankrupt ones.
    pub bankrupt: u8,
    pub padding: [u8; 6],
}

/// A position in one instrument. All zeros: empty.
#[zero_copy]
#[repr(C)]
pub struct PositionSlot {
    /// [`InstrumentKind`] as a number; zero: empty.
    pub kind: u8,
    /// Index of the risk slot of its underlying.
    pub risk_slot: u8,
    /// Index of the strike on the underlying. Zero for what has none.
    pub strike: u16,
    /// Index of the expiry on the underlying. Zero for a perp.
    pub expiry: u8,
    pub padding: [u8; 3],
    /// Smallest units of the base asset: long positive, short negative.
    pub quantity: i64,
    /// What the position has received less what it has paid, micro-dollars, since it was opened or last settled. Zero for
    /// options, whose premium is paid at once.
    pub quote: i64,
    /// The perp's funding index up to which funding is charged, I80F48.
    pub funding_index: [u8; 16],
}

/// An underlying the account has risk in, what it is owed there, and its risk array when it was last valued. All zeros:
/// empty.
#[zero_copy]
#[repr(C)]
pub struct RiskSlot {
    pub underlying: Pubkey,
    /// Realised profit not yet drawn from the pool, or loss not yet paid into it, micro-dollars.
    pub claim: i64,
    /// Fees that have been taken from the claim and not been reported to the pool yet, micro-dollars.
    pub fees: i64,
    /// The same for funding charged less funding credited.
    pub funding: i64,
    /// Price the array was computed at, 10^-10 dollars, and its publish time.
    pub price: i64,
    pub publish_time: i64,
    /// The sequence of the account at that moment.
    pub sequence: u64,
    /// Version of the risk terms it was computed with.
    pub terms_version: u32,
    /// Power of two of the mantissas, micro-dollars.
    pub exponent: u16,
    /// One per cell of the grid, profit positive.
    pub mantissas: [i16; CELLS],
    /// The worst cell.
    pub worst_cell: u8,
    /// One while the account has risk or a claim in the underlying.
    pub used: u8,
    /// One while the sheet counts the account among its bankrupt ones.
    pub bankrupt: u8,
    pub padding: u8,
    /// Profit here that was registered to bear its part of a loss, micro-dollars, and the round it was registered in or
    /// has nothing to do with.
    pub registered: i64,
    pub loss_round: u32,
    pub padding_2: [u8; 4],
}

/// A liquidator's bracket: collateral is taken out of the account and what it was sold for is paid in, in one transaction.
/// All zeros: none is open.
#[zero_copy]
#[repr(C)]
pub struct Bracket {
    /// Who opened it.
    pub liquidator: Pubkey,
    /// What was taken out, atoms.
    pub amount: u64,
    /// What is left of the shares in its slot, which are the account's until the bracket ends: it is then valued as it was.
    pub shares: i64,
    /// The collateral slot.
    pub slot: u8,
    /// One while it is open: no other instruction touches the account.
    pub open: u8,
    pub padding: [u8; 22],
}

/// A key that may trade for the owner, and do nothing else, until a time.
#[zero_copy]
#[repr(C)]
pub struct Delegate {
    pub key: Pubkey,
    /// Unix seconds; the delegate may not act after it.
    pub expires_at: i64,
}

/// What is known of a signed quote.
#[zero_copy]
#[repr(C)]
pub struct QuoteSlot {
    pub nonce: u64,
    /// Units filled; `u64::MAX` for a cancelled quote.
    pub filled: u64,
    /// When the quote is void by itself and the slot free again.
    pub expires_at: i64,
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
    /// In liquidation, and its equity is negative: somebody else will bear the rest.
    Bankrupt = 3,
}

/// How much of the portfolio offsets the rest: [`RiskMode`] as it is stored.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[borsh(use_discriminant = false)]
#[repr(u8)]
pub enum Mode {
    Portfolio = 0,
    Cross = 1,
    Isolated = 2,
}

/// What a position is in.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[borsh(use_discriminant = false)]
#[repr(u8)]
pub enum InstrumentKind {
    Perp = 1,
    Future = 2,
    Call = 3,
    Put = 4,
}

/// One instrument of an underlying. `series` tells an expiry from an earlier one in the same slot.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument {
    pub kind: InstrumentKind,
    /// Index of the expiry; zero for a perp.
    pub expiry: u8,
    /// Index of the strike; zero for what has none.
    pub strike: u16,
    /// The expiry's series; zero for a perp.
    pub series: u32,
}

impl Instrument {
    pub const PERP: Self = Self { kind: InstrumentKind::Perp, expiry: 0, strike: 0, series: 0 };
}

impl InstrumentKind {
    pub const fn is_option(self) -> bool {
        matches!(self, Self::Call | Self::Put)
    }

    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Perp, Self::Future, Self::Call, Self::Put].into_iter().find(|kind| *kind as u8 == code)
    }
}

impl CollateralSlot {
    pub fn is_empty(&self) -> bool {
        self.shares == 0 && self.bankrupt == 0
    }

    /// The index of the risk slot of a token that is not the quote token.
    pub fn risk_slot(&self) -> Result<usize> {
        usize::from(self.risk_slot).checked_sub(1).ok_or_else(|| error!(MargraveError::InvariantViolated))
    }
}

impl PositionSlot {
    pub fn is_empty(&self) -> bool {
        self.kind == 0
    }

    pub fn kind(&self) -> Result<InstrumentKind> {
        InstrumentKind::from_code(self.kind).ok_or_else(|| error!(MargraveError::InvariantViolated))
    }

    pub fn quantity(&self) -> Quantity {
        Quantity::new(self.quantity)
    }

    pub fn quote(&self) -> Result<Usd> {
        Usd::new(self.quote).or_refuse()
    }

    /// Positions stand in this order: by risk slot, the perp first, then by expiry, the future first, then by strike. What has no
    /// expiry or strike counts as the first one: its kind is before the others'.
    fn order(risk_slot: u8, kind: u8, expiry: u8, strike: u16) -> u64 {
        let dated = kind != InstrumentKind::Perp as u8;
        let option = dated && kind != InstrumentKind::Future as u8;
        u64::from(risk_slot) << 40
            | (u64::from(expiry) * u64::from(dated)) << 32
            | (u64::from(strike) * u64::from(option)) << 16
            | u64::from(kind)
    }

    fn rank(&self) -> u64 {
        if self.is_empty() { u64::MAX } else { self.order_held() }
    }

    /// The order of a position that is held, whose expiry and strike are zero where it has none: its first word, with the risk slot
    /// moved to the front.
    fn order_held(&self) -> u64 {
        let word = word(&bytemuck::bytes_of(self)[..8]);
        (word >> 8 & 0xff) << 40 | word & 0xff_ffff_00ff
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

    /// Adds to what the account is owed here.
    pub fn add_claim(&mut self, micros: i64) -> Result<()> {
        self.claim = self.claim.checked_add(micros).ok_or(MargraveError::ValueOutOfRange)?;
        Ok(())
    }

    /// Takes a fee from the claim.
    pub fn charge_fee(&mut self, micros: i64) -> Result<()> {
        self.fees = self.fees.checked_add(micros).ok_or(MargraveError::ValueOutOfRange)?;
        self.add_claim(-micros)
    }

    /// Takes funding from the claim; negative: adds it.
    pub fn charge_funding(&mut self, micros: i64) -> Result<()> {
        self.funding = self.funding.checked_add(micros).ok_or(MargraveError::ValueOutOfRange)?;
        self.add_claim(-micros)
    }
}

impl MarginAccount {
    pub fn mode(&self) -> Result<RiskMode> {
        match self.mode {
            0 => Ok(RiskMode::Portfolio),
            1 => Ok(RiskMode::Cross),
            2 => Ok(RiskMode::Isolated),
            _ => err!(MargraveError::InvariantViolated),
        }
    }

    /// Whether `key` may trade for this account now: its owner, or a delegate whose time has not run out.
    pub fn may_trade(&self, key: &Pubkey, now: i64) -> bool {
        let delegated = |delegate: &Delegate| delegate.key == *key && now <= delegate.expires_at;
        self.owner == *key || (*key != Pubkey::default() && self.delegates.iter().any(delegated))
    }

    /// The slot of a balance in `bank`, or `None`.
    pub fn collateral_in(&self, bank: &Pubkey) -> Option<&CollateralSlot> {
        self.collateral.iter().find(|slot| !slot.is_empty() && same_key(&slot.bank, bank))
    }

    /// The balance in `bank`, in shares.
    pub fn shares_in(&self, bank: &Pubkey) -> i64 {
        self.collateral_in(bank).map_or(0, |slot| slot.shares)
    }

    /// Sets the balance in `bank`; `underlying` is the bank's.
    pub fn set_shares(&mut self, bank: Pubkey, underlying: Pubkey, shares: i64) -> Result<()> {
        let index = match self.collateral.iter().position(|slot| !slot.is_empty() && same_key(&slot.bank, &bank)) {
            Some(index) => index,
            None if shares == 0 => return Ok(()),
            None => {
                let risk_slot = match underlying == Pubkey::default() {
                    true => 0,
                    false => self.open_risk(underlying)? + 1,
                };
                // One place is the quote token's, so that what the account owes can be paid in (I-25).
                let tokens = self.collateral.iter().filter(|slot| !slot.is_empty() && slot.risk_slot != 0).count();
                let has_place = risk_slot == 0 || tokens < MAX_COLLATERALS - 1;
                require!(has_place, MargraveError::CollateralLimitExceeded);
                let free = self.collateral.iter().position(CollateralSlot::is_empty);
                let index = free.ok_or(MargraveError::InvariantViolated)?;
                self.collateral[index] = CollateralSlot { bank, risk_slot, ..bytemuck::Zeroable::zeroed() };
                index
            }
        };
        self.collateral[index].shares = shares;
        Ok(())
    }

    /// The index of the risk slot of `underlying`, or `None`.
    pub fn risk_in(&self, underlying: &Pubkey) -> Option<usize> {
        self.risk.iter().position(|slot| !slot.is_empty() && same_key(&slot.underlying, underlying))
    }

    /// The index of the position in an instrument, or `None`.
    pub fn position_in(&self, underlying: &Pubkey, instrument: &Instrument) -> Option<usize> {
        let risk_slot = u8::try_from(self.risk_in(underlying)?).ok()?;
        self.find(risk_slot, instrument).ok()
    }

    /// Where the instrument's position is, or where it belongs.
    fn find(&self, risk_slot: u8, instrument: &Instrument) -> core::result::Result<usize, usize> {
        let rank = PositionSlot::order(risk_slot, instrument.kind as u8, instrument.expiry, instrument.strike);
        self.positions.binary_search_by_key(&rank, PositionSlot::rank)
    }

    /// The index of the position in an instrument, opened when there is none.
    pub fn open_position(
        &mut self,
        underlying: Pubkey,
        instrument: &Instrument,
        funding_index: [u8; 16],
    ) -> Result<usize> {
        let risk_slot = self.open_risk(underlying)?;
        let index = match self.find(risk_slot, instrument) {
            Ok(index) => return Ok(index),
            Err(index) => index,
        };
        require!(self.positions[MAX_POSITIONS - 1].is_empty(), MargraveError::PositionLimitExceeded);
        self.positions.copy_within(index..MAX_POSITIONS - 1, index + 1);
        self.positions[index] = PositionSlot {
            kind: instrument.kind as u8,
            risk_slot,
            strike: instrument.strike,
            expiry: instrument.expiry,
            funding_index,
            ..bytemuck::Zeroable::zeroed()
        };
        Ok(index)
    }

    /// The index of the risk slot of `underlying`, taken when there is none.
    pub fn open_risk(&mut self, underlying: Pubkey) -> Result<u8> {
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

    /// Ends a change: closed positions become claims, and slots that hold nothing any more are emptied.
    // The rest is gone through from where the first closed one was.
    #[allow(clippy::mut_range_bound)]
    pub fn compact(&mut self) -> Result<()> {
        for slot in self.collateral.iter_mut().filter(|slot| slot.is_empty()) {
            *slot = bytemuck::Zeroable::zeroed();
        }
        let mut used = 0;
        // Nearly always none is closed.
        let mut kept = 0;
        for slot in self.positions.iter().take_while(|slot| slot.quantity != 0) {
            used |= bit(slot.risk_slot);
            kept += 1;
        }
        for index in kept..MAX_POSITIONS {
            let slot = &self.positions[index];
            if slot.is_empty() {
                break;
            }
            let risk_slot = usize::from(slot.risk_slot);
            if slot.quantity == 0 {
                self.risk[risk_slot].add_claim(slot.quote)?;
                self.positions[index] = bytemuck::Zeroable::zeroed();
                continue;
            }
            used |= bit(slot.risk_slot);
            if kept != index {
                self.positions.copy_within(index..=index, kept);
                self.positions[index] = bytemuck::Zeroable::zeroed();
            }
            kept += 1;
        }
        for slot in self.collateral.iter().filter(|slot| slot.risk_slot != 0) {
            used |= bit(slot.risk_slot - 1);
        }
        for (slot, index) in self.risk.iter_mut().zip(0..).filter(|(slot, _)| !slot.is_empty()) {
            let owes_nothing = slot.claim == 0 && slot.fees == 0 && slot.funding == 0;
            if used & bit(index) == 0 && owes_nothing && slot.registered == 0 && slot.bankrupt == 0 {
                *slot = bytemuck::Zeroable::zeroed();
            }
        }
        Ok(())
    }

    /// Whether nothing can be lost any more: no open position, no unpaid loss, none that is to be borne, no borrowed token.
    pub fn is_flat(&self) -> bool {
        self.positions[0].is_empty()
            && self.risk.iter().all(|slot| slot.claim >= slot.registered)
            && self.collateral.iter().all(|slot| slot.shares >= 0)
    }

    /// Whether there is nothing in it at all.
    pub fn is_empty(&self) -> bool {
        self.positions[0].is_empty()
            && self.risk.iter().all(RiskSlot::is_empty)
            && self.collateral.iter().all(CollateralSlot::is_empty)
    }

    /// Stores a valuation of the account as it is now, and the status that follows from it.
    pub fn record(&mut self, valuation: &Valuation, now: i64) {
        self.set_status(self.status_after(valuation), now);
        self.equity = valuation.equity.micros();
        self.initial_margin = valuation.initial_margin.micros();
        self.liquidation_end = valuation.liquidation_end.micros();
        self.maintenance_margin = valuation.maintenance_margin.micros();
        self.valued_sequence = self.sequence;
        self.valued_at = now;
    }

    /// Begins a liquidation, or goes on with one of the last minutes: its fee grows from when it began (I-24). The account's
    /// quotes are void from here on.
    pub fn begin_liquidation(&mut self, equity: Usd, now: i64) {
        if !self.liquidation_goes_on(now) {
            self.status = Status::MarginCall as u8;
        }
        self.stepped_at = now;
        self.set_status(if equity.is_negative() { Status::Bankrupt } else { Status::InLiquidation }, now);
    }

    fn set_status(&mut self, status: Status, now: i64) {
        let liquidating = |status: u8| status >= Status::InLiquidation as u8;
        if !liquidating(status as u8) {
            self.flagged_at = 0;
        } else if self.status != status as u8 {
            // A bankrupt account's fee begins anew, from nothing.
            self.flagged_at = now;
            if !liquidating(self.status) {
                self.quotes_since = now.max(self.quotes_since.saturating_add(1));
            }
        }
        self.status = status as u8;
    }

    /// Whether a liquidation has begun and was not left alone since: looking at the account is no step (I-22).
    fn liquidation_goes_on(&self, now: i64) -> bool {
        self.status >= Status::InLiquidation as u8 && now.saturating_sub(self.stepped_at) <= LIQUIDATION_CONTINUES_SECS
    }

    /// A liquidation once begun goes on until its end level, so that an account does not hover at the edge.
    fn status_after(&self, valuation: &Valuation) -> Status {
        if !valuation.initial_health().is_negative() {
            Status::Healthy
        } else if self.status >= Status::InLiquidation as u8 && valuation.liquidation_end_health().is_negative() {
            if valuation.equity.is_negative() { Status::Bankrupt } else { Status::InLiquidation }
        } else {
            Status::MarginCall
        }
    }

    /// I-22: below maintenance margin, or in a liquidation of the last minutes that has not reached its end.
    pub fn is_liquidatable(&self, valuation: &Valuation, now: i64) -> bool {
        let goes_on = self.liquidation_goes_on(now);
        valuation.maintenance_health().is_negative() || (goes_on && valuation.liquidation_end_health().is_negative())
    }

    /// What every instruction that writes a margin account leaves behind. Slots point at live slots; positions are sorted
    /// and without gaps; empty ones are zero.
    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION && self.mode <= 2, MargraveError::InvariantViolated);
        require!(self.bracket.open == 0, MargraveError::BracketOpen);
        let live = self.risk.iter().enumerate().fold(0, |live, (index, slot)| live | u64::from(slot.used) << index);
        for slot in self.collateral.iter().filter(|slot| slot.risk_slot != 0) {
            let is_place = usize::from(slot.risk_slot) <= MAX_UNDERLYINGS;
            require!(is_place && live & bit(slot.risk_slot - 1) != 0, MargraveError::InvariantViolated);
        }
        let mut before = 0;
        for slot in self.positions.iter().take_while(|slot| !slot.is_empty()) {
            let rank = slot.order_held();
            let in_order = rank > before && slot.quantity != 0 && live & bit(slot.risk_slot) != 0;
            require!(in_order, MargraveError::InvariantViolated);
            before = rank;
        }
        // The last position has the highest risk slot.
        require!(before < (MAX_UNDERLYINGS as u64) << 40, MargraveError::InvariantViolated);
        Ok(())
    }
}

/// The bit of a risk slot.
fn bit(risk_slot: u8) -> u64 {
    1u64.wrapping_shl(risk_slot.into())
}

const _: () = {
    assert!(size_of::<CollateralSlot>() == 48);
    assert!(size_of::<PositionSlot>() == 40);
    assert!(size_of::<RiskSlot>() == 168);
    assert!(size_of::<Bracket>() == 72);
    assert!(size_of::<Delegate>() == 40);
    assert!(size_of::<QuoteSlot>() == 24);
    assert!(
        size_of::<MarginAccount>()
            == 8 + 64
                + 8 * 7
                + 48 * MAX_COLLATERALS
                + 40 * MAX_POSITIONS
                + 168 * MAX_UNDERLYINGS
                + 40 * MAX_DELEGATES
                + 16
                + 24 * MAX_QUOTES
                + 8
                + 72
                + 8
                + 56
    );
};
