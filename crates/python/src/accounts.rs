//! Accounts of the program, and the valuations that the chain would make of them.

use crate::{
    portfolios::{in_threads, require_threads},
    records::{self, Refused, record},
    values,
};
use anyhow::{Context, Result, anyhow, bail};
use margrave::state::*;
use margrave_client::{
    Accounts as Decoded, Hypothesis, Instrument, InstrumentKind, Leg, Pubkey, Refusal, desk, instruction,
};
use margrave_eval::{Fields, decimal, exact, scaled};
use margrave_risk::{Price, Ratio, RiskError, Terms, Years};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyDict, PyList, PyMapping, PyString, PyTuple},
};
use rust_decimal::{Decimal, dec};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Of what is a binary fraction.
const DIGITS: u32 = 12;

type Argument<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// Accounts of the program as fetched from a cluster, and the valuations that the chain would make of them.
///
/// The code is the program's, so that an answer is what the chain would decide at the unix time ``now`` with these bytes. Threads may
/// share it.
///
/// Args:
///     accounts: Data by address, to be kept as by :meth:`put`.
#[pyclass(frozen, module = "margrave")]
#[derive(Default)]
pub struct Accounts(RwLock<Decoded>);

#[pymethods]
impl Accounts {
    #[new]
    #[pyo3(signature = (accounts = None))]
    fn new(py: Python<'_>, accounts: Argument<'_, '_>) -> PyResult<Self> {
        let new = Self::default();
        let given = accounts.map(|accounts| accounts.cast::<PyMapping>()?.items()).transpose()?;
        for item in given.into_iter().flatten() {
            let (address, data): (Bound<PyAny>, Bound<PyAny>) = item.extract()?;
            new.put(py, &address, &data)?;
        }
        Ok(new)
    }

    /// Keep an account's data in place of what was at its address.
    ///
    /// Returns:
    ///     ``Group``, ``Bank``, ``Underlying`` or ``MarginAccount``.
    ///
    /// Raises:
    ///     RiskError: No address; data of another type, length or version.
    fn put(&self, py: Python<'_>, address: &Bound<'_, PyAny>, data: &Bound<'_, PyAny>) -> PyResult<&'static str> {
        let key = address_of(address)?;
        let data: Vec<u8> = data.extract()?;
        let kept = py.detach(|| self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, &data));
        if !kept {
            let rule = format!(
                "{key}: these {} bytes are no group, bank, underlying or margin account of this version of the program",
                data.len()
            );
            return Err(records::risk_error(py, &rule));
        }
        Ok(match data {
            data if is_type::<Group>(&data) => "Group",
            data if is_type::<Bank>(&data) => "Bank",
            data if is_type::<Underlying>(&data) => "Underlying",
            _ => "MarginAccount",
        })
    }

