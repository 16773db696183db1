//! The one bridge from accounts to the margin engine. The program, the client and the keeper cross it with the same code;
//! they differ only in where accounts come from, which is what [`Directory`] abstracts.
//!
//! Three steps: [`arrange`] reads the accounts into plain numbers, [`Portfolio::evaluate`] asks the engine,
//! the caller decides.

use crate::{constants::*, error::*, state::*};
use anchor_lang::prelude::*;
use margrave_risk::{Book, Decimals, Exposure, Levels, Market, UnderlyingArray, Usd, Valuation};
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

/// One underlying of a margin account as the engine's plain numbers.
#[derive(Clone, Copy)]
pub struct Line {
    pub market: Market,
    pub exposure: Exposure,
    /// Stored beside the risk array: when the price was published and which terms it was computed with.
    pub publish_time: i64,
    pub terms_version: u32,
}

/// A margin account as the engine's plain numbers.
pub struct Portfolio {
    /// Cash and collateral, without the underlyings.
    pub balances: Book,
    /// One per risk slot of the account; `None` for an empty slot, and for collateral that does not count.
    pub lines: [Option<Line>; MAX_UNDERLYINGS],
}

/// What a valuation is for, which decides how old its prices may be. Positions always need a fresh price; collateral
/// whose price is too old must neither add risk nor, being merely uncertain, liquidate anyone (I-19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Adding risk at this unix time: collateral with a stale price counts as zero.
    Risk(i64),
    /// Liquidating at this unix time: collateral with a stale price counts at its last one, and positions need a price no
    /// older than the underlying's `liquidation_max_age_secs`.
    Liquidation(i64),
    /// Display: every underlying at its last price.
    Display,
}

impl Purpose {
    /// The underlying's line at this purpose's price, `None` when it counts as nothing.
    fn line(self, underlying: &Underlying, has_position: bool) -> Result<Option<Line>> {
        let oracle = &underlying.oracle;
        let fresh = match self {
            Self::Risk(now) => oracle.require_fresh(now, oracle.max_age_secs),
            Self::Liquidation(now) => oracle.require_fresh(now, oracle.liquidation_max_age_secs),
            Self::Display => Ok(()),
        };
        if has_position {
            fresh?;
        } else if oracle.price == 0 || (fresh.is_err() && matches!(self, Self::Risk(_))) {
            return Ok(None);
        }
        Ok(Some(Line {
            market: underlying.market()?,
            exposure: Exposure::default(),
            publish_time: oracle.publish_time,
            terms_version: underlying.terms.version,
        }))
    }
}

/// Reads `account` and everything it refers to. Every non-empty slot is counted exactly once (I-11).
#[inline(never)]
pub fn arrange(account: &MarginAccount, directory: &impl Directory, purpose: Purpose) -> Result<Portfolio> {
    let mut has_position = [false; MAX_UNDERLYINGS];
    for slot in account.positions.iter().filter(|slot| !slot.is_empty()) {
        has_position[usize::from(slot.risk_slot)] = true;
    }
    let mut portfolio = Portfolio { balances: Book::default(), lines: [const { None }; MAX_UNDERLYINGS] };
    for (index, slot) in account.risk.iter().enumerate().filter(|(_, slot)| !slot.is_empty()) {
        let underlying = directory.underlying(&slot.underlying)?;
        portfolio.lines[index] = purpose.line(&underlying, has_position[index])?;
    }
    for slot in account.collateral.iter().filter(|slot| !slot.is_empty()) {
        portfolio.balances.count(1).or_refuse()?;
        let bank = directory.bank(&slot.bank)?;
        let atoms = bank.atoms_down(slot.deposit_shares()?)?;
        if bank.is_quote() {
            let cash = i64::try_from(atoms).ok().and_then(|micros| Usd::new(micros).ok());
            portfolio.balances.add_cash(cash.unwrap_or(Usd::MAX));
        } else if let Some(line) = portfolio.lines[slot.risk_slot()?].as_mut() {
            let unit = Decimals::new(bank.decimals).or_refuse()?;
            let value = line.market.price.collateral_value_down(atoms, unit);
            line.exposure.add_collateral(value);
            portfolio.balances.add_collateral(value, bank.haircuts()?);
        }
    }
    for slot in account.positions.iter().filter(|slot| !slot.is_empty()) {
        portfolio.balances.count(1).or_refuse()?;
        let line = portfolio.lines[usize::from(slot.risk_slot)].as_mut().ok_or(MargraveError::InvariantViolated)?;
        line.exposure.add_position(&line.market, slot.quantity(), slot.quote()?).or_refuse()?;
    }
    Ok(portfolio)
}

impl Portfolio {
    /// The engine's verdict. `keep` is given each underlying's slot index, line and risk array.
    #[inline(never)]
    pub fn evaluate(&self, levels: &Levels, mut keep: impl FnMut(usize, &Line, &UnderlyingArray)) -> Result<Valuation> {
        let mut book = self.balances;
        let mut slots = [0u8; MAX_UNDERLYINGS];
        let mut count = 0;
        for (index, line) in self.lines.iter().enumerate() {
            if let Some(line) = line {
                let added = book.add_underlying(&line.market, &line.exposure).or_refuse()?;
                keep(index, line, &added);
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

    /// The verdict alone.
    pub fn valuation(&self, levels: &Levels) -> Result<Valuation> {
        self.evaluate(levels, |_, _, _| ())
    }

    /// The account without the underlying in `slot`, and that underlying.
    #[inline(never)]
    pub fn without(&self, slot: usize) -> Result<(Book, Line)> {
        let mut book = self.balances;
        for line in
            self.lines.iter().enumerate().filter(|(index, _)| *index != slot).filter_map(|(_, line)| line.as_ref())
        {
            book.add_underlying(&line.market, &line.exposure).or_refuse()?;
        }
        let line = self.lines.get(slot).copied().flatten();
        Ok((book, line.ok_or(MargraveError::UnderlyingMissing)?))
    }
}

/// Values `account` and stores the result in it: margin numbers, status and risk arrays (I-09).
pub fn revalue(
    account: &mut MarginAccount,
    directory: &impl Directory,
    levels: &Levels,
    purpose: Purpose,
    now: i64,
) -> Result<Valuation> {
    let portfolio = arrange(account, directory, purpose)?;
    let sequence = account.sequence;
    let risk = &mut account.risk;
    let valuation = portfolio.evaluate(levels, |index, line, added| {
        let compressed = added.array(None).compress_down();
        let slot = &mut risk[index];
        slot.exponent = compressed.exponent;
        slot.mantissas = compressed.mantissas;
        slot.price = line.market.price.raw();
        slot.publish_time = line.publish_time;
        slot.sequence = sequence;
        slot.terms_version = line.terms_version;
        slot.worst_cell = added.worst.index();
    })?;
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
