//! A cache of decoded accounts, and the same valuation the program makes of them.

use anchor_lang::{Discriminator, ZeroCopy, error, prelude::*};
use margrave::{
    constants::MAX_UNDERLYINGS,
    error::{MargraveError, OrRefuse},
    instructions::*,
    liquidation::*,
    oracle::Action,
    portfolio::*,
    slice::{part_of, part_of_position},
    state::*,
};
use margrave_risk::{Cell, Ratio, Usd, Valuation, quote_slice};
use std::{collections::HashMap, ops::Deref};

/// Decoded accounts by address.
#[derive(Clone, Default)]
pub struct Accounts {
    pub groups: HashMap<Pubkey, Group>,
    pub banks: HashMap<Pubkey, Bank>,
    pub underlyings: HashMap<Pubkey, Box<Underlying>>,
    pub margin_accounts: HashMap<Pubkey, MarginAccount>,
    pub venues: HashMap<Pubkey, Venue>,
    pub consents: HashMap<Pubkey, Consent>,
}

impl Accounts {
    /// Decodes an account of the program and keeps it. Returns whether the data is of a known type.
    pub fn insert(&mut self, key: Pubkey, data: &[u8]) -> bool {
        fn read<T: ZeroCopy + bytemuck::Pod>(data: &[u8]) -> Option<T> {
            is_type::<T>(data).then(|| bytemuck::pod_read_unaligned(&data[8..8 + size_of::<T>()]))
        }
        if let Some(group) = read(data) {
            self.groups.insert(key, group);
        } else if let Some(bank) = read(data) {
            self.banks.insert(key, bank);
        } else if let Some(underlying) = read(data) {
            self.underlyings.insert(key, Box::new(underlying));
        } else if let Some(account) = read(data) {
            self.margin_accounts.insert(key, account);
        } else if let Some(venue) = read(data) {
            self.venues.insert(key, venue);
        } else if let Some(consent) = read(data) {
            self.consents.insert(key, consent);
        } else {
            return false;
        }
        true
    }

    /// A margin account by address.
    ///
    /// # Errors
    /// `WrongAccountType` when it is not in the cache.
    pub fn margin_account(&self, key: &Pubkey) -> Result<&MarginAccount> {
        self.margin_accounts.get(key).ok_or_else(|| error!(MargraveError::WrongAccountType))
    }

    fn group_of(&self, account: &MarginAccount) -> Result<&Group> {
        self.groups.get(&account.group).ok_or_else(|| error!(MargraveError::GroupMismatch))
    }

    /// The sheet that prices a bank; none for the quote token.
    fn sheet_of(&self, bank: &Bank) -> Result<Option<&Underlying>> {
        if bank.is_quote() {
            return Ok(None);
        }
        let sheet = self.underlyings.get(&bank.underlying);
        sheet.map(|sheet| Some(&**sheet)).ok_or_else(|| error!(MargraveError::UnderlyingMissing))
    }

    /// What a liquidation or a flag would find at unix time `now`: old prices count as long as there is one.
    ///
    /// # Errors
    /// As [`Accounts::value`].
    pub fn value_to_liquidate(&self, key: &Pubkey, now: i64) -> Result<Valuation> {
        self.arranged(self.margin_account(key)?, Action::Reduce, now)?.valuation()
    }

    /// The account's initial health at unix time `now` after something that is only thought of.
    ///
    /// # Errors
    /// As [`Accounts::value`], and those of `change`.
    pub fn initial_health_after(
        &self,
        key: &Pubkey,
        now: i64,
        change: impl FnOnce(&mut MarginAccount) -> Result<()>,
    ) -> Result<i64> {
        let mut account = Box::new(*self.margin_account(key)?);
        change(&mut account)?;
        account.count_change()?;
        account.compact()?;
        Ok(self.arranged(&account, Action::AddRisk, now)?.valuation()?.initial_health().micros())
    }

    /// The account as plain numbers, for an action at unix time `now`.
    fn arranged(&self, account: &MarginAccount, action: Action, now: i64) -> Result<Arranged> {
        let mut arranged = Arranged::new(self.group_of(account)?)?;
        arranged.read(account, self, action, now)?;
        Ok(arranged)
    }