    /// The addresses that valuing a margin account reads: its group, its banks and its underlyings, to be fetched and put.
    ///
    /// A group's quote bank is among them while there is a balance in it; trades with a premium need it.
    fn needed<'py>(&self, account: &Bound<'py, PyAny>) -> PyResult<Vec<String>> {
        let (py, key) = (account.py(), address_of(account)?);
        let accounts = self.read();
        let account = accounts.margin_account(&key).map_err(|error| Refused::from(error).raised(py))?;
        let read = instruction::valuation_accounts(&[account], &[]);
        Ok([account.group]
            .into_iter()
            .chain(read.into_iter().map(|meta| meta.pubkey))
            .map(|key| key.to_string())
            .collect())
    }

    /// Equity and margin levels that the chain would find.
    ///
    /// Raises:
    ///     ProgramError: An account that is not here, a price that is too old, and whatever else the program refuses for.
    fn value<'py>(&self, account: &Bound<'py, PyAny>, now: i64) -> PyResult<Bound<'py, PyAny>> {
        let py = account.py();
        let valuation = self.ask(account, |accounts, key| Ok(accounts.value(key, now)?))?;
        records::levels(py, &valuation)
    }

    /// :meth:`value` of many accounts, in their order; the arguments are those of :meth:`Market.margins`.
    #[pyo3(signature = (accounts, now, *, threads = 1, return_exceptions = false))]
    fn values<'py>(
        &self,
        accounts: &Bound<'py, PyAny>,
        now: i64,
        threads: usize,
        return_exceptions: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = accounts.py();
        require_threads(py, threads)?;
        let keys = accounts.try_iter()?.map(|key| address_of(&key?)).collect::<PyResult<Vec<_>>>()?;
        let valuations = py.detach(|| {
            let accounts = self.read();
            in_threads(&keys, threads, |key| accounts.value(key, now).map_err(Refused::from))
        });
        let answers = PyList::empty(py);
        for valuation in valuations {
            match valuation {
                Ok(valuation) => answers.append(records::levels(py, &valuation)?)?,
                Err(refused) if return_exceptions => answers.append(refused.raised(py))?,
                Err(refused) => return Err(refused.raised(py)),
            }
        }
        Ok(answers)
    }

    /// Every number behind an account's margin, as the program's ``explain`` returns it.
    ///
    /// Raises:
    ///     ProgramError: As :meth:`value`, except that a stale price is only noted, in ``refusal``.
    fn explain<'py>(&self, account: &Bound<'py, PyAny>, now: i64) -> PyResult<Bound<'py, PyAny>> {
        let py = account.py();
        let (risk, explained) = self.ask(account, |accounts, key| {
            let risk = accounts.margin_account(key)?.risk;
            // Without any underlying the numbers are those of any slot.
            let last = risk.iter().rposition(|slot| !slot.is_empty()).unwrap_or(0);
            let slots = (0..=last).filter(|slot| *slot == 0 || !risk[*slot].is_empty());
            let explain = |slot: usize| Ok((slot, accounts.explain(key, u8::try_from(slot).unwrap_or(u8::MAX), now)?));
            Ok((risk, slots.map(explain).collect::<Result<Vec<_>, Refused>>()?))
        })?;
        let (arrays, greeks) = (PyDict::new(py), PyDict::new(py));
        for (slot, explanation) in explained.iter().filter(|(slot, _)| !risk[*slot].is_empty()) {
            let underlying = risk[*slot].underlying.to_string();
            arrays.set_item(&underlying, records::micros(py, &explanation.cells)?)?;
            greeks.set_item(&underlying, slopes(py, &explanation.greeks)?)?;
        }
        let all = &explained[0].1;
        let numbers = &all.numbers;
        let worst = risk.get(usize::from(numbers.worst_slot));
        let worst = worst.map(|slot| (slot.underlying.to_string(), numbers.worst_cell));
        let refusal = Refusal::of(all.refusal).map(|refusal| records::program_error(py, &refusal)).transpose()?;
        let fields = (
            numbers.equity,
            numbers.initial_margin,
            numbers.liquidation_end,
            numbers.maintenance_margin,
            all.scan,
            records::worst(py, worst)?,
            records::charges_of(py, all.charges)?,
            arrays,
            greeks,
            all.sequence,
            refusal,
        );
        record!(py, "AccountMargin", fields)
    }

    /// Every position by itself, in the account's order. Raises as :meth:`value`, but for stale prices.
    fn positions<'py>(&self, account: &Bound<'py, PyAny>, now: i64) -> PyResult<Bound<'py, PyList>> {
        let py = account.py();
        let all = self.ask(account, |accounts, key| {
            let reports = desk::position_reports(accounts, key, now)?;
            let account = accounts.margin_account(key)?;
            let described = account.positions.iter().zip(reports).map(|(position, report)| {
                let underlying = account.risk[usize::from(position.risk_slot)].underlying;
                let sheet = &accounts.underlyings[&underlying];
                (Described::new(position, sheet), underlying.to_string(), report)
            });
            Ok(described.collect::<Vec<_>>())
        })?;
        let positions = all.into_iter().map(|(described, underlying, report)| {
            let fields = (
                underlying,
                described.kind,
                described.expiry,
                described.strike,
                described.quantity,
                price(report.mark),
                report.value,
                report.funding,
                report.initial_margin,
                report.maintenance_margin,
                slopes(py, &report.greeks)?,
                records::micros(py, &report.cells)?,
            );
            record!(py, "Position", fields)
        });
        PyList::new(py, positions.collect::<PyResult<Vec<_>>>()?)
    }

    /// What the program's ``preview`` would return: margin before and after trades, deposits and withdrawals.
    ///
    /// Counterparty, caps and liquidity are not looked at, and fees not charged.
    ///
    /// Raises:
    ///     RiskError: A trade or balance that is not well formed, or not listed.
    ///     ProgramError: As :meth:`value`, and what the change is refused for, except for margin.
    #[pyo3(signature = (account, now, *, trades = None, balances = None))]
    fn preview<'py>(
        &self,
        account: &Bound<'py, PyAny>,
        now: i64,
        trades: Argument<'_, 'py>,
        balances: Argument<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = account.py();
        let change = self.hypothesis(py, now, trades, balances)?;
        let answer = self.ask(account, |accounts, key| Ok(accounts.preview(key, &change, now)?))?;
        let levels = [answer.before, answer.after].map(|numbers| {
            let levels = (numbers.equity, numbers.initial_margin, numbers.liquidation_end, numbers.maintenance_margin);
            record!(py, "Levels", levels)
        });
        let [before, after] = levels;
        record!(py, "Preview", (before?, after?, answer.premium, answer.sequence))
    }

    /// Copies of one account and of what values it, in which it has traded at ``now`` and the market has moved since.
    ///
    /// A premium goes into or out of the balance of the quote token, in whole shares. Raises as :meth:`preview`.
    #[pyo3(signature = (account, now, *, trades = None, balances = None, moves = None))]
    fn suppose<'py>(
        &self,
        account: &Bound<'py, PyAny>,
        now: i64,
        trades: Argument<'_, 'py>,
        balances: Argument<'_, 'py>,
        moves: Argument<'_, 'py>,
    ) -> PyResult<Self> {
        let py = account.py();
        let change = self.hypothesis(py, now, trades, balances)?;
        let moves = values::each(py, "moves", moves, |fields| self.market_move(fields))?;
        let supposed = self.ask(account, |accounts, key| Ok(desk::supposed(accounts, key, &change, &moves, now)?))?;
        Ok(Self(RwLock::new(supposed)))
    }

    /// What is listed on an underlying, and its market as the chain has it: what a :class:`Market` can be made of.
    ///
    /// Prices are exact; volatilities, ranges, times and discounts, which are binary fractions, are rounded to 12 decimals.
    ///
    /// Raises:
    ///     RiskError: It is not here.
    ///     ProgramError: It has no price yet, or its bytes are not well formed.
    fn sheet<'py>(&self, underlying: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, key) = (underlying.py(), address_of(underlying)?);
        let accounts = self.read();
        let sheet = sheet(&accounts, &key).map_err(|error| records::risk_error(py, &format!("{error:#}")))?;
        let refused = |error| Refused::from(error).raised(py);
        let market = sheet.market().map_err(refused)?;
        let mut expiries = vec![];
        for (at, slot) in sheet.expiries.iter().enumerate().filter(|(_, slot)| !slot.is_free()) {
            let Terms { years, forward, discount } = slot.expiry().terms();
            let listed = sheet.strikes.iter().filter(|strike| usize::from(strike.expiry) == at + 1);
            let strikes = listed.map(|strike| {
                let vol = decimal(strike.vol().map_err(refused)?.bits(), 30, DIGITS);
                record!(py, "ListedStrike", (price(strike.price[0]), vol))
            });
            let strikes = PyTuple::new(py, strikes.collect::<PyResult<Vec<_>>>()?)?;
            let (years, discount) =
                (decimal(years.bits(), Years::BITS, DIGITS), decimal(discount.bits(), Ratio::BITS, DIGITS));
            expiries.push(record!(py, "ListedExpiry", (slot.time, years, price(forward.raw()), discount, strikes))?);
        }
        let fields = (
            String::from_utf8_lossy(&sheet.symbol).trim_end_matches('\0').to_owned(),
            price(sheet.oracle.price),
            price(sheet.oracle.confidence),
            price(sheet.oracle.stable_price),
            sheet.oracle.publish_time,
            decimal(market.scan_range.bits(), Ratio::BITS, DIGITS),
            PyTuple::new(py, expiries)?,
        );
        record!(py, "Sheet", fields)
    }

    /// What an instrument is worth by its sheet, dollars per unit.
    ///
    /// Raises:
    ///     RiskError: Nothing of this expiry or strike is listed.
    ///     ProgramError: It no longer trades.
    #[pyo3(signature = (underlying, now, *, kind = "perp", expiry = None, strike = None))]
    fn mark<'py>(
        &self,
        underlying: &Bound<'py, PyAny>,
        now: i64,
        kind: &str,
        expiry: Argument<'_, 'py>,
        strike: Argument<'_, 'py>,
    ) -> PyResult<Decimal> {
        let py = underlying.py();
        let kind = PyString::new(py, kind).into_any();
        let named = [("underlying", Some(underlying)), ("kind", Some(&kind)), ("expiry", expiry), ("strike", strike)];
        let request = values::object(py, &named)?;
        let found = Fields::of(&request).and_then(|fields| self.instrument(&fields));
        let (key, instrument) = found.map_err(|error| records::risk_error(py, &format!("{error:#}")))?;
        let accounts = self.read();
        desk::mark(&accounts, &key, &instrument, now).map(price).map_err(|error| Refused::from(error).raised(py))
    }

    /// What the chain has stored of the account's last valuation.
    fn stored<'py>(&self, account: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = account.py();
        let account = self.ask(account, |accounts, key| Ok(*accounts.margin_account(key)?))?;
        let arrays = PyDict::new(py);
        for slot in account.risk.iter().filter(|slot| !slot.is_empty()) {
            arrays.set_item(slot.underlying.to_string(), records::cells(py, &slot.array().expand())?)?;
        }
        let fields = (
            account.equity,
            account.initial_margin,
            account.liquidation_end,
            account.maintenance_margin,
            arrays,
            account.valued_at,
            account.valued_sequence,
            account.sequence,
        );
        record!(py, "Stored", fields)
    }

    /// The margin account's data as the chain would store it after valuing it. Raises as :meth:`value`.
    fn revalued<'py>(&self, account: &Bound<'py, PyAny>, now: i64) -> PyResult<Bound<'py, PyBytes>> {
        let data = self.ask(account, |accounts, key| Ok(accounts.revalued_data(key, now)?))?;
        Ok(PyBytes::new(account.py(), &data))
    }
}

