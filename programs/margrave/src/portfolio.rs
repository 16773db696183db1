//! The one bridge from accounts to the margin engine. The program, the client and the keeper cross it with the same code;
//! they differ only in where accounts come from, which is what [`Directory`] abstracts.
//!
//! Three steps: [`arrange`] reads the accounts into plain numbers, [`Portfolio::evaluate`] asks the engine,
//! the caller decides.

use crate::{constants::*, error::*, state::*};
use anchor_lang::prelude::*;
use margrave_risk::{Book, Cell, Decimals, Exposure, Levels, Market, Price, Quantity, RiskArray, Usd, Valuation};
use std::ops::Deref;

/// Where the banks and underlyings of a margin account are found, by the keys the account has recorded.
pub trait Directory {
    fn bank(&self, key: &Pubkey) -> Result<impl Deref<Target = Bank>>;
    fn underlying(&self, key: &Pubkey) -> Result<impl Deref<Target = Underlying>>;
}

/// The accounts of one instruction. Order does not matter; a missing or repeated account is refused.
pub struct InstructionAccounts<'a, 'info> {
    named: &'a [&'a AccountInfo<'info>],
    remaining: &'a [AccountInfo<'info>],
}

impl<'a, 'info> InstructionAccounts<'a, 'info> {
    /// `named` are banks and underlyings that the instruction knows by name; `remaining` the rest.
    pub fn new(named: &'a [&'a AccountInfo<'info>], remaining: &'a [AccountInfo<'info>]) -> Result<Self> {
        for (index, info) in remaining.iter().enumerate() {
            require_keys_eq!(*info.owner, crate::ID, MargraveError::UnexpectedAccount);
            let before = named.iter().copied().chain(&remaining[..index]);
            require!(before.into_iter().all(|other| !same_key(other.key, info.key)), MargraveError::DuplicateAccount);
        }
        Ok(Self { named, remaining })
    }

    fn find(&self, key: &Pubkey) -> Option<&'a AccountInfo<'info>> {
        self.named.iter().copied().chain(self.remaining).find(|info| same_key(info.key, key))
    }
}

impl Directory for InstructionAccounts<'_, '_> {
    // The key was recorded when the bank's group was checked, so the group is not checked again.
    fn bank(&self, key: &Pubkey) -> Result<impl Deref<Target = Bank>> {
        view::<Bank>(self.find(key).ok_or(MargraveError::BankMissing)?)
    }

    fn underlying(&self, key: &Pubkey) -> Result<impl Deref<Target = Underlying>> {
        view::<Underlying>(self.find(key).ok_or(MargraveError::UnderlyingMissing)?)
    }
}

/// Key equality in four word comparisons; the derived one is a call with a system call inside.
fn same_key(a: &Pubkey, b: &Pubkey) -> bool {
    let (a, b) = (a.as_array(), b.as_array());
    a.chunks_exact(8).zip(b.chunks_exact(8)).all(|(a, b)| word(a) == word(b))
}

fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// A margin account as the engine's plain numbers.
pub struct Portfolio {
    /// Cash and collateral, without the underlyings.
    pub balances: Book,
    /// One per risk slot of the account.
    pub underlyings: [Option<(Market, Exposure)>; MAX_UNDERLYINGS],
}

/// How old the prices of a valuation may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceAge {
    /// Each underlying's own limit, counted from this unix time.
    FreshAt(i64),
    /// Any accepted price: for display, never for a decision on chain.
    Any,
}

/// Reads `account` and everything it refers to. Every non-empty slot is counted exactly once (I-11).
#[inline(never)]
pub fn arrange(account: &MarginAccount, directory: &impl Directory, age: PriceAge) -> Result<Portfolio> {
    let mut portfolio = Portfolio { balances: Book::default(), underlyings: [const { None }; MAX_UNDERLYINGS] };
    for (slot, entry) in account.risk.iter().zip(&mut portfolio.underlyings) {
        if !slot.is_empty() {
            let underlying = directory.underlying(&slot.underlying)?;
            if let PriceAge::FreshAt(now) = age {
                underlying.oracle.require_fresh(now)?;
            }
            *entry = Some((underlying.market()?, Exposure::default()));
        }
    }
    for slot in account.collateral.iter().filter(|slot| !slot.is_empty()) {
        portfolio.balances.count(1).or_refuse()?;
        let bank = directory.bank(&slot.bank)?;
        let atoms = bank.atoms_down(slot.deposit_shares()?)?;
        let atoms = i64::try_from(atoms).map_err(|_| MargraveError::ValueOutOfRange)?;
        if bank.is_quote() {
            portfolio.balances.add_cash(Usd::new(atoms).or_refuse()?);
        } else {
            let index = usize::from(slot.risk_slot).checked_sub(1).ok_or(MargraveError::InvariantViolated)?;
            let (market, exposure) = entry(&mut portfolio.underlyings, index)?;
            let value = value_of(market.price, atoms, bank.decimals)?;
            exposure.add_collateral(value);
            portfolio.balances.add_collateral(value, bank.haircuts()?);
        }
    }
    for slot in account.positions.iter().filter(|slot| !slot.is_empty()) {
        portfolio.balances.count(1).or_refuse()?;
        let (market, exposure) = entry(&mut portfolio.underlyings, usize::from(slot.risk_slot))?;
        exposure.add_position(market, slot.quantity(), slot.quote()?).or_refuse()?;
    }
    Ok(portfolio)
}