    /// What the chain would find at unix time `now`: equity, margin levels, worst scenario.
    ///
    /// # Errors
    /// As the program: a price that is too old, an account that is not in the cache.
    pub fn value(&self, key: &Pubkey, now: i64) -> Result<Valuation> {
        self.arranged(self.margin_account(key)?, Action::AddRisk, now)?.valuation()
    }

    /// The account as the chain would store it if it valued it at unix time `now`: margin numbers and risk arrays.
    ///
    /// # Errors
    /// As [`Accounts::value`].
    pub fn revalued(&self, key: &Pubkey, now: i64) -> Result<Box<MarginAccount>> {
        let mut account = Box::new(*self.margin_account(key)?);
        let mut arranged = Arranged::new(self.group_of(&account)?)?;
        revalue(&mut account, &mut arranged, self, Action::AddRisk, now)?;
        Ok(account)
    }

    /// The data of [`Accounts::revalued`]: its bytes with the discriminator.
    ///
    /// # Errors
    /// As [`Accounts::value`].
    pub fn revalued_data(&self, key: &Pubkey, now: i64) -> Result<Vec<u8>> {
        Ok([MarginAccount::DISCRIMINATOR, bytemuck::bytes_of(&*self.revalued(key, now)?)].concat())
    }

    /// What the chain's `preview` would answer at unix time `now`: margin numbers before and after a trade, deposits and
    /// withdrawals.
    ///
    /// # Errors
    /// As [`Accounts::value`]; and what the change is refused for, but for margin.
    pub fn preview(&self, key: &Pubkey, change: &Hypothesis, now: i64) -> Result<PreviewAnswer> {
        let account = self.margin_account(key)?;
        preview_of(account, (account.group, self.group_of(account)?), self, change, now)
    }

    /// What the chain's `explain` would answer at unix time `now`, with the risk array of one slot.
    ///
    /// # Errors
    /// As [`Accounts::value`], except that a stale price is only noted.
    pub fn explain(&self, key: &Pubkey, slot: u8, now: i64) -> Result<Explanation> {
        let account = self.margin_account(key)?;
        explanation_of(account, self.group_of(account)?, self, slot, now)
    }

    /// What the chain would let a liquidator take over of these positions on `underlying`, at most `max_units` units. `None` while
    /// the account may not be liquidated, and when taking them over would not help: they are a hedge, or not there.
    ///
    /// # Errors
    /// As the program: a price that is too old, an account that is not in the cache.
    pub fn position_step(
        &self,
        key: &Pubkey,
        underlying: &Pubkey,
        legs: &[LiquidationLeg],
        max_units: u64,
        now: i64,
    ) -> Result<Option<Step>> {
        let mut account = Box::new(*self.margin_account(key)?);
        let sheet = self.underlying(underlying)?;
        sheet.oracle.require_good_for(Action::Liquidate, now)?;
        let mut arranged = self.arranged(&account, Action::Reduce, now)?;
        let group = self.group_of(&account)?;
        let step = PositionStep::new(&mut account, &arranged, group, *underlying, &sheet, legs, now);
        let Some(mut step) = unless_useless(step)? else { return Ok(None) };
        let Some(units) = unless_useless(step.quote(&mut arranged, max_units))? else { return Ok(None) };
        let after = step.after(&mut arranged, units, None)?;
        Ok(Some(Step { units, taken: step.takes(units)?.to_vec(), before: step.before, after }))
    }

    /// The cells by which `prove_breach` shows that an account is below its maintenance margin: of each underlying its worst, or one
    /// and the same of all where they hedge one another. `None` when neither shows it, of a healthy account or of one that is short of
    /// what the cells do not see.
    ///
    /// # Errors
    /// An account that is not here, a price too old to liquidate at, or one that cannot be valued.
    pub fn proof_of_breach(&self, key: &Pubkey, now: i64) -> Result<Option<[u8; MAX_UNDERLYINGS]>> {
        let arranged = self.arranged(self.margin_account(key)?, Action::Liquidate, now)?;
        let mut worst = [Cell::UNCHANGED; MAX_UNDERLYINGS];
        arranged.evaluate(|slot, _, part| worst[slot] = part.array().worst().0)?;
        let same = (0..).map_while(|index| Cell::new(index).ok()).map(|cell| [cell; MAX_UNDERLYINGS]);
        for cells in std::iter::once(worst).chain(same) {
            if arranged.breach(&cells)?.is_proven() {
                return Ok(Some(cells.map(Cell::index)));
            }
        }
        Ok(None)
    }

