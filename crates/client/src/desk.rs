//! What a trading desk asks beyond the program's own views: positions one by one, a market that has moved, a keeper's next step. All of
//! it is the program's and the client's code on copies of the accounts.

use crate::{Accounts, Hypothesis, Instrument, keeper};
use anchor_lang::{prelude::*, solana_program::instruction::Instruction as Call};
use bytemuck::Zeroable;
use margrave::{
    error::MargraveError,
    instructions::{Explanation, SlotGreeks, explanation_of},
    portfolio::Directory,
    snapshot::funding_due_up,
    state::*,
    trading,
};
use margrave_risk::CELLS;

const PPM: i128 = 1_000_000;

/// A market that has moved and is otherwise the same: scan range, smiles' shapes, carries and terms stay, and the stable price is as far
/// from the price as it was.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    pub underlying: Pubkey,
    /// 10^-10 dollars per whole unit.
    pub price: i64,
    /// Change of every volatility, millionths of itself.
    pub volatility_ppm: i64,
    /// Time that passes, seconds: the price is published so much later.
    pub seconds: i64,
}

/// One position as if it were all that the account has.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct PositionReport {
    /// 10^-10 dollars per whole unit.
    pub mark: i64,
    /// Micro-dollars, rounded down: an option at its mark; of others profit and loss with `funding` taken off.
    pub value: i64,
    /// What a perp owes for funding that was not charged yet, micro-dollars, rounded up; negative: what it gets.
    pub funding: i64,
    /// Margin numbers of the position alone, micro-dollars.
    pub initial_margin: i64,
    pub maintenance_margin: i64,
    pub greeks: SlotGreeks,
    /// Profit and loss in each scenario. Time value is netted within an expiry before it is shaved, so that cells of positions need not
    /// add up to the underlying's.
    pub cells: [i64; CELLS],
}

/// An instruction that a keeper would send next.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct StepPlan {
    /// [`keeper::StepKind`] as a number.
    pub kind: u8,
    /// What it frees of the requirement at which a liquidation ends, and what the account pays for it, micro-dollars; zero for a step that
    /// takes nothing over.
    pub relief: i64,
    pub cost: i64,
    /// What of `cost` insurance gets, rounded up.
    pub insured: i64,
    pub program: Pubkey,
    /// Address, whether it signs, whether it is written.
    pub accounts: Vec<(Pubkey, bool, bool)>,
    pub data: Vec<u8>,
}

/// What an instrument is worth by its sheet, 10^-10 dollars per whole unit.
pub fn mark(accounts: &Accounts, key: &Pubkey, instrument: &Instrument, now: i64) -> Result<i64> {
    trading::mark(*key, &*accounts.underlying(key)?, instrument, now)
}

/// Every position of the account by itself, in its order.
pub fn position_reports(accounts: &Accounts, key: &Pubkey, now: i64) -> Result<Vec<PositionReport>> {
    let account = accounts.margin_account(key)?;
    let held = account.positions.iter().take_while(|position| !position.is_empty());
    held.map(|position| report(accounts, account, position, now)).collect()
}

fn report(accounts: &Accounts, account: &MarginAccount, position: &PositionSlot, now: i64) -> Result<PositionReport> {
    let mut alone = Box::new(*account);
    alone.collateral = Zeroable::zeroed();
    alone.positions = Zeroable::zeroed();
    alone.positions[0] = *position;
    for (index, slot) in alone.risk.iter_mut().enumerate() {
        slot.claim = 0;
        if index != usize::from(position.risk_slot) {
            *slot = Zeroable::zeroed();
        }
    }
    let group = accounts.groups.get(&account.group).ok_or_else(|| error!(MargraveError::GroupMismatch))?;
    let Explanation { numbers, greeks, cells, .. } = explanation_of(&alone, group, accounts, position.risk_slot, now)?;

    let key = account.risk[usize::from(position.risk_slot)].underlying;
    let underlying = accounts.underlying(&key)?;
    let kind = position.kind()?;
    let series = match kind {
        InstrumentKind::Perp => 0,
        _ => underlying.expiries[usize::from(position.expiry)].series,
    };
    let instrument = Instrument { kind, expiry: position.expiry, strike: position.strike, series };
    let whole = 10i128.pow(4 + u32::from(underlying.decimals));
    let narrow = |value: i128| i64::try_from(value).map_err(|_| error!(MargraveError::ValueOutOfRange));
    let (mark, value, funding) = if kind.is_option() {
        // One that has expired trades no more and is worth what it pays.
        let paid = narrow(i128::from(numbers.equity) * whole / i128::from(position.quantity))?;
        (trading::mark(key, &underlying, &instrument, now).unwrap_or(paid), numbers.equity, 0)
    } else {
        let (mark, funding) = match kind {
            InstrumentKind::Perp => {
                let index = underlying.perp.funding_index;
                let due = funding_due_up(position.quantity, position.funding_index, index, underlying.decimals)?;
                (underlying.oracle.price, due)
            }
            _ => (underlying.expiries[usize::from(position.expiry)].expiry().terms().forward.raw(), 0),
        };
        let worth = (i128::from(position.quantity) * i128::from(mark)).div_euclid(whole);
        (mark, narrow(worth + i128::from(position.quote) - i128::from(funding))?, funding)
    };
    Ok(PositionReport {
        mark,
        value,
        funding,
        initial_margin: numbers.initial_margin,
        maintenance_margin: numbers.maintenance_margin,
        greeks,
        cells,
    })
}

