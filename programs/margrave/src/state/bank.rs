use super::Group;
use crate::{constants::*, error::*};
use anchor_lang::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use fixed::types::I80F48;
use margrave_risk::{Haircuts, Ratio, growth_down};

/// One collateral token. A balance is a number of shares of its bank: a deposit share owns `deposit_index` atoms, a borrow
/// share owes `borrow_index` atoms.
#[account(zero_copy)]
#[repr(C)]
pub struct Bank {
    pub version: u8,
    pub bump: u8,
    pub vault_bump: u8,
    /// Decimals of the mint.
    pub decimals: u8,
    pub index: u16,
    pub padding: [u8; 2],
    pub group: Pubkey,
    pub mint: Pubkey,
    /// The token account that holds every deposit. Its authority is this bank and nothing else.
    pub vault: Pubkey,
    /// The underlying whose price values this token and whose risk array it enters; all zeros for the quote token, which
    /// counts at par.
    pub underlying: Pubkey,
    /// Atoms per deposit share, I80F48. Starts at one and does not fall but in an explicit loss event.
    pub deposit_index: [u8; 16],
    /// Atoms owed per borrow share, I80F48. Starts at one and never falls.
    pub borrow_index: [u8; 16],
    /// Sum of all accounts' deposit shares (I-06).
    pub deposit_shares: u64,
    /// Sum of all accounts' borrow shares.
    pub borrow_shares: u64,
    /// Fees and insurance held in the vault, in atoms.
    pub fees: u64,
    pub insurance: u64,
    /// What the PnL pools of all underlyings hold in the vault, in atoms. The quote bank's only.
    pub pools: u64,
    /// When interest was last added, unix seconds, and the rate since then, 2^-30 a year.
    pub accrued_at: i64,
    pub borrow_rate: i64,
    /// What outflow is counted at, 10^-10 dollars a whole token: the underlying's price when interest was last added.
    pub reference_price: i64,
    pub outflow: OutflowWindow,
    pub terms: BankTerms,
    /// Zero.
    pub reserved: [u8; 256],
}

/// What governs a bank. Amounts in atoms, ratios in millionths, rates a year.
#[zero_copy]
#[repr(C)]
#[derive(BorshSerialize, BorshDeserialize, Debug, Default, PartialEq, Eq)]
pub struct BankTerms {
    /// Most that the bank takes as deposits.
    pub deposit_cap: u64,
    /// Most that it lends.
    pub borrow_cap: u64,
    /// Most that may leave it on balance in a day.
    pub outflow_cap: u64,
    /// Deposits beyond which the weight of the token shrinks where risk is added; zero: never.
    pub weight_scale_start: u64,
    /// Fees go to insurance until it holds so much.
    pub insurance_target: u64,
    /// Discount on the value of a deposit as margin.
    pub haircut_maintenance_ppm: u32,
    /// The same where risk is added; at least the maintenance haircut.
    pub haircut_initial_ppm: u32,
    /// Surcharge on the value of a debt.
    pub liability_maintenance_ppm: u32,
    /// The same where risk is added; at least the maintenance surcharge.
    pub liability_initial_ppm: u32,
    /// Interest at no utilisation, at the optimal one, and at full utilisation; straight in between.
    pub rate_base_ppm: u32,
    pub rate_optimal_ppm: u32,
    pub rate_max_ppm: u32,
    pub utilisation_optimal_ppm: u32,
    /// The part of interest that is a fee.
    pub interest_fee_ppm: u32,
    pub padding: u32,
}

/// What has left on balance lately. It refills steadily, all of it in a day (I-31).
#[zero_copy]
#[repr(C)]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OutflowWindow {
    pub used: u64,
    pub updated_at: i64,
}

/// The outflow of all banks of a group, in micro-dollars at their reference prices. An account of its own, so that money
/// moving does not stand in the way of trades, which read the group.
#[account(zero_copy)]
#[repr(C)]
pub struct OutflowLimit {
    pub version: u8,
    pub bump: u8,
    pub padding: [u8; 6],
    pub group: Pubkey,
    pub window: OutflowWindow,
    /// Zero.
    pub reserved: [u8; 32],
}