fn entry(
    underlyings: &mut [Option<(Market, Exposure)>; MAX_UNDERLYINGS],
    index: usize,
) -> Result<(&Market, &mut Exposure)> {
    match underlyings.get_mut(index).and_then(Option::as_mut) {
        Some((market, exposure)) => Ok((market, exposure)),
        None => err!(MargraveError::InvariantViolated),
    }
}

fn value_of(price: Price, atoms: i64, decimals: u8) -> Result<Usd> {
    price.value_down(Quantity::new(atoms), Decimals::new(decimals).or_refuse()?).or_refuse()
}

impl Portfolio {
    /// The engine's verdict. `keep` is given each underlying's slot index, risk array and worst cell.
    #[inline(never)]
    pub fn evaluate(&self, levels: &Levels, mut keep: impl FnMut(usize, &RiskArray, Cell)) -> Result<Valuation> {
        let mut book = self.balances;
        let mut slots = [0u8; MAX_UNDERLYINGS];
        let mut count = 0;
        for (index, entry) in self.underlyings.iter().enumerate() {
            if let Some((market, exposure)) = entry {
                let (array, worst) = book.add_underlying(market, exposure).or_refuse()?;
                keep(index, &array, worst);
                slots[count] = u8::try_from(index).unwrap_or(u8::MAX);
                count += 1;
            }
        }
        let mut valuation = book.valuation(levels);
        // The engine counts the underlyings it was given; we name the account's slot.
        if let Some(worst) = &mut valuation.worst {
            worst.underlying = slots[usize::from(worst.underlying)];
        }
        Ok(valuation)
    }

    /// The account without the underlying in `slot`, and that underlying.
    pub fn without(&self, slot: usize) -> Result<(Book, Market, Exposure)> {
        let mut book = self.balances;
        for (market, exposure) in
            self.underlyings.iter().enumerate().filter(|(i, _)| *i != slot).filter_map(|(_, e)| e.as_ref())
        {
            book.add_underlying(market, exposure).or_refuse()?;
        }
        match self.underlyings.get(slot) {
            Some(Some((market, exposure))) => Ok((book, *market, *exposure)),
            _ => err!(MargraveError::UnderlyingMissing),
        }
    }
}

/// Values `account` at fresh prices and stores the result in it: margin numbers, status and risk arrays (I-09).
pub fn revalue(
    account: &mut MarginAccount,
    directory: &impl Directory,
    levels: &Levels,
    now: i64,
) -> Result<Valuation> {
    let portfolio = arrange(account, directory, PriceAge::FreshAt(now))?;
    let sequence = account.sequence;
    let risk = &mut account.risk;
    let valuation = portfolio.evaluate(levels, |index, array, worst| {
        let compressed = array.compress_down();
        let slot = &mut risk[index];
        slot.exponent = compressed.exponent;
        slot.mantissas = compressed.mantissas;
        slot.worst_cell = worst.index();
        slot.sequence = sequence;
    })?;
    for slot in risk.iter_mut().filter(|slot| !slot.is_empty()) {
        let underlying = directory.underlying(&slot.underlying)?;
        slot.price = underlying.oracle.price;
        slot.publish_time = underlying.oracle.publish_time;
        slot.terms_version = underlying.terms.version;
    }
    account.record(&valuation, now);
    Ok(valuation)
}

/// The sentence every risk-adding instruction ends with. The numbers go to the log: "why?" is the first question asked.
pub fn require_initial_margin(valuation: &Valuation) -> Result<()> {
    if valuation.initial_health().is_negative() {
        log_valuation(valuation);
        return err!(MargraveError::InitialMarginNotMet);
    }
    Ok(())
}

/// Equity, requirement and worst scenario, in micro-dollars.
pub fn log_valuation(valuation: &Valuation) {
    msg!(
        "equity {} initial {} maintenance {} worst slot and cell {:?}",
        valuation.equity.micros(),
        valuation.initial_margin.micros(),
        valuation.maintenance_margin.micros(),
        valuation.worst.map(|worst| (worst.underlying, worst.cell.index())),
    );
}