/// The instrument of this kind with this expiry (unix time; of a perp nothing) and strike (10^-10 dollars; of a perp and a future
/// nothing) on an underlying; `None` when none is listed.
pub fn instrument(sheet: &Underlying, kind: InstrumentKind, expiry: i64, strike: i64) -> Option<Instrument> {
    if kind == InstrumentKind::Perp {
        return Some(Instrument::PERP);
    }
    let mut slots = sheet.expiries.iter().enumerate();
    let (at, slot) = slots.find(|(_, slot)| !slot.is_free() && slot.time == expiry)?;
    let listed = |it: &StrikeSlot| usize::from(it.expiry) == at + 1 && it.price[0] == strike;
    let strike = if kind.is_option() { sheet.strikes.iter().position(listed)? } else { 0 };
    Some(Instrument { kind, expiry: u8::try_from(at).ok()?, strike: u16::try_from(strike).ok()?, series: slot.series })
}

/// Copies of `key` and of what values it, in which it has traded and the market has moved since. A premium goes into or out of the
/// balance of the quote token, whole shares of it.
pub fn supposed(accounts: &Accounts, key: &Pubkey, change: &Hypothesis, moves: &[Move], now: i64) -> Result<Accounts> {
    let mut account = *accounts.margin_account(key)?;
    let group = accounts.groups.get(&account.group).ok_or_else(|| error!(MargraveError::GroupMismatch))?;
    let mut premium = 0i64;
    for (key, leg) in &change.legs {
        let paid = account.preview_leg(*key, &*accounts.underlying(key)?, leg, now)?;
        premium = premium.checked_add(paid).ok_or_else(|| error!(MargraveError::ValueOutOfRange))?;
    }
    let premium = (group.quote_bank, premium.saturating_neg());
    for (key, amount) in change.balances.iter().chain([&premium]) {
        if *amount == 0 {
            continue;
        }
        let mut bank = *accounts.bank(key)?;
        bank.accrue(now)?;
        let shares = account.shares_in(key);
        let shares = match *amount > 0 {
            true => bank.credit(shares, amount.unsigned_abs())?,
            false => bank.debit(shares, amount.unsigned_abs(), Lending::Allowed)?,
        };
        account.set_shares(*key, bank.underlying, shares)?;
    }
    account.compact()?;
    // Nobody else's account is asked about, and there may be many.
    let mut supposed = Accounts {
        groups: accounts.groups.clone(),
        banks: accounts.banks.clone(),
        underlyings: accounts.underlyings.clone(),
        margin_accounts: [(*key, account)].into(),
        ..Accounts::default()
    };
    let options = group.options.terms()?;
    for each in moves {
        let sheet = supposed.underlyings.get_mut(&each.underlying);
        let sheet = sheet.ok_or_else(|| error!(MargraveError::UnderlyingMissing))?;
        let before = i128::from(sheet.oracle.price.max(1));
        let along = |value: i64| i64::try_from(i128::from(value) * i128::from(each.price) / before).or_refuse_range();
        sheet.oracle.stable_price = along(sheet.oracle.stable_price)?.max(1);
        sheet.oracle.confidence = along(sheet.oracle.confidence)?;
        sheet.oracle.price = each.price;
        sheet.oracle.publish_time = sheet.oracle.publish_time.saturating_add(each.seconds);
        for strike in sheet.strikes.iter_mut().filter(|strike| strike.expiry != 0) {
            let moved = i128::from(strike.vol) * (PPM + i128::from(each.volatility_ppm)) / PPM;
            strike.vol = i64::try_from(moved).or_refuse_range()?;
        }
        for index in 0..sheet.expiries.len() {
            if !sheet.expiries[index].is_free() {
                sheet.prepare(index, &options)?;
            }
        }
    }
    Ok(supposed)
}

/// A number that does not fit is out of range.
trait OrRange<T> {
    fn or_refuse_range(self) -> Result<T>;
}

impl<T> OrRange<T> for core::result::Result<T, core::num::TryFromIntError> {
    fn or_refuse_range(self) -> Result<T> {
        self.map_err(|_| error!(MargraveError::ValueOutOfRange))
    }
}

/// What a keeper with the margin account `liquidator` would do next.
pub fn plan(accounts: &Accounts, key: &Pubkey, liquidator: &Pubkey, now: i64) -> Result<Option<StepPlan>> {
    let keeper = keeper::Keeper { margin_account: *liquidator, avoided: &[], avoided_secs: 0 };
    let Some(decision) = keeper::decide(accounts, key, &keeper, now)? else { return Ok(None) };
    let group = accounts.margin_account(key)?.group;
    let group = accounts.groups.get(&group).ok_or_else(|| error!(MargraveError::GroupMismatch))?;
    let (relief, cost) =
        decision.expected.map_or((0, 0), |expected| (expected.relief.micros(), expected.cost.micros()));
    let insured = match decision.kind {
        keeper::StepKind::Positions => group.terms.insured_part_up(cost)?,
        _ => 0,
    };
    let Call { program_id, accounts, data } = decision.instruction;
    let accounts = accounts.into_iter().map(|meta| (meta.pubkey, meta.is_signer, meta.is_writable)).collect();
    Ok(Some(StepPlan { kind: decision.kind as u8, relief, cost, insured, program: program_id, accounts, data }))
}