    /// What the chain would let a liquidator buy of an account's deposit in `asset_bank` for what it owes in `debt_bank`, for at most
    /// `max_repay` atoms. `None` as for [`Accounts::position_step`].
    ///
    /// # Errors
    /// As [`Accounts::position_step`].
    pub fn collateral_step(
        &self,
        key: &Pubkey,
        [asset_bank, debt_bank]: [&Pubkey; 2],
        max_repay: u64,
        now: i64,
    ) -> Result<Option<CollateralQuote>> {
        let mut account = Box::new(*self.margin_account(key)?);
        let (mut asset, mut debt) = (*self.bank(asset_bank)?, *self.bank(debt_bank)?);
        asset.accrue(now)?;
        debt.accrue(now)?;
        let sheets = [self.sheet_of(&asset)?, self.sheet_of(&debt)?];
        for sheet in sheets.into_iter().flatten() {
            sheet.oracle.require_good_for(Action::Liquidate, now)?;
        }
        let directory = Accrued { accounts: self, banks: [(asset_bank, &asset), (debt_bank, &debt)] };
        let group = self.group_of(&account)?;
        let mut arranged = Arranged::new(group)?;
        arranged.read(&account, &directory, Action::Reduce, now)?;
        let (asset, debt) = ((asset_bank, &asset), (debt_bank, &debt));
        let step = CollateralStep::new(&mut account, &arranged, &group.terms, asset, debt, sheets, now);
        let Some(mut step) = unless_useless(step)? else { return Ok(None) };
        let Some(units) = unless_useless(step.quote(&mut arranged, max_repay))? else { return Ok(None) };
        let after = step.after(&mut arranged, units)?;
        Ok(Some(CollateralQuote { exchange: step.exchange(units)?, before: step.before, after }))
    }

    /// What the chain would let a liquidator buy of everything an account has, at most `max_share`, and for how much. `None` as for
    /// [`Accounts::position_step`], of an account without equity, and where whole lots would leave it with less than nothing.
    ///
    /// # Errors
    /// As [`Accounts::position_step`]; the whole account needs fresh prices.
    pub fn slice(&self, key: &Pubkey, max_share: Ratio, now: i64) -> Result<Option<Slice>> {
        let mut account = Box::new(*self.margin_account(key)?);
        let arranged = self.arranged(&account, Action::Liquidate, now)?;
        let before = arranged.valuation()?;
        if !account.is_liquidatable(&before, now) || before.equity.micros() <= 0 {
            return Ok(None);
        }
        account.begin_liquidation(before.equity, now);
        let price_ppm = self.group_of(&account)?.terms.slice_price_ppm(&account, now);
        let price = Ratio::from_ppm_up(price_ppm).or_refuse()?;
        let equity = Usd::new(arranged.full_equity_and_debts(before.equity).0).or_refuse()?;
        let whole = equity.mul_up(price);
        let share = quote_slice(&before, whole).min(max_share);
        let price_paid = whole.mul_up(share).micros();
        let after = self.without(&account, share, price_paid, now)?;
        if after.equity.is_negative() {
            return Ok(None);
        }
        Ok(Some(Slice { share, price_paid, equity: equity.mul_down(share).micros(), before, after }))
    }