impl OutflowWindow {
    fn refilled(&self, cap: u64, now: i64) -> u64 {
        let elapsed = now.saturating_sub(self.updated_at).clamp(0, OUTFLOW_WINDOW_SECS);
        let refill =
            u128::from(cap) * u128::from(elapsed.unsigned_abs()) / u128::from(OUTFLOW_WINDOW_SECS.unsigned_abs());
        self.used.saturating_sub(u64::try_from(refill).unwrap_or(u64::MAX))
    }

    /// Counts `amount` going out, or refuses it.
    pub fn take(&mut self, amount: u64, cap: u64, now: i64) -> Result<()> {
        let used = self.refilled(cap, now).checked_add(amount).filter(|used| *used <= cap);
        self.used = used.ok_or(MargraveError::OutflowLimitExceeded)?;
        self.updated_at = now.max(self.updated_at);
        Ok(())
    }

    /// Counts `amount` coming in. What comes in when nothing has gone out earns no right to take out more.
    pub fn give(&mut self, amount: u64, cap: u64, now: i64) {
        self.used = self.refilled(cap, now).saturating_sub(amount);
        self.updated_at = now.max(self.updated_at);
    }
}

/// What a debit has to know besides the amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lending {
    /// The balance must cover it.
    Refused,
    /// The rest becomes a loan.
    Allowed,
}

const ONE: u128 = 1 << I80F48::FRAC_NBITS;

impl Bank {
    pub const INDEX_ONE: [u8; 16] = I80F48::ONE.to_le_bytes();

    /// Whether this is the quote token's bank.
    pub fn is_quote(&self) -> bool {
        self.underlying == Pubkey::default()
    }

    /// What a deposit counts less than its value. `asked_ppm` is the most that margin asks for the token itself: the weight
    /// does not shrink below it, or a deposit would lower health (I-12).
    pub fn haircuts(&self, asked_ppm: u64) -> Result<Haircuts> {
        let terms = &self.terms;
        let mut initial = terms.haircut_initial_ppm;
        if terms.weight_scale_start != 0 {
            let deposits = self.claims_up()?;
            if deposits > terms.weight_scale_start {
                let weight = u128::from(PPM.saturating_sub(initial)) * u128::from(terms.weight_scale_start);
                let weight = (weight / u128::from(deposits)).max(u128::from(asked_ppm));
                initial = initial.max(PPM.saturating_sub(u32::try_from(weight).unwrap_or(PPM)));
            }
        }
        Ok(Haircuts {
            maintenance: Ratio::from_ppm_up(terms.haircut_maintenance_ppm).or_refuse()?,
            initial: Ratio::from_ppm_up(initial).or_refuse()?,
        })
    }

    /// What a debt counts more than its value.
    pub fn surcharges(&self) -> Result<Haircuts> {
        Ok(Haircuts {
            maintenance: Ratio::from_ppm_up(self.terms.liability_maintenance_ppm).or_refuse()?,
            initial: Ratio::from_ppm_up(self.terms.liability_initial_ppm).or_refuse()?,
        })
    }

    /// An index in 2^-48 atoms per share: at least one, so a share is never worth less than an atom put in.
    fn bits(index: [u8; 16]) -> Result<u128> {
        u128::try_from(I80F48::from_le_bytes(index).to_bits()).map_err(|_| error!(MargraveError::InvariantViolated))
    }

    fn index(bits: u128) -> Result<[u8; 16]> {
        let bits = i128::try_from(bits).map_err(|_| error!(MargraveError::ValueOutOfRange))?;
        Ok(I80F48::from_bits(bits).to_le_bytes())
    }

    fn deposit_bits(&self) -> Result<u128> {
        Self::bits(self.deposit_index)
    }

    fn borrow_bits(&self) -> Result<u128> {
        Self::bits(self.borrow_index)
    }

    /// What `shares` own, in atoms, rounded down.
    pub fn atoms_down(&self, shares: u64) -> Result<u64> {
        product_down(shares, self.deposit_bits()?)
    }

    /// The deposit shares that `atoms` are worth, rounded up.
    pub fn deposit_shares_up(&self, atoms: u64) -> Result<u64> {
        quotient_up(atoms, self.deposit_bits()?)
    }

    /// What all deposits are owed, in atoms, rounded up.
    pub fn claims_up(&self) -> Result<u64> {
        product_up(self.deposit_shares, self.deposit_bits()?)
    }