impl Accounts {
    fn read(&self) -> RwLockReadGuard<'_, Decoded> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer about one account, without the interpreter's lock.
    fn ask<A: Send>(
        &self,
        account: &Bound<'_, PyAny>,
        question: impl FnOnce(&Decoded, &Pubkey) -> Result<A, Refused> + Send,
    ) -> PyResult<A> {
        let (py, key) = (account.py(), address_of(account)?);
        py.detach(|| question(&self.read(), &key)).map_err(|refused| refused.raised(py))
    }

    fn hypothesis(
        &self,
        py: Python<'_>,
        now: i64,
        trades: Argument<'_, '_>,
        balances: Argument<'_, '_>,
    ) -> PyResult<Hypothesis> {
        Ok(Hypothesis {
            legs: values::each(py, "trades", trades, |fields| {
                self.leg(&fields.without_path(), now).with_context(|| fields.path().to_owned())
            })?,
            balances: values::each(py, "balances", balances, |fields| self.balance(fields))?,
        })
    }

    fn leg(&self, fields: &Fields, now: i64) -> Result<(Pubkey, Leg)> {
        fields.require_known(&["underlying", "kind", "expiry", "strike", "quantity", "price"])?;
        let (key, instrument) = self.instrument(fields)?;
        let accounts = self.read();
        let sheet = sheet(&accounts, &key)?;
        let quantity = fields.convert("quantity", |value| exact(value, sheet.decimals.into()))?;
        let price = match fields.optional_decimal("price")? {
            Some(_) => fields.convert("price", raw_price)?,
            None => desk::mark(&accounts, &key, &instrument, now).map_err(told)?,
        };
        Ok((key, Leg { underlying: sheet.index, instrument, quantity, price }))
    }

