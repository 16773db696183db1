use super::{Group, MarginAccount};
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
    /// Accounts that are bankrupt and owe this bank, and until when nobody leaves it because of them: what they owe is depositors'
    /// loss.
    pub bankrupts: u32,
    pub padding_2: [u8; 4],
    pub gated_until: i64,
    /// The lowest reference price that any of what is out on balance was counted at.
    pub outflow_price: i64,
    /// Zero.
    pub reserved: [u8; 232],
}

/// What governs a bank. Amounts in atoms, ratios in millionths, rates a year.
#[zero_copy]
#[repr(C)]
#[derive(BorshSerialize, BorshDeserialize, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
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
    /// What a liquidator gains of the value of collateral bought or debt repaid, at most; and no more than the maintenance haircut or
    /// surcharge.
    pub liquidation_fee_ppm: u32,
}

/// What had left on balance at `updated_at`, and what has since. It refills steadily, all of it in a day (I-31).
#[zero_copy]
#[repr(C)]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OutflowWindow {
    /// Out less in; negative when more has come in.
    pub net: i64,
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
    /// What of `net` outflow has come back since `updated_at`. It is taken off at most once an hour, in whole seconds' worth, so that
    /// touching the window often does not stop it. What has come in on balance fades within a day, rounded against it.
    pub(crate) fn refill(&mut self, cap: u64, now: i64) -> i64 {
        let day = u128::from(OUTFLOW_WINDOW_SECS.unsigned_abs());
        let elapsed = now.saturating_sub(self.updated_at).max(0);
        let flow = u128::from(cap) * u128::from(elapsed.unsigned_abs());
        let limit = |back: u128| i64::try_from(back).unwrap_or(i64::MAX);
        if self.net <= 0 {
            let faded = u128::from(self.net.unsigned_abs()) * u128::from(elapsed.unsigned_abs());
            self.net = self.net.saturating_add(limit(faded.div_ceil(day))).min(0);
            self.updated_at = now.max(self.updated_at);
            return 0;
        }
        let back = limit(flow / day);
        if back >= self.net {
            (self.net, self.updated_at) = (0, now.max(self.updated_at));
            return 0;
        }
        if elapsed < 3_600 || back == 0 {
            return back;
        }
        let worth = (u128::from(back.unsigned_abs()) * day).div_ceil(u128::from(cap));
        self.net -= back;
        self.updated_at = self.updated_at.saturating_add(i64::try_from(worth).unwrap_or(elapsed));
        0
    }

    /// How much more may go out now.
    pub fn room(&self, cap: u64, now: i64) -> u64 {
        let mut after = *self;
        let back = after.refill(cap, now);
        let out = after.net.saturating_sub(back);
        i64::try_from(cap).unwrap_or(i64::MAX).saturating_sub(out).max(0).unsigned_abs()
    }

    /// Counts `amount` going out, or refuses it and changes nothing. Returns how much more is out on balance now.
    pub fn take(&mut self, amount: u64, cap: u64, now: i64) -> Result<u64> {
        self.take_from(amount, cap, now).map(|(_, more)| more)
    }

    /// The same, with what was out on balance before.
    fn take_from(&mut self, amount: u64, cap: u64, now: i64) -> Result<(i64, u64)> {
        let mut after = *self;
        let back = after.refill(cap, now);
        let before = after.net - back;
        let amount = i64::try_from(amount).unwrap_or(i64::MAX);
        let standing = before.checked_add(amount).filter(|net| *net <= i64::try_from(cap).unwrap_or(i64::MAX));
        let standing = standing.ok_or(MargraveError::OutflowLimitExceeded)?;
        after.net = after.net.saturating_add(amount);
        *self = after;
        Ok((before, (standing.max(0) - before.max(0)).unsigned_abs()))
    }

    /// Counts `amount` coming in: it may leave again, while its memory lasts, without taking room from others. Returns how much
    /// less is out on balance now.
    pub fn give(&mut self, amount: u64, cap: u64, now: i64) -> u64 {
        let back = self.refill(cap, now);
        let before = self.net - back;
        self.net = self.net.saturating_sub(i64::try_from(amount).unwrap_or(i64::MAX));
        (before.max(0) - (self.net - back).max(0)).unsigned_abs()
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
const LEAST_INDEX: u128 = ONE >> 16;

impl Bank {
    pub const INDEX_ONE: [u8; 16] = I80F48::ONE.to_le_bytes();

    /// Whether this is the quote token's bank.
    pub fn is_quote(&self) -> bool {
        self.underlying == Pubkey::default()
    }

    /// What a deposit counts less than its value. `asked_ppm` is the most that margin asks for the token itself: the
    /// weight does not shrink below it, or a deposit would lower health (I-12).
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
        // Rounded up, and two steps more than down are never less than exact: who touches the bank often saves no
        // interest.
        let growth = u128::from(growth_down(self.borrow_rate, elapsed).or_refuse()?) + 2;
        let product = bits.checked_mul(growth).and_then(|product| product.checked_add(ONE - 1));
        Ok(product.ok_or(MargraveError::ValueOutOfRange)? >> I80F48::FRAC_NBITS)
    }

    /// Adds the interest since the last time. The rate holds until a balance changes, so how often this is called
    /// changes nothing but the rounding (I-35). Depositors get what borrowers owe more, less the fee, rounded down
    /// (I-01).
    ///
    /// Depositors who leave may take tokens along that were set aside, and then borrowers owe more than depositors own.
    /// Interest on the difference is earned by what was set aside, so it is a fee. Otherwise the last share would get
    /// all of it, and become too dear for anybody to deposit (P-19).
    pub fn accrue(&mut self, now: i64) -> Result<()> {
        if now <= self.accrued_at {
            return Ok(());
        }
        let before = self.debts_down()?;
        self.borrow_index = Self::index(self.grown_borrow_bits(now)?)?;
        self.accrued_at = now;
        let interest = self.debts_down()? - before;
        let fee = u128::from(interest) * u128::from(self.terms.interest_fee_ppm) / u128::from(PPM);
        let mut earned = interest - to_u64(fee)?;
        let claims = self.claims_up()?;
        if before > claims {
            earned = to_u64(u128::from(earned) * u128::from(claims) / u128::from(before))?;
        }
        if self.deposit_shares > 0 {
            let each = (u128::from(earned) << I80F48::FRAC_NBITS) / u128::from(self.deposit_shares);
            self.deposit_index = Self::index(self.deposit_bits()? + each)?;
        }
        self.take_fee(interest - earned)
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

    /// Adds `atoms` to a balance of `shares` and returns the balance: a debt is repaid first. Interest must be up to
    /// date. Rounds against the balance.
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

    /// Takes `atoms` from a balance of `shares` and returns the balance. What the deposit does not cover becomes a loan
    /// if that is allowed. Interest must be up to date. Rounds against the balance.
    pub fn debit(&mut self, shares: i64, atoms: u64, lending: Lending) -> Result<i64> {
        let held = shares.max(0).unsigned_abs();
        let bits = self.deposit_bits()?;
        let burned = quotient_up(atoms, bits)?;
        if burned <= held {
            // After a loss a share may be worth less than an atom: what is left below one goes along, or nobody could take it out.
            let burned = if product_down(held - burned, bits)? == 0 { held } else { burned };
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

    /// Takes `atoms` from all depositors in proportion to what they own, and returns what could be taken: a share keeps at least a
    /// thousandth of its worth.
    pub fn share_loss(&mut self, atoms: u64) -> Result<u64> {
        let bits = self.deposit_bits()?;
        let most = self.atoms_down(self.deposit_shares)?;
        let taken = atoms.min(most - most / 1_000);
        if taken == 0 {
            return Ok(0);
        }
        let each = (u128::from(taken) << I80F48::FRAC_NBITS).div_ceil(u128::from(self.deposit_shares));
        self.deposit_index = Self::index(bits.checked_sub(each).ok_or(MargraveError::InvariantViolated)?)?;
        self.update_rate()?;
        Ok(taken)
    }

    /// Moves `atoms` of one account's deposit to another account, whose debt it repays first. Interest must be up to date.
    pub fn transfer(
        &mut self,
        key: &Pubkey,
        from: &mut MarginAccount,
        to: &mut MarginAccount,
        atoms: u64,
    ) -> Result<()> {
        self.transfer_with(key, from, to, atoms, Lending::Refused)
    }

    /// The same, and what the deposit does not cover may become a loan.
    pub fn transfer_with(
        &mut self,
        key: &Pubkey,
        from: &mut MarginAccount,
        to: &mut MarginAccount,
        atoms: u64,
        lending: Lending,
    ) -> Result<()> {
        let (held, there) = (from.shares_in(key), to.shares_in(key));
        from.set_shares(*key, self.underlying, self.debit(held, atoms, lending)?)?;
        let after = self.credit(there, atoms)?;
        to.set_shares(*key, self.underlying, after)
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

    /// I-01: what the vault holds and what borrowers owe cover what the bank owes. Tokens sent to the vault by a
    /// stranger are surplus and credit nobody.
    pub fn require_solvent(&self, vault_atoms: u64) -> Result<()> {
        let owed = u128::from(self.claims_up()?) + u128::from(self.reserves()?);
        let covered = u128::from(vault_atoms) + u128::from(self.debts_down()?);
        require!(covered >= owed, MargraveError::InvariantViolated);
        Ok(())
    }

    /// `atoms` at a price in 10^-10 dollars, micro-dollars, rounded down and up; the quote token at par.
    fn values_at(&self, atoms: u64, price: i64) -> (u64, u64) {
        if self.is_quote() {
            return (atoms, atoms);
        }
        let price = u128::from(price.max(0).unsigned_abs());
        let (product, unit) = (u128::from(atoms) * price, 10u128.pow(4 + u32::from(self.decimals)));
        let bounded = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
        (bounded(product / unit), bounded(product.div_ceil(unit)))
    }

    /// `atoms` at a price in 10^-10 dollars, micro-dollars, rounded up; the quote token at par.
    pub fn value_at_price_up(&self, atoms: u64, price: Option<i64>) -> Result<u64> {
        let Some(price) = price else { return Ok(atoms) };
        let product = u128::from(atoms) * u128::from(price.max(0).unsigned_abs());
        to_u64(product.div_ceil(10u128.pow(4 + u32::from(self.decimals))))
    }

    /// Counts `atoms` leaving, against the bank's limit and the group's (I-31). The group counts what is out of each bank on
    /// balance: a token that comes in makes no room for another.
    pub fn count_outflow(&mut self, limit: &mut OutflowLimit, group: &Group, atoms: u64, now: i64) -> Result<()> {
        let cap = self.terms.outflow_cap;
        let (before, out) = self.outflow.take_from(atoms, cap, now)?;
        if before <= 0 || self.reference_price < self.outflow_price {
            self.outflow_price = self.reference_price;
        }
        limit.window.take(self.values_at(out, self.reference_price).1, group.terms.outflow_cap, now).map(drop)
    }

    /// Counts `atoms` coming in: at a price no higher than they were counted at when they left, so that a token that has risen, or whose
    /// price somebody makes, leaves no room for others.
    pub fn count_inflow(&mut self, limit: &mut OutflowLimit, group: &Group, atoms: u64, now: i64) {
        let returned = self.outflow.give(atoms, self.terms.outflow_cap, now);
        let value = self.values_at(returned, self.outflow_price.min(self.reference_price)).0;
        limit.window.give(value, group.terms.outflow_cap, now);
        limit.window.net = limit.window.net.max(0);
    }

    /// What every instruction that writes a bank leaves behind.
    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION, MargraveError::InvariantViolated);
        // Losses have lowered a deposit index by at most so much, or shares could outgrow their numbers.
        require!(self.deposit_bits()? >= LEAST_INDEX && self.borrow_bits()? >= ONE, MargraveError::InvariantViolated);
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
        require!(self.liquidation_fee_ppm <= PPM / 4, MargraveError::ParameterOutOfBounds);
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

/// `atoms x 2^48 / index` rounded down, and whether that is exact.
fn quotient(atoms: u64, index: u128) -> Result<(u64, bool)> {
    // A byte of the fraction at a time: a division of 128 bits costs hundreds of compute units.
    if let Ok(index) = u64::try_from(index)
        && index >> 56 == 0
        && (u128::from(index) >= ONE || atoms >> 47 == 0)
    {
        let (mut quotient, mut rest) = (atoms / index, atoms % index);
        for _ in 0..I80F48::FRAC_NBITS / 8 {
            rest <<= 8;
            (quotient, rest) = ((quotient << 8) | (rest / index), rest % index);
        }
        return Ok((quotient, rest == 0));
    }
    let wide = u128::from(atoms) << I80F48::FRAC_NBITS;
    Ok((to_u64(wide / index)?, wide.is_multiple_of(index)))
}

const _: () = {
    assert!(size_of::<OutflowWindow>() == 16);
    assert!(size_of::<OutflowLimit>() == 8 + 32 + 16 + 32);
    assert!(size_of::<BankTerms>() == 8 * 5 + 4 * 10);
    assert!(size_of::<Bank>() == 8 + 32 * 4 + 16 * 2 + 8 * 8 + 16 + 80 + 256);
};

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;

    const YEAR: i64 = 31_536_000;

    /// Numbers that are the same in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
        }

        /// As often small as large.
        fn amount(&mut self, bits: u64) -> u64 {
            let size = 1 << self.below(bits);
            self.below(size) + 1
        }
    }

    fn terms() -> BankTerms {
        BankTerms {
            deposit_cap: u64::MAX,
            borrow_cap: u64::MAX,
            outflow_cap: u64::MAX,
            insurance_target: 1_000,
            rate_base_ppm: 10_000,
            rate_optimal_ppm: 60_000,
            rate_max_ppm: 4_000_000,
            utilisation_optimal_ppm: 800_000,
            interest_fee_ppm: 100_000,
            ..BankTerms::default()
        }
    }

    /// Indices in 2^-48, from one to a billion, none of them round.
    const INDICES: [u128; 6] =
        [ONE, ONE + 1, ONE + ONE / 3, 2 * ONE - 1, 1_234 * ONE + ONE / 7, 1_000_000_000 * ONE + 12_345];

    fn bank_at(deposit: u128, borrow: u128) -> Bank {
        Bank {
            version: VERSION,
            deposit_index: Bank::index(deposit).unwrap(),
            borrow_index: Bank::index(borrow).unwrap(),
            terms: terms(),
            ..Bank::zeroed()
        }
    }

    /// A bank with its vault and a few accounts, each with a wallet that may go below zero.
    struct Ledger {
        bank: Bank,
        vault: u64,
        now: i64,
        shares: [i64; 5],
        wallets: [i128; 5],
    }

    impl Ledger {
        fn new(bank: Bank) -> Self {
            Self { bank, vault: 0, now: 0, shares: [0; 5], wallets: [0; 5] }
        }

        fn deposit(&mut self, who: usize, atoms: u64) -> Result<()> {
            let mut bank = self.bank;
            self.shares[who] = bank.credit(self.shares[who], atoms)?;
            self.bank = bank;
            self.vault += atoms;
            self.wallets[who] -= i128::from(atoms);
            Ok(())
        }

        fn withdraw(&mut self, who: usize, atoms: u64, lending: Lending) -> Result<()> {
            let mut bank = self.bank;
            let shares = bank.debit(self.shares[who], atoms, lending)?;
            self.vault = self.vault.checked_sub(atoms).ok_or(MargraveError::VaultIlliquid)?;
            (self.bank, self.shares[who]) = (bank, shares);
            self.wallets[who] += i128::from(atoms);
            Ok(())
        }

        fn pass(&mut self, seconds: i64) {
            self.now += seconds;
            self.bank.accrue(self.now).unwrap();
        }

        /// Wallet and balance, what is owed counted in full.
        fn worth(&self, who: usize) -> i128 {
            let shares = self.shares[who];
            let balance = match shares < 0 {
                true => -i128::from(self.bank.debt_up_at(shares.unsigned_abs(), self.now).unwrap()),
                false => i128::from(self.bank.atoms_down(shares.unsigned_abs()).unwrap()),
            };
            self.wallets[who] + balance
        }

        /// I-01 and I-06.
        fn check(&self) {
            self.bank.invariant().unwrap();
            self.bank.require_solvent(self.vault).unwrap();
            let held: i128 = self.shares.iter().map(|shares| i128::from((*shares).max(0))).sum();
            let owed: i128 = self.shares.iter().map(|shares| -i128::from((*shares).min(0))).sum();
            assert_eq!((held, owed), (self.bank.deposit_shares.into(), self.bank.borrow_shares.into()));
        }
    }

    /// I-01, I-06, I-07: whatever a few accounts do in whatever order, every step leaves a solvent bank, and no step
    /// enriches anybody: only time does, and only who lends.
    #[test]
    fn no_step_gains_and_the_vault_covers_every_claim() {
        let mut random = Random(0x5eed);
        let (mut loans, mut refused) = (0, 0);
        for round in 0..300 {
            let (deposit, borrow) = (INDICES[round % 6], INDICES[round / 6 % 6]);
            let mut ledger = Ledger::new(bank_at(deposit, borrow));
            for _ in 0..120 {
                let who = usize::try_from(random.below(5)).unwrap();
                let before: Vec<i128> = (0..5).map(|who| ledger.worth(who)).collect();
                let (dear, owed) = (ledger.bank.deposit_bits().unwrap(), ledger.bank.borrow_bits().unwrap());
                let bits = 1 + u64::try_from(round).unwrap() % 30;
                let time = random.below(4) == 0;
                match random.below(4) {
                    _ if time => {
                        ledger.pass(i64::try_from(random.amount(20)).unwrap());
                    }
                    0 | 1 => ledger.deposit(who, random.amount(bits)).unwrap(),
                    2 => {
                        let amount = random.amount(bits);
                        refused += u32::from(ledger.withdraw(who, amount, Lending::Refused).is_err());
                    }
                    _ => {
                        let amount = random.amount(bits);
                        loans += u32::from(ledger.withdraw(who, amount, Lending::Allowed).is_ok());
                    }
                }
                ledger.check();
                assert!(ledger.bank.borrow_bits().unwrap() >= owed && ledger.bank.deposit_bits().unwrap() >= dear);
                for (other, before) in before.into_iter().enumerate() {
                    let grown = ledger.worth(other) - before;
                    let lends = ledger.shares[other] > 0;
                    assert!(grown <= 0 || (time && lends), "{who} has made {other} richer by {grown}");
                    assert!(other == who || time || grown == 0, "{who} has taken {grown} from {other}");
                }
            }
        }
        assert!(loans > 5_000 && refused > 500, "{loans} {refused}");
    }

    /// I-07: deposit and withdrawal, loan and repayment, and both mixed through zero.
    #[test]
    fn a_round_trip_never_gains_at_any_index() {
        for deposit in INDICES {
            for borrow in INDICES {
                for atoms in [1, 2, 3, 1_300, 999_999, 123_456_789_012, 1 << 44] {
                    for first in [0, 1, 1_000_000_000_000_000] {
                        let mut ledger = Ledger::new(bank_at(deposit, borrow));
                        ledger.deposit(4, 1 << 60).unwrap();
                        ledger.deposit(0, first).unwrap();
                        let worth = ledger.worth(0);
                        assert!(worth <= 0);
                        ledger.deposit(0, atoms).unwrap();
                        ledger.withdraw(0, atoms, Lending::Allowed).unwrap();
                        assert!(ledger.worth(0) <= worth, "in and out");
                        let worth = ledger.worth(0);
                        ledger.withdraw(0, atoms, Lending::Allowed).unwrap();
                        ledger.deposit(0, atoms).unwrap();
                        assert!(ledger.worth(0) <= worth, "out and in");
                        ledger.check();
                    }
                }
            }
        }
    }

    /// P-20: a hundred thousand smallest deposits, withdrawals, loans and repayments pump nothing out.
    #[test]
    fn a_hundred_thousand_small_steps_gain_nothing() {
        let mut random = Random(20);
        for (deposit, borrow) in [(2 * ONE - 1, ONE + ONE / 3), (ONE + ONE / 3, 1_234 * ONE + ONE / 7)] {
            let mut ledger = Ledger::new(bank_at(deposit, borrow));
            ledger.deposit(4, 1_000_000_000).unwrap();
            let lender = ledger.worth(4);
            for _ in 0..100_000 {
                let atoms = 1 + random.below(3);
                if random.below(2) == 0 {
                    ledger.deposit(0, atoms).unwrap();
                } else {
                    ledger.withdraw(0, atoms, Lending::Allowed).unwrap();
                }
            }
            ledger.check();
            assert!(ledger.worth(0) < 0, "every step has cost something");
            assert_eq!(ledger.worth(4), lender);
        }
    }

    /// Whoever withdraws all that a share count is worth keeps no share behind.
    #[test]
    fn the_whole_balance_leaves_no_dust() {
        for index in INDICES {
            for shares in [1, 2, 3, 999, 1 << 30] {
                let mut bank = bank_at(index, ONE);
                bank.deposit_shares = shares;
                let atoms = bank.atoms_down(shares).unwrap();
                assert_eq!(bank.debit(signed(shares).unwrap(), atoms, Lending::Refused).unwrap(), 0);
            }
        }
    }

    /// A payment within a debt leaves the debt or less, one beyond it a deposit, and none changes nothing.
    #[test]
    fn a_debt_is_repaid_first() {
        let mut bank = bank_at(2 * ONE, 4 * ONE);
        (bank.deposit_shares, bank.borrow_shares) = (1_000, 10);
        // Ten shares owe 40 atoms. 39 repay nine shares; 47 repay all, and the other seven are three deposit shares and
        // a rest.
        assert_eq!({ bank }.credit(-10, 0).unwrap(), -10);
        assert_eq!({ bank }.credit(-10, 39).unwrap(), -1);
        assert_eq!({ bank }.credit(-10, 40).unwrap(), 0);
        let mut beyond = bank;
        assert_eq!(beyond.credit(-10, 47).unwrap(), 3);
        assert_eq!((beyond.deposit_shares, beyond.borrow_shares), (1_003, 0));
        // Nothing withdrawn from a debt leaves the debt; something makes it larger, if that is allowed.
        assert_eq!({ bank }.debit(-10, 0, Lending::Refused).unwrap(), -10);
        assert_eq!({ bank }.debit(-10, 1, Lending::Refused).unwrap_err(), MargraveError::BalanceExceeded.into());
        assert_eq!({ bank }.debit(-10, 5, Lending::Allowed).unwrap(), -12);
        // A loan beyond a deposit: three shares pay 6 atoms, two borrow shares the other five.
        assert_eq!({ bank }.debit(3, 11, Lending::Allowed).unwrap(), -2);
        assert_eq!({ bank }.debit(3, 7, Lending::Refused).unwrap_err(), MargraveError::BalanceExceeded.into());
    }

    #[test]
    fn loans_end_at_their_cap_and_deposits_at_theirs() {
        let mut bank = bank_at(ONE, ONE);
        (bank.terms.borrow_cap, bank.terms.deposit_cap) = (1_000, 5_000);
        bank.credit(0, 5_000).unwrap();
        bank.require_deposits_below_cap().unwrap();
        assert_eq!({ bank }.debit(0, 1_001, Lending::Allowed).unwrap_err(), MargraveError::BorrowCapExceeded.into());
        bank.debit(0, 1_000, Lending::Allowed).unwrap();
        bank.credit(0, 1).unwrap();
        assert_eq!(bank.require_deposits_below_cap().unwrap_err(), MargraveError::DepositCapExceeded.into());
        // A deposit is withdrawn whatever the loans are.
        bank.terms.borrow_cap = 0;
        assert_eq!(bank.debit(5_000, 5_000, Lending::Allowed).unwrap(), 0);
    }

    /// I-35, P-21: ten thousand accruals in a month are one, to less than an atom each, and save the borrowers nothing.
    #[test]
    fn interest_is_the_same_however_often_it_is_added() {
        const TOUCHES: i64 = 10_000;
        for (deposits, loans) in [(10_000_000_000, 9_000_000_000), (1_000_000_000_000, 1_000_000), (7, 7), (5, 0)] {
            let mut once = bank_at(ONE + ONE / 3, ONE + ONE / 7);
            once.credit(0, deposits).unwrap();
            once.debit(0, loans, Lending::Allowed).unwrap_or_default();
            let mut often = once;
            for touch in 1..=TOUCHES {
                often.accrue(touch * 259).unwrap();
            }
            once.accrue(TOUCHES * 259).unwrap();
            let apart = |a: u64, b: u64| a.abs_diff(b);
            assert!(often.borrow_index_is_at_least(&once), "touching often has saved interest");
            let most = u64::try_from(TOUCHES).unwrap();
            assert!(apart(often.debts_down().unwrap(), once.debts_down().unwrap()) <= most);
            assert!(apart(often.claims_up().unwrap(), once.claims_up().unwrap()) <= most);
            assert!(apart(often.fees + often.insurance, once.fees + once.insurance) <= most);
        }
    }

    impl Bank {
        fn borrow_index_is_at_least(&self, other: &Self) -> bool {
            self.borrow_bits().unwrap() >= other.borrow_bits().unwrap()
        }
    }

    /// P-21: the growth of the index is e to rate times time, never below it, and above it by less than four steps.
    #[test]
    fn the_borrow_index_grows_by_the_exponential() {
        // Rate 2^-30, seconds, and 2^48 e^(rate x time) rounded down, by 60 digits.
        for (rate, seconds, exact) in EXPONENTIALS {
            let mut bank = bank_at(ONE, ONE);
            (bank.borrow_shares, bank.borrow_rate) = (1_000_000, rate);
            assert!(bank.debt_up_at(1_000_000, seconds).unwrap() > 1_000_000, "counted before anybody has added it");
            let due = bank.debt_up_at(1_000_000, seconds).unwrap();
            bank.accrue(seconds).unwrap();
            let index = bank.borrow_bits().unwrap();
            assert!(index > exact && index - exact < 4, "{rate} {seconds}: {index} and {exact}");
            assert_eq!(bank.debt_up_at(1_000_000, seconds).unwrap(), due);
        }
    }

    const EXPONENTIALS: [(i64, i64, u128); 5] = [
        (53_687_092, 1, 281_474_977_156_931),
        (53_687_092, 3_600, 281_476_583_307_597),
        (64_424_510, 30 * 86_400, 282_866_500_833_555),
        (1 << 30, 45 * 86_400, 318_407_249_481_062),
        (4 << 30, 45 * 86_400, 460_906_054_493_085),
    ];

    #[test]
    fn time_that_has_not_passed_or_nobody_owes_through_adds_nothing() {
        let mut bank = bank_at(ONE, ONE);
        bank.credit(0, 1_000_000).unwrap();
        bank.debit(0, 800_000, Lending::Allowed).unwrap();
        bank.accrue(1_000).unwrap();
        let before = bank;
        bank.accrue(1_000).unwrap();
        bank.accrue(-5).unwrap();
        assert!(bytemuck::bytes_of(&bank) == bytemuck::bytes_of(&before));
        // After a long silence 45 days are charged, and the clock starts again.
        let mut late = bank;
        late.accrue(1_000 + MAX_INTEREST_SECS).unwrap();
        bank.accrue(1_000 + 2 * MAX_INTEREST_SECS).unwrap();
        assert_eq!(bank.borrow_index, late.borrow_index);
        assert_eq!(bank.accrued_at, 1_000 + 2 * MAX_INTEREST_SECS);
    }

    /// The fee's part of interest goes to insurance up to its target, then to fees, and depositors get the rest.
    #[test]
    fn interest_is_shared_between_depositors_insurance_and_fees() {
        let mut bank = bank_at(ONE, ONE);
        bank.credit(0, 1_000_000).unwrap();
        bank.debit(0, 800_000, Lending::Allowed).unwrap();
        // 6 % at optimal utilisation: 800,000 (e^0.06/12.1666 - 1) = 3,954 in 30 days; a tenth of it, 395, is a fee.
        bank.accrue(30 * 86_400).unwrap();
        assert_eq!(bank.debts_down().unwrap(), 803_954);
        assert_eq!((bank.insurance, bank.fees, bank.claims_up().unwrap()), (395, 0, 1_003_559));
        bank.take_fee(700).unwrap();
        assert_eq!((bank.insurance, bank.fees), (1_000, 95));
        // A target that has been lowered takes nothing out.
        bank.terms.insurance_target = 10;
        bank.take_fee(5).unwrap();
        assert_eq!((bank.insurance, bank.fees), (1_000, 100));
    }

    /// P-19: when depositors have left with what was set aside, the last of them does not earn interest on all of it,
    /// and the index stays near one; the interest is a fee.
    #[test]
    fn the_last_share_does_not_earn_what_the_reserves_lend() {
        for left in [0, 1, 1_000] {
            let mut ledger = Ledger::new(bank_at(ONE, ONE));
            ledger.deposit(0, 1_000_000).unwrap();
            ledger.withdraw(1, 500_000, Lending::Allowed).unwrap();
            (ledger.bank.insurance, ledger.vault) = (600_000, ledger.vault + 600_000);
            ledger.withdraw(0, 1_000_000 - left, Lending::Refused).unwrap();
            ledger.check();
            // Everything there is is lent: 400 % a year. 45 days are e^0.49315 - 1 = 63.7467 %, nine tenths of it
            // without the fee.
            assert_eq!(ledger.bank.borrow_rate, 4 << 30);
            ledger.pass(MAX_INTEREST_SECS);
            ledger.check();
            assert_eq!(ledger.bank.debts_down().unwrap(), 818_733);
            let earned = ledger.bank.claims_up().unwrap() - left;
            assert!(earned <= left * 574 / 1_000, "{left} have earned {earned}");
            assert!(ledger.bank.deposit_bits().unwrap() < 2 * ONE);
            assert!(ledger.bank.insurance + ledger.bank.fees >= 600_000 + 318_733 - earned - 1);
        }
    }

    /// P-19: the first depositor of an empty bank owns one share for each atom, whatever somebody sends to the vault,
    /// and the second gets what he puts in.
    #[test]
    fn the_first_depositor_cannot_make_a_share_dear() {
        let mut ledger = Ledger::new(bank_at(ONE, ONE));
        ledger.deposit(0, 1).unwrap();
        ledger.vault += 1_000_000_000_000;
        ledger.check();
        ledger.pass(YEAR);
        ledger.deposit(1, 1_999).unwrap();
        assert_eq!((ledger.shares[0], ledger.shares[1]), (1, 1_999));
        // Lending one atom of two to himself at the highest rate makes a share dearer by no more than the rate.
        ledger.withdraw(0, 1, Lending::Allowed).unwrap();
        ledger.withdraw(1, 1_998, Lending::Allowed).unwrap();
        ledger.withdraw(2, 1, Lending::Allowed).unwrap();
        for _ in 0..10 {
            ledger.pass(MAX_INTEREST_SECS);
            ledger.check();
        }
        let debts = u128::from(ledger.bank.debts_down().unwrap());
        assert!(ledger.bank.deposit_bits().unwrap() <= (debts + 1) * ONE);
    }

    /// The curve at its corners: base, optimal, full, and half-way on both legs.
    #[test]
    fn the_rate_follows_utilisation() {
        let rate_at = |terms: BankTerms, deposits: u64, loans: u64| {
            let mut bank = Bank { terms, deposit_shares: deposits, borrow_shares: loans, ..bank_at(ONE, ONE) };
            bank.update_rate().unwrap();
            bank.borrow_rate
        };
        let ppm = |ppm: u32| Ratio::from_ppm_up(ppm).unwrap().bits();
        let corners = [
            (1_000, 0, 10_000),
            (0, 0, 10_000),
            (1_000, 400, 35_000),
            (1_000, 800, 60_000),
            (1_000, 900, 2_030_000),
            (1_000, 1_000, 4_000_000),
            // What was set aside can be lent too, see above: full is full.
            (1_000, 5_000, 4_000_000),
            (0, 1, 4_000_000),
        ];
        for (deposits, loans, rate) in corners {
            assert_eq!(rate_at(terms(), deposits, loans), ppm(rate), "{loans} of {deposits}");
        }
        for (optimal, half) in [(0, 2_030_000), (PPM, 35_000)] {
            let terms = BankTerms { utilisation_optimal_ppm: optimal, ..terms() };
            assert_eq!(rate_at(terms, 1_000, 0), ppm(10_000));
            assert_eq!(rate_at(terms, 1_000, 500), ppm(half));
            let full = if optimal == PPM { 60_000 } else { 4_000_000 };
            assert_eq!(rate_at(terms, 1_000, 1_000), ppm(full));
        }
        // Never lower for more loans.
        let rates: Vec<i64> = (0..=1_200).map(|loans| rate_at(terms(), 1_000, loans)).collect();
        assert!(rates.is_sorted());
    }

    /// I-12: a crowded token counts less where risk is added, never less than margin asks for it, and always the same
    /// for maintenance.
    #[test]
    fn the_weight_shrinks_with_deposits_down_to_what_margin_asks() {
        let mut bank = bank_at(ONE, ONE);
        (bank.terms.haircut_maintenance_ppm, bank.terms.haircut_initial_ppm) = (50_000, 100_000);
        let ratio = |ppm: u32| Ratio::from_ppm_up(ppm).unwrap();
        let initial = |bank: &Bank| {
            let haircuts = bank.haircuts(260_000).unwrap();
            assert_eq!(haircuts.maintenance, ratio(50_000));
            haircuts.initial
        };
        bank.deposit_shares = 1 << 60;
        assert_eq!(initial(&bank), ratio(100_000), "without a start nothing shrinks");
        bank.terms.weight_scale_start = 1_000;
        // Weight 90 % up to 1,000 deposited; 45 % at 2,000; 26 %, which margin asks for, from 3,462 on.
        for (deposits, haircut) in
            [(0, 100_000), (1_000, 100_000), (1_001, 100_900), (2_000, 550_000), (3_461, 739_960), (3_462, 740_000)]
        {
            bank.deposit_shares = deposits;
            assert_eq!(initial(&bank), ratio(haircut), "{deposits}");
        }
        let mut before = ratio(0);
        for step in 0..2_000 {
            bank.deposit_shares = step * 7;
            let now = initial(&bank);
            assert!(now >= before && now <= ratio(740_000));
            before = now;
        }
        // The listing's bound keeps the two from crossing; if terms have moved since, the haircut still holds.
        bank.deposit_shares = u64::MAX;
        assert_eq!(bank.haircuts(950_000).unwrap().initial, ratio(100_000));
        assert_eq!(bank.haircuts(0).unwrap().initial, ratio(1_000_000));
    }

    /// I-31: the window fills by what leaves and empties in a day; what comes in may leave again within a day.
    #[test]
    fn a_window_refills_in_a_day() {
        const DAY: i64 = OUTFLOW_WINDOW_SECS;
        let refused = Err(MargraveError::OutflowLimitExceeded.into());
        let mut window = OutflowWindow::default();
        window.take(1_000, 1_000, 5 * DAY).unwrap();
        let full = window;
        assert_eq!(window.take(1, 1_000, 5 * DAY), refused);
        assert_eq!(window, full, "a refusal changes nothing");
        // Half a day, half the cap.
        assert_eq!(window.take(501, 1_000, 5 * DAY + DAY / 2), refused);
        window.take(500, 1_000, 5 * DAY + DAY / 2).unwrap();
        window.give(300, 1_000, 5 * DAY + DAY / 2);
        assert_eq!(window.take(301, 1_000, 5 * DAY + DAY / 2), refused);
        window.take(300, 1_000, 5 * DAY + DAY / 2).unwrap();
        // A clock that goes back refills nothing.
        assert_eq!(window.take(1, 1_000, 0), refused);
        // At first half of the thousand is back; what comes in then may all leave today, and none of it tomorrow.
        assert_eq!(window.give(5_000, 1_000, 6 * DAY), 500);
        assert_eq!({ window }.take(5_000, 1_000, 6 * DAY).unwrap(), 500);
        assert_eq!({ window }.take(5_501, 1_000, 6 * DAY), refused);
        assert_eq!({ window }.take(2_251, 1_000, 6 * DAY + DAY / 2).unwrap(), 1);
        assert_eq!(window.take(1_001, 1_000, 7 * DAY), refused);
        assert_eq!(window.take(1_000, 1_000, 7 * DAY).unwrap(), 1_000);
        // What came in without bound goes no further than there are numbers.
        let mut flooded = window;
        flooded.give(u64::MAX, 1_000, 7 * DAY);
        flooded.give(u64::MAX, 1_000, 7 * DAY);
        flooded.take(u64::MAX, 1_000, 7 * DAY).unwrap();
        // A cap that is lowered refuses until it has caught up; one of zero refuses everything; none refuses nothing.
        assert_eq!(window.take(1, 100, 8 * DAY), refused);
        assert_eq!(OutflowWindow::default().take(1, 0, DAY), refused);
        assert_eq!(OutflowWindow { net: i64::MAX, updated_at: 0 }.take(1, u64::MAX, 0), refused);
        OutflowWindow { net: i64::MAX, updated_at: 0 }.take(u64::MAX, u64::MAX, DAY).unwrap();
    }

    /// I-31: a window that is touched often refills no more slowly and no faster, however few atoms a day its cap is.
    #[test]
    fn touching_a_window_does_not_stop_it() {
        for cap in [1, 7, 1_000, 86_399, 86_401, 1_000_000_007] {
            for step in [1, 7, 80, 3_600] {
                let mut touched = OutflowWindow::default();
                touched.take(cap, cap, 0).unwrap();
                for now in (step..=OUTFLOW_WINDOW_SECS).step_by(usize::try_from(step).unwrap()) {
                    touched.give(0, cap, now);
                    // Taking what should be there passes, and an atom more does not: to two atoms and a second an hour.
                    let exact = cap * now.unsigned_abs() / 86_400;
                    let least = exact.saturating_sub(2 + cap * (now.unsigned_abs() / 3_600 + 1) / 86_400);
                    assert!({ touched }.take(exact + 1, cap, now).is_err(), "cap {cap}, every {step}: {now}");
                    assert!({ touched }.take(least, cap, now).is_ok(), "cap {cap}, every {step}: {now}");
                }
            }
        }
    }

    /// What leaves is never counted below its value, what comes in never above.
    #[test]
    fn outflow_is_valued_up_and_inflow_down() {
        let mut bank = Bank { decimals: 9, reference_price: 350_000_000_000, ..bank_at(ONE, ONE) };
        assert_eq!(
            bank.values_at(1_000_000_000, bank.reference_price),
            (1_000_000_000, 1_000_000_000),
            "the quote token is at par"
        );
        bank.underlying = Pubkey::new_from_array([1; 32]);
        assert_eq!(bank.values_at(1_000_000_000, bank.reference_price), (35_000_000, 35_000_000));
        assert_eq!(bank.values_at(1, bank.reference_price), (0, 1));
        assert_eq!(bank.values_at(29, bank.reference_price), (1, 2));
        for (decimals, atoms, value) in [(0, 1, 35_000_000), (18, 1_000_000_000_000_000_000, 35_000_000)] {
            bank.decimals = decimals;
            assert_eq!(bank.values_at(atoms, bank.reference_price), (value, value));
        }
        bank.decimals = 0;
        assert_eq!(bank.values_at(u64::MAX, bank.reference_price), (u64::MAX, u64::MAX));
        bank.reference_price = 0;
        assert_eq!(bank.values_at(u64::MAX, bank.reference_price), (0, 0));
    }

    /// I-01 to the atom: one atom less and the bank says so. What a stranger sends is surplus.
    #[test]
    fn a_vault_that_is_an_atom_short_is_noticed() {
        let mut bank = bank_at(ONE + 1, ONE + 1);
        (bank.deposit_shares, bank.borrow_shares) = (1_000, 400);
        (bank.fees, bank.insurance, bank.pools) = (3, 20, 100);
        // 1,000 shares are owed 1,001 atoms, 400 owe 400.
        assert_eq!(bank.reserves().unwrap(), 123);
        bank.require_solvent(724).unwrap();
        bank.require_solvent(u64::MAX).unwrap();
        assert_eq!(bank.require_solvent(723), Err(MargraveError::InvariantViolated.into()));
    }

    /// I-06, I-26: depositors bear a loss in proportion, no share keeps less than a thousandth, and the vault covers what is left.
    #[test]
    fn a_loss_is_shared_by_all_deposits() {
        for index in INDICES {
            let mut bank = bank_at(index, ONE);
            let shares = [1_000_003, 7, 2_500_000_000].map(|atoms| bank.credit(0, atoms).unwrap());
            let before = shares.map(|shares| bank.atoms_down(shares.unsigned_abs()).unwrap());
            let claims = bank.claims_up().unwrap();
            let taken = bank.share_loss(claims / 4).unwrap();
            assert_eq!(taken, claims / 4);
            assert!(bank.claims_up().unwrap() <= claims - taken);
            for (shares, before) in shares.into_iter().zip(before) {
                let after = bank.atoms_down(shares.unsigned_abs()).unwrap();
                assert!(after <= before - before / 4 && before - before / 4 - after <= 2, "{before} {after}");
            }
            let most = bank.share_loss(u64::MAX).unwrap();
            assert!(most < claims && bank.claims_up().unwrap() > 0);
            bank.invariant().unwrap();
        }
    }

    #[test]
    fn numbers_beyond_the_types_are_refused() {
        let mut bank = bank_at(2 * ONE, 2 * ONE);
        bank.deposit_shares = u64::MAX;
        assert_eq!(bank.claims_up(), Err(MargraveError::ValueOutOfRange.into()));
        bank.deposit_shares = 0;
        assert_eq!(bank.debit(0, u64::MAX, Lending::Allowed), Err(MargraveError::ValueOutOfRange.into()));
        let mut dear = bank_at(i128::MAX.unsigned_abs(), ONE);
        dear.borrow_shares = 0;
        assert_eq!(dear.atoms_down(u64::MAX), Err(MargraveError::ValueOutOfRange.into()));
        let negative = Bank { deposit_index: (-1i128).to_le_bytes(), ..bank };
        assert_eq!(negative.atoms_down(1), Err(MargraveError::InvariantViolated.into()));
        let below_one = bank_at(LEAST_INDEX - 1, ONE);
        assert_eq!(below_one.invariant(), Err(MargraveError::InvariantViolated.into()));
        let reserves = Bank { fees: u64::MAX, insurance: 1, ..bank };
        assert_eq!(reserves.reserves(), Err(MargraveError::ValueOutOfRange.into()));
    }
}