    /// What all borrowers owe, in atoms, rounded down.
    pub fn debts_down(&self) -> Result<u64> {
        product_down(self.borrow_shares, self.borrow_bits()?)
    }

    /// What `shares` owe at unix time `now`, in atoms, rounded up: interest that nobody has added yet counts.
    pub fn debt_up_at(&self, shares: u64, now: i64) -> Result<u64> {
        product_up(shares, self.grown_borrow_bits(now)?)
    }

    fn grown_borrow_bits(&self, now: i64) -> Result<u128> {
        let elapsed = now.saturating_sub(self.accrued_at).clamp(0, MAX_INTEREST_SECS);
        let bits = self.borrow_bits()?;
        if elapsed == 0 || self.borrow_rate == 0 {
            return Ok(bits);
        }
        let growth = growth_down(self.borrow_rate, elapsed).or_refuse()?;
        let product = bits.checked_mul(u128::from(growth)).ok_or(MargraveError::ValueOutOfRange)?;
        Ok(product >> I80F48::FRAC_NBITS)
    }

    /// Adds the interest since the last time. The rate holds until a balance changes, so how often this is called changes
    /// nothing but the rounding (I-35). Depositors get what borrowers owe more, less the fee, rounded down (I-01).
    pub fn accrue(&mut self, now: i64) -> Result<()> {
        if now <= self.accrued_at {
            return Ok(());
        }
        let before = self.debts_down()?;
        self.borrow_index = Self::index(self.grown_borrow_bits(now)?)?;
        self.accrued_at = now;
        let interest = self.debts_down()? - before;
        let fee = u128::from(interest) * u128::from(self.terms.interest_fee_ppm) / u128::from(PPM);
        let fee = u64::try_from(fee).map_err(|_| error!(MargraveError::ValueOutOfRange))?;
        if self.deposit_shares > 0 {
            let each = (u128::from(interest - fee) << I80F48::FRAC_NBITS) / u128::from(self.deposit_shares);
            self.deposit_index = Self::index(self.deposit_bits()? + each)?;
        }
        self.take_fee(fee)
    }

    /// Adds to insurance up to its target, and the rest to fees.
    pub fn take_fee(&mut self, atoms: u64) -> Result<()> {
        let insured = atoms.min(self.terms.insurance_target.saturating_sub(self.insurance));
        self.insurance += insured;
        self.fees = self.fees.checked_add(atoms - insured).ok_or(MargraveError::ValueOutOfRange)?;
        Ok(())
    }

    /// Sets the rate that holds from now on. Called after every change of a balance.
    pub fn update_rate(&mut self) -> Result<()> {
        let (debts, claims) = (u128::from(self.debts_down()?), u128::from(self.claims_up()?));
        let ppm = u128::from(PPM);
        let utilisation = if debts == 0 { 0 } else { (debts * ppm / claims.max(1)).min(ppm) };
        let t = &self.terms;
        let (base, at_optimal, most) =
            (u128::from(t.rate_base_ppm), u128::from(t.rate_optimal_ppm), u128::from(t.rate_max_ppm));
        let optimal = u128::from(t.utilisation_optimal_ppm);
        let rate = if utilisation <= optimal {
            base + (at_optimal - base) * utilisation / optimal.max(1)
        } else {
            at_optimal + (most - at_optimal) * (utilisation - optimal) / (ppm - optimal).max(1)
        };
        let rate = u32::try_from(rate).map_err(|_| error!(MargraveError::ValueOutOfRange))?;
        self.borrow_rate = Ratio::from_ppm_up(rate).or_refuse()?.bits();
        Ok(())
    }

    /// Adds `atoms` to a balance of `shares` and returns the balance: a debt is repaid first. Interest must be up to date.
    /// Rounds against the balance.
    pub fn credit(&mut self, shares: i64, atoms: u64) -> Result<i64> {
        let owed = shares.min(0).unsigned_abs();
        let debt = product_up(owed, self.borrow_bits()?)?;
        if owed > 0 && atoms < debt {
            let repaid = quotient_down(atoms, self.borrow_bits()?)?;
            self.borrow_shares = self.borrow_shares.checked_sub(repaid).ok_or(MargraveError::InvariantViolated)?;
            self.update_rate()?;
            return signed(owed - repaid).map(|left| -left);
        }
        let minted = quotient_down(atoms - debt, self.deposit_bits()?)?;
        self.borrow_shares = self.borrow_shares.checked_sub(owed).ok_or(MargraveError::InvariantViolated)?;
        self.deposit_shares = self.deposit_shares.checked_add(minted).ok_or(MargraveError::ValueOutOfRange)?;
        self.update_rate()?;
        signed(minted)?.checked_add(shares.max(0)).ok_or_else(|| error!(MargraveError::ValueOutOfRange))
    }