    fn instrument(&self, fields: &Fields) -> Result<(Pubkey, Instrument)> {
        let key = address_in(fields, "underlying")?;
        let kind = match fields.text("kind")? {
            "perp" => InstrumentKind::Perp,
            "future" => InstrumentKind::Future,
            "call" => InstrumentKind::Call,
            "put" => InstrumentKind::Put,
            other => bail!("kind: '{other}' is none of perp, future, call, put"),
        };
        let expiry = if kind == InstrumentKind::Perp { 0 } else { fields.convert("expiry", |at| exact(at, 0))? };
        let strike = if kind.is_option() { fields.convert("strike", raw_price)? } else { 0 };
        let accounts = self.read();
        let sheet = sheet(&accounts, &key)?;
        let found = desk::instrument(sheet, kind, expiry, strike);
        Ok((key, found.with_context(|| not_listed(sheet, kind, expiry))?))
    }

    fn balance(&self, fields: &Fields) -> Result<(Pubkey, i64)> {
        fields.require_known(&["bank", "amount"])?;
        let key = address_in(fields, "bank")?;
        let accounts = self.read();
        let bank =
            accounts.banks.get(&key).with_context(|| format!("{}: {key} is not here", fields.path_of("bank")))?;
        Ok((key, fields.convert("amount", |amount| exact(amount, bank.decimals.into()))?))
    }