    /// What is left of an account after a part of it was sold; banks round each balance by an atom that is not seen here.
    fn without(&self, account: &MarginAccount, share: Ratio, paid: i64, now: i64) -> Result<Valuation> {
        let mut account = Box::new(*account);
        for at in 0..account.positions.len() {
            let slot = account.positions[at];
            if slot.is_empty() {
                break;
            }
            let key = account.risk[usize::from(slot.risk_slot)].underlying;
            let underlying = self.underlying(&key)?;
            let (quantity, quote) = part_of_position(&slot, share, &underlying)?;
            if slot.kind()? == InstrumentKind::Perp {
                account.change_perp_at(at, &underlying, -quantity, -quote)?;
            } else {
                account.positions[at].change(-quantity, -quote)?;
            }
        }
        for slot in &mut account.risk {
            slot.add_claim(-part_of(slot.claim, share))?;
        }
        let quote_bank = self.group_of(&account)?.quote_bank;
        for slot in account.collateral.iter_mut().filter(|slot| !slot.is_empty()) {
            slot.shares -= part_of(slot.shares, share);
        }
        let mut bank = *self.bank(&quote_bank)?;
        let shares = bank.credit(account.shares_in(&quote_bank), paid.unsigned_abs())?;
        account.set_shares(quote_bank, Pubkey::default(), shares)?;
        account.count_change()?;
        account.compact()?;
        self.arranged(&account, Action::Reduce, now)?.valuation()
    }

    /// The same of the perp alone.
    ///
    /// # Errors
    /// As [`Accounts::position_step`].
    pub fn takeover(&self, key: &Pubkey, underlying: &Pubkey, now: i64) -> Result<Option<Taken>> {
        let perp = LiquidationLeg { instrument: Instrument::PERP, lots: 1 };
        Ok(self.position_step(key, underlying, &[perp], u64::MAX, now)?.map(|step| step.taken[0]))
    }
}

/// A step of a liquidation as the chain would take it.
#[derive(Clone, Debug)]
pub struct Step {
    pub units: i64,
    pub taken: Vec<Taken>,
    pub before: Valuation,
    pub after: Valuation,
}

/// A purchase of collateral as the chain would make it.
#[derive(Clone, Debug)]
pub struct CollateralQuote {
    pub exchange: Exchange,
    pub before: Valuation,
    pub after: Valuation,
}

/// A part of a whole account, as the chain would sell it.
#[derive(Clone, Debug)]
pub struct Slice {
    pub share: Ratio,
    /// What the liquidator pays, and the equity it gets for it, micro-dollars.
    pub price_paid: i64,
    pub equity: i64,
    pub before: Valuation,
    pub after: Valuation,
}

/// The cache with interest of two banks up to date.
struct Accrued<'a> {
    accounts: &'a Accounts,
    banks: [(&'a Pubkey, &'a Bank); 2],
}

impl Directory for Accrued<'_> {
    fn bank(&self, key: &Pubkey) -> Result<impl Deref<Target = Bank>> {
        let accrued = self.banks.iter().find(|(known, _)| *known == key).map(|(_, bank)| *bank);
        let cached = self.accounts.banks.get(key);
        accrued.or(cached).ok_or_else(|| error!(MargraveError::BankMissing))
    }

    fn underlying(&self, key: &Pubkey) -> Result<impl Deref<Target = Underlying>> {
        self.accounts.underlying(key)
    }
}

/// What the chain refuses because there is nothing to do is no error of whoever asks.
fn unless_useless<T>(outcome: Result<T>) -> Result<Option<T>> {
    use MargraveError::{
        AccountIsHealthy, AmountMustBePositive, BankMissing, LiquidationWouldNotHelp, NoPosition, NothingToRepay,
    };
    // A balance that counts as nothing, beside an isolated account's market, is not among what was read.
    let useless =
        [AccountIsHealthy, AmountMustBePositive, BankMissing, LiquidationWouldNotHelp, NoPosition, NothingToRepay];
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if useless.iter().any(|it| is(&error, *it)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is(error: &Error, expected: MargraveError) -> bool {
    matches!(error, Error::AnchorError(error) if error.error_code_number == u32::from(expected))
}

impl Directory for Accounts {
    fn bank(&self, key: &Pubkey) -> Result<impl Deref<Target = Bank>> {
        self.banks.get(key).ok_or_else(|| error!(MargraveError::BankMissing))
    }

    fn underlying(&self, key: &Pubkey) -> Result<impl Deref<Target = Underlying>> {
        self.underlyings
            .get(key)
            .map(|underlying| &**underlying)
            .ok_or_else(|| error!(MargraveError::UnderlyingMissing))
    }
}