    /// Takes `atoms` from a balance of `shares` and returns the balance. What the deposit does not cover becomes a loan if
    /// that is allowed. Interest must be up to date. Rounds against the balance.
    pub fn debit(&mut self, shares: i64, atoms: u64, lending: Lending) -> Result<i64> {
        let held = shares.max(0).unsigned_abs();
        let burned = quotient_up(atoms, self.deposit_bits()?)?;
        if burned <= held {
            self.deposit_shares = self.deposit_shares.checked_sub(burned).ok_or(MargraveError::InvariantViolated)?;
            self.update_rate()?;
            return if shares < 0 && atoms == 0 { Ok(shares) } else { signed(held - burned) };
        }
        require!(lending == Lending::Allowed, MargraveError::BalanceExceeded);
        let rest = atoms - self.atoms_down(held)?;
        let lent = quotient_up(rest, self.borrow_bits()?)?;
        self.deposit_shares = self.deposit_shares.checked_sub(held).ok_or(MargraveError::InvariantViolated)?;
        self.borrow_shares = self.borrow_shares.checked_add(lent).ok_or(MargraveError::ValueOutOfRange)?;
        require!(self.debts_down()? <= self.terms.borrow_cap, MargraveError::BorrowCapExceeded);
        self.update_rate()?;
        shares.min(0).checked_sub(signed(lent)?).ok_or_else(|| error!(MargraveError::ValueOutOfRange))
    }

    pub fn require_deposits_below_cap(&self) -> Result<()> {
        require!(self.claims_up()? <= self.terms.deposit_cap, MargraveError::DepositCapExceeded);
        Ok(())
    }

    /// The atoms that are nobody's deposit: never lent.
    pub fn reserves(&self) -> Result<u64> {
        let sum = self.fees.checked_add(self.insurance).and_then(|sum| sum.checked_add(self.pools));
        sum.ok_or_else(|| error!(MargraveError::ValueOutOfRange))
    }

    /// I-01: what the vault holds and what borrowers owe cover what the bank owes. Tokens sent to the vault by a stranger are
    /// surplus and credit nobody.
    pub fn require_solvent(&self, vault_atoms: u64) -> Result<()> {
        let owed = u128::from(self.claims_up()?) + u128::from(self.reserves()?);
        let covered = u128::from(vault_atoms) + u128::from(self.debts_down()?);
        require!(covered >= owed, MargraveError::InvariantViolated);
        Ok(())
    }

    /// `atoms` at the reference price, micro-dollars, rounded up; the quote token at par. Zero before a first price.
    pub fn reference_value_up(&self, atoms: u64) -> u64 {
        if self.is_quote() {
            return atoms;
        }
        let price = u128::from(self.reference_price.max(0).unsigned_abs());
        let value = (u128::from(atoms) * price).div_ceil(10u128.pow(4 + u32::from(self.decimals)));
        u64::try_from(value).unwrap_or(u64::MAX)
    }

    /// Counts `atoms` leaving, against the bank's limit and the group's (I-31).
    pub fn count_outflow(&mut self, limit: &mut OutflowLimit, group: &Group, atoms: u64, now: i64) -> Result<()> {
        self.outflow.take(atoms, self.terms.outflow_cap, now)?;
        limit.window.take(self.reference_value_up(atoms), group.terms.outflow_cap, now)
    }

    /// Counts `atoms` coming in, which make room for others to leave.
    pub fn count_inflow(&mut self, limit: &mut OutflowLimit, group: &Group, atoms: u64, now: i64) {
        self.outflow.give(atoms, self.terms.outflow_cap, now);
        limit.window.give(self.reference_value_up(atoms), group.terms.outflow_cap, now);
    }