    fn market_move(&self, fields: &Fields) -> Result<desk::Move> {
        fields.require_known(&["underlying", "price", "vol_change", "seconds"])?;
        let underlying = address_in(fields, "underlying")?;
        let accounts = self.read();
        let price = match fields.optional_decimal("price")? {
            Some(_) => fields.convert("price", raw_price)?,
            None => sheet(&accounts, &underlying)?.oracle.price,
        };
        Ok(desk::Move {
            underlying,
            price,
            volatility_ppm: fields.convert_or("vol_change", Decimal::ZERO, |change| {
                anyhow::ensure!(change > dec!(-1), "{change} is not above -1");
                scaled(change, 6).context("the number is too large")
            })?,
            seconds: fields.convert_or("seconds", Decimal::ZERO, |seconds| {
                anyhow::ensure!(seconds >= Decimal::ZERO, "{seconds} is negative");
                exact(seconds, 0)
            })?,
        })
    }
}

/// A position's instrument and quantity as people say them.
struct Described {
    kind: &'static str,
    expiry: Option<i64>,
    strike: Option<Decimal>,
    quantity: Decimal,
}

impl Described {
    fn new(position: &PositionSlot, sheet: &Underlying) -> Self {
        let expiry = || Some(sheet.expiries[usize::from(position.expiry)].time);
        let strike = || Some(price(sheet.strikes[usize::from(position.strike)].price[0]));
        let (kind, expiry, strike) = match position.kind() {
            Ok(InstrumentKind::Future) => ("future", expiry(), None),
            Ok(InstrumentKind::Call) => ("call", expiry(), strike()),
            Ok(InstrumentKind::Put) => ("put", expiry(), strike()),
            _ => ("perp", None, None),
        };
        Self { kind, expiry, strike, quantity: Decimal::new(position.quantity, sheet.decimals.into()).normalize() }
    }
}

/// To the nearest 10^-10 dollars.
fn raw_price(value: Decimal) -> Result<i64> {
    Ok(Price::new(scaled(value, Price::DECIMALS).ok_or(RiskError::PriceOutOfRange)?)?.raw())
}

fn price(raw: i64) -> Decimal {
    Decimal::new(raw, Price::DECIMALS).normalize()
}

fn slopes<'py>(py: Python<'py>, greeks: &margrave::instructions::SlotGreeks) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "DollarGreeks", (greeks.delta, greeks.gamma, greeks.vega, greeks.theta))
}

fn sheet<'a>(accounts: &'a Decoded, key: &Pubkey) -> Result<&'a Underlying> {
    accounts.underlyings.get(key).map(|sheet| &**sheet).with_context(|| format!("underlying: {key} is not here"))
}

fn not_listed(sheet: &Underlying, kind: InstrumentKind, expiry: i64) -> String {
    let at = sheet.expiries.iter().position(|slot| !slot.is_free() && slot.time == expiry);
    let (name, listed) = match at {
        Some(at) if kind.is_option() => {
            let here = sheet.strikes.iter().filter(|strike| usize::from(strike.expiry) == at + 1);
            ("strike", here.map(|strike| price(strike.price[0]).to_string()).collect::<Vec<_>>())
        }
        _ => {
            let slots = sheet.expiries.iter().filter(|slot| !slot.is_free());
            ("expiry", slots.map(|slot| slot.time.to_string()).collect())
        }
    };
    format!("{name}: nothing of it is listed; listed are {}", listed.join(", "))
}

fn told(error: anchor_lang::error::Error) -> anyhow::Error {
    match Refused::from(error) {
        Refused::ByProgram(refusal) => anyhow!(refusal),
        Refused::Otherwise(sentence) => anyhow!(sentence),
    }
}

fn address_in(fields: &Fields, name: &str) -> Result<Pubkey> {
    let text = fields.text(name)?;
    parsed(text).with_context(|| fields.path_of(name))
}

fn parsed(text: &str) -> Result<Pubkey> {
    text.parse().map_err(|_| anyhow!("'{text}' is not an address of 32 bytes in base58"))
}

/// An address in base58, its 32 bytes, or what prints itself so.
fn address_of(item: &Bound<'_, PyAny>) -> PyResult<Pubkey> {
    if let Ok(bytes) = item.cast::<PyBytes>()
        && let Ok(key) = Pubkey::try_from(bytes.as_bytes())
    {
        return Ok(key);
    }
    parsed(&item.str()?.to_cow()?).map_err(|error| records::risk_error(item.py(), &format!("{error:#}")))
}