    /// What every instruction that writes a bank leaves behind.
    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION, MargraveError::InvariantViolated);
        require!(self.deposit_bits()? >= ONE && self.borrow_bits()? >= ONE, MargraveError::InvariantViolated);
        require!(self.pools == 0 || self.is_quote(), MargraveError::InvariantViolated);
        self.terms.require_valid()
    }
}

impl BankTerms {
    pub fn require_valid(&self) -> Result<()> {
        require!(self.haircut_maintenance_ppm <= self.haircut_initial_ppm, MargraveError::ParameterOutOfBounds);
        require!(self.haircut_initial_ppm <= PPM, MargraveError::ParameterOutOfBounds);
        require!(self.liability_maintenance_ppm <= self.liability_initial_ppm, MargraveError::ParameterOutOfBounds);
        require!(self.liability_initial_ppm <= PPM, MargraveError::ParameterOutOfBounds);
        let rates = [self.rate_base_ppm, self.rate_optimal_ppm, self.rate_max_ppm];
        // At most 400 % a year, which the exponential of 45 days bounds at 1.64.
        require!(rates.is_sorted() && self.rate_max_ppm <= 4 * PPM, MargraveError::ParameterOutOfBounds);
        require!(self.utilisation_optimal_ppm <= PPM, MargraveError::ParameterOutOfBounds);
        require!(self.interest_fee_ppm <= PPM / 2, MargraveError::ParameterOutOfBounds);
        require!(self.padding == 0, MargraveError::ParameterOutOfBounds);
        Ok(())
    }
}

fn to_u64(value: u128) -> Result<u64> {
    u64::try_from(value).map_err(|_| error!(MargraveError::ValueOutOfRange))
}

fn signed(shares: u64) -> Result<i64> {
    i64::try_from(shares).map_err(|_| error!(MargraveError::ValueOutOfRange))
}

/// `shares x index`.
fn product_down(shares: u64, index: u128) -> Result<u64> {
    to_u64(product(shares, index)? >> I80F48::FRAC_NBITS)
}

fn product_up(shares: u64, index: u128) -> Result<u64> {
    let product = product(shares, index)?.checked_add(ONE - 1);
    to_u64(product.ok_or(MargraveError::ValueOutOfRange)? >> I80F48::FRAC_NBITS)
}

fn product(shares: u64, index: u128) -> Result<u128> {
    // Of two words, which every index below 65,536 is, the product needs no test.
    if let Ok(index) = u64::try_from(index) {
        return Ok(u128::from(shares) * u128::from(index));
    }
    u128::from(shares).checked_mul(index).ok_or_else(|| error!(MargraveError::ValueOutOfRange))
}

/// `atoms / index`.
fn quotient_down(atoms: u64, index: u128) -> Result<u64> {
    Ok(quotient(atoms, index)?.0)
}

fn quotient_up(atoms: u64, index: u128) -> Result<u64> {
    let (quotient, exact) = quotient(atoms, index)?;
    quotient.checked_add(u64::from(!exact)).ok_or_else(|| error!(MargraveError::ValueOutOfRange))
}

/// `atoms x 2^48 / index` rounded down, and whether that is exact. An index is at least one.
fn quotient(atoms: u64, index: u128) -> Result<(u64, bool)> {
    // A byte of the fraction at a time: a division of 128 bits costs hundreds of compute units.
    if let Ok(index) = u64::try_from(index)
        && index >> 56 == 0
    {
        let (mut quotient, mut rest) = (atoms / index, atoms % index);
        for _ in 0..I80F48::FRAC_NBITS / 8 {
            rest <<= 8;
            (quotient, rest) = (quotient << 8 | rest / index, rest % index);
        }
        return Ok((quotient, rest == 0));
    }
    let wide = u128::from(atoms) << I80F48::FRAC_NBITS;
    Ok((to_u64(wide / index)?, wide % index == 0))
}

const _: () = {
    assert!(size_of::<OutflowWindow>() == 16);
    assert!(size_of::<OutflowLimit>() == 8 + 32 + 16 + 32);
    assert!(size_of::<BankTerms>() == 8 * 5 + 4 * 10);
    assert!(size_of::<Bank>() == 8 + 32 * 4 + 16 * 2 + 8 * 8 + 16 + 80 + 256);
};
