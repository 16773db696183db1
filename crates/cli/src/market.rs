//! A group at one moment, and what people call the things in it.

use crate::{amount::Amount, usage};
use anyhow::{Context, Result, anyhow, bail};
use margrave::state::*;
use margrave_client::{Accounts, Instrument, InstrumentKind, Pubkey, Refusal};
use std::collections::BTreeMap;

/// Accounts of one group, the time they are looked at, and the names of tokens.
#[derive(Clone)]
pub struct Market {
    pub key: Pubkey,
    pub accounts: Accounts,
    /// Unix time of the chain's clock.
    pub now: i64,
    /// The slot the accounts were read at; zero when that is not known.
    pub slot: u64,
    /// Symbols of mints, for those that have no other.
    pub symbols: BTreeMap<Pubkey, String>,
}

/// Mints that everybody knows by name.
const KNOWN_MINTS: [(Pubkey, &str); 3] = [
    (anchor_lang::pubkey!("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"), "USDC"),
    (anchor_lang::pubkey!("Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB"), "USDT"),
    (anchor_lang::pubkey!("So11111111111111111111111111111111111111112"), "SOL"),
];

impl Market {
    /// # Errors
    /// When the group is not among the accounts.
    pub fn new(key: Pubkey, accounts: Accounts, now: i64, slot: u64) -> Result<Self> {
        let mut accounts = accounts;
        accounts.groups.retain(|group, _| *group == key);
        anyhow::ensure!(accounts.groups.contains_key(&key), "{key} is not a group of this program");
        accounts.banks.retain(|_, bank| bank.group == key);
        accounts.underlyings.retain(|_, underlying| underlying.group == key);
        accounts.margin_accounts.retain(|_, account| account.group == key);
        Ok(Self { key, accounts, now, slot, symbols: BTreeMap::new() })
    }

    pub fn group(&self) -> &Group {
        &self.accounts.groups[&self.key]
    }

    /// # Errors
    /// When it is not among the accounts that were read.
    pub fn account(&self, key: &Pubkey) -> Result<&MarginAccount> {
        let account = self.accounts.margin_accounts.get(key);
        account.with_context(|| format!("{key} is not a margin account of group {}", self.key))
    }

    pub fn bank(&self, key: &Pubkey) -> Result<&Bank> {
        self.accounts.banks.get(key).with_context(|| format!("{key} is not a bank of group {}", self.key))
    }

    pub fn underlying(&self, key: &Pubkey) -> Result<&Underlying> {
        let underlying = self.accounts.underlyings.get(key).map(|underlying| &**underlying);
        underlying.with_context(|| format!("{key} is not an underlying of group {}", self.key))
    }

    /// Banks in the order they were listed in.
    pub fn banks(&self) -> Vec<(&Pubkey, &Bank)> {
        let mut banks: Vec<_> = self.accounts.banks.iter().collect();
        banks.sort_by_key(|(key, bank)| (bank.index, **key));
        banks
    }

    /// Underlyings in the order they were listed in.
    pub fn underlyings(&self) -> Vec<(&Pubkey, &Underlying)> {
        let all = self.accounts.underlyings.iter().map(|(key, underlying)| (key, &**underlying));
        let mut underlyings: Vec<_> = all.collect();
        underlyings.sort_by_key(|(key, underlying)| (underlying.index, **key));
        underlyings
    }

    /// Margin accounts in the order of their addresses.
    pub fn margin_accounts(&self) -> Vec<(&Pubkey, &MarginAccount)> {
        let mut accounts: Vec<_> = self.accounts.margin_accounts.iter().collect();
        accounts.sort_by_key(|(key, _)| **key);
        accounts
    }

    /// The market with nothing but what one margin account refers to, to be changed and valued again and again.
    ///
    /// # Errors
    /// When the account or something it refers to was not read.
    pub fn alone(&self, key: &Pubkey) -> Result<Self> {
        let account = self.account(key)?;
        let mut accounts = Accounts::default();
        accounts.groups.insert(self.key, *self.group());
        for slot in account.collateral.iter().filter(|slot| !slot.is_empty()) {
            accounts.banks.insert(slot.bank, *self.bank(&slot.bank)?);
        }
        for slot in account.risk.iter().filter(|slot| !slot.is_empty()) {
            accounts.underlyings.insert(slot.underlying, Box::new(*self.underlying(&slot.underlying)?));
        }
        accounts.margin_accounts.insert(*key, *account);
        Ok(Self { accounts, symbols: self.symbols.clone(), ..*self })
    }

    /// An underlying's symbol.
    pub fn symbol(&self, key: &Pubkey) -> String {
        self.accounts.underlyings.get(key).map_or_else(|| key.to_string(), |underlying| symbol_of(underlying))
    }

    /// A bank's token: by its mint if that is known, else by what prices it, else by the mint's address.
    pub fn token(&self, bank: &Bank) -> String {
        let known = self.symbols.get(&bank.mint).map(String::as_str);
        let known = known.or_else(|| KNOWN_MINTS.iter().find(|(mint, _)| *mint == bank.mint).map(|(_, name)| *name));
        if let Some(known) = known {
            return known.to_owned();
        }
        if bank.is_quote() {
            return "USDC".to_owned();
        }
        let alike = self.accounts.banks.values().filter(|other| other.underlying == bank.underlying).count();
        if alike == 1 { self.symbol(&bank.underlying) } else { bank.mint.to_string() }
    }

    /// A bank by its token's symbol, its mint, its own address, or `quote`.
    ///
    /// # Errors
    /// When there is none, or several; all are listed.
    pub fn bank_named(&self, text: &str) -> Result<(Pubkey, &Bank)> {
        let is_it = |key: &Pubkey, bank: &Bank| {
            self.token(bank).eq_ignore_ascii_case(text)
                || text.parse().is_ok_and(|address: Pubkey| address == bank.mint || address == *key)
                || (bank.is_quote() && text.eq_ignore_ascii_case("quote"))
        };
        let found: Vec<_> = self.banks().into_iter().filter(|(key, bank)| is_it(key, bank)).collect();
        match found[..] {
            [(key, bank)] => Ok((*key, bank)),
            _ => {
                let all: Vec<String> =
                    self.banks().iter().map(|(_, bank)| format!("{} (mint {})", self.token(bank), bank.mint)).collect();
                let how = if found.is_empty() { "no token" } else { "more than one token" };
                Err(usage(format!("there is {how} '{text}' in this group; it has {}", all.join(", "))))
            }
        }
    }

    /// An underlying by symbol or address.
    ///
    /// # Errors
    /// When there is none; all are listed.
    pub fn underlying_named(&self, text: &str) -> Result<(Pubkey, &Underlying)> {
        let mut all = self.underlyings().into_iter();
        let is_it = |key: &Pubkey| {
            self.symbol(key).eq_ignore_ascii_case(text) || text.parse().is_ok_and(|address: Pubkey| address == *key)
        };
        let found = all.find(|(key, _)| is_it(key)).map(|(key, underlying)| (*key, underlying));
        found.ok_or_else(|| {
            let all: Vec<String> = self.underlyings().iter().map(|(key, _)| self.symbol(key)).collect();
            usage(format!("there is no underlying '{text}' in this group; it has {}", all.join(", ")))
        })
    }

    /// `SOL-PERP`, `SOL-20261226-F`, `SOL-20261226-C-150`. Two expiries of one day have their time in it: `20261226T0800`.
    pub fn instrument_name(&self, key: &Pubkey, instrument: &Instrument) -> String {
        let symbol = self.symbol(key);
        if instrument.kind == InstrumentKind::Perp {
            return format!("{symbol}-PERP");
        }
        let Some(underlying) = self.accounts.underlyings.get(key) else {
            return format!("{symbol}-{instrument:?}");
        };
        let slot = &underlying.expiries[usize::from(instrument.expiry).min(underlying.expiries.len() - 1)];
        let same_day = |other: &&ExpirySlot| !other.is_free() && day(other.time) == day(slot.time);
        let date = match underlying.expiries.iter().filter(same_day).count() {
            0 | 1 => day(slot.time),
            _ => time_of_day(slot.time),
        };
        let kind = match instrument.kind {
            InstrumentKind::Call => "C",
            InstrumentKind::Put => "P",
            _ => return format!("{symbol}-{date}-F"),
        };
        let strike = underlying.strikes.get(usize::from(instrument.strike)).map_or(0, |strike| strike.price[0]);
        format!("{symbol}-{date}-{kind}-{}", Amount::price(strike))
    }

    /// Everything that can be traded on an underlying, by name.
    pub fn instruments(&self, key: &Pubkey) -> Vec<(String, Instrument)> {
        let Some(underlying) = self.accounts.underlyings.get(key) else { return Vec::new() };
        let mut all = vec![Instrument::PERP];
        for (index, slot) in underlying.expiries.iter().enumerate().filter(|(_, slot)| !slot.is_free()) {
            let expiry = u8::try_from(index).unwrap_or(u8::MAX);
            all.push(Instrument { kind: InstrumentKind::Future, expiry, strike: 0, series: slot.series });
            let here = |(_, strike): &(usize, &StrikeSlot)| usize::from(strike.expiry) == index + 1;
            for (at, _) in underlying.strikes.iter().enumerate().filter(here) {
                for kind in [InstrumentKind::Call, InstrumentKind::Put] {
                    let strike = u16::try_from(at).unwrap_or(u16::MAX);
                    all.push(Instrument { kind, expiry, strike, series: slot.series });
                }
            }
        }
        all.into_iter().map(|instrument| (self.instrument_name(key, &instrument), instrument)).collect()
    }

    /// An instrument by the name that [`Market::instrument_name`] gives it.
    ///
    /// # Errors
    /// When nothing of that name is listed; what is listed on the underlying is.
    pub fn instrument_named(&self, text: &str) -> Result<(Pubkey, Instrument)> {
        for (key, _) in self.underlyings() {
            let named = |(name, _): &(String, Instrument)| name.eq_ignore_ascii_case(text);
            if let Some((_, instrument)) = self.instruments(key).into_iter().find(named) {
                return Ok((*key, instrument));
            }
        }
        let symbol = text.split('-').next().unwrap_or(text);
        let (key, _) = self.underlying_named(symbol).map_err(|error| {
            usage(format!("'{text}' names no instrument such as SOL-PERP or SOL-20261226-C-150: {error}"))
        })?;
        let mut names: Vec<String> = self.instruments(&key).into_iter().map(|(name, _)| name).collect();
        let more = names.len().saturating_sub(12);
        names.truncate(12);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Err(usage(format!("{text} is not listed; {symbol} has {}{more}", names.join(", "))))
    }

    /// The instrument that a stored position is in.
    ///
    /// # Errors
    /// When the account's bytes are not well formed.
    pub fn instrument_of(&self, account: &MarginAccount, position: &PositionSlot) -> Result<(Pubkey, Instrument)> {
        let risk = account.risk.get(usize::from(position.risk_slot)).context("a position without a risk slot")?;
        let kind = position.kind().map_err(refused)?;
        let expiry = self.underlying(&risk.underlying)?.expiries.get(usize::from(position.expiry));
        let series = if kind == InstrumentKind::Perp { 0 } else { expiry.map_or(0, |slot| slot.series) };
        let instrument = Instrument { kind, expiry: position.expiry, strike: position.strike, series };
        Ok((risk.underlying, instrument))
    }

    /// A text like `SOL-PERP:+1.5`: the instrument, and a quantity in smallest units, positive to buy.
    ///
    /// # Errors
    /// An unknown instrument, or a quantity that is not a number of lots.
    pub fn order(&self, text: &str) -> Result<Order> {
        let (name, size) = text
            .rsplit_once(':')
            .ok_or_else(|| usage(format!("'{text}' is not a leg such as SOL-PERP:+1.5 or SOL-20261226-C-150:-2")))?;
        let (key, instrument) = self.instrument_named(name)?;
        let underlying = self.underlying(&key)?;
        let quantity = crate::amount::parse(size, underlying.decimals.into())
            .map_err(|error| usage(format!("the size of {text}: {error}")))?;
        let lot = underlying.market.lot;
        if quantity == 0 || lot == 0 || quantity.unsigned_abs() % lot != 0 {
            let lot = Amount::new(lot, underlying.decimals);
            return Err(usage(format!("the size of {text} must be a multiple of the lot of {lot}, and not zero")));
        }
        Ok(Order { name: name.to_ascii_uppercase(), underlying: key, instrument, quantity })
    }
}

/// What somebody wants to trade: one leg without its price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub name: String,
    pub underlying: Pubkey,
    pub instrument: Instrument,
    /// Smallest units: positive buys, negative sells.
    pub quantity: i64,
}

/// A symbol without the zeros it is padded with.
pub fn symbol_of(underlying: &Underlying) -> String {
    String::from_utf8_lossy(&underlying.symbol).trim_end_matches('\0').to_owned()
}

fn day(unix_time: i64) -> String {
    formatted(unix_time, "%Y%m%d")
}

fn time_of_day(unix_time: i64) -> String {
    formatted(unix_time, "%Y%m%dT%H%M")
}

/// `2026-12-26 08:00:00 UTC`.
pub fn time(unix_time: i64) -> String {
    formatted(unix_time, "%Y-%m-%d %H:%M:%S UTC")
}

fn formatted(unix_time: i64, format: &str) -> String {
    jiff::Timestamp::from_second(unix_time).map_or_else(|_| unix_time.to_string(), |at| at.strftime(format).to_string())
}

/// `2 d 3 h`, `4 min 10 s`; never negative.
pub fn duration(secs: i64) -> String {
    let secs = secs.max(0);
    let (days, hours, minutes) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60);
    match secs {
        86_400.. => format!("{days} d {hours} h"),
        3_600.. => format!("{hours} h {minutes} min"),
        60.. => format!("{minutes} min {} s", secs % 60),
        _ => format!("{secs} s"),
    }
}

/// An error of the program's own code, run here: the rule, what is wrong, what to do.
pub fn refused(error: anchor_lang::error::Error) -> anyhow::Error {
    match Refusal::of_error(&error) {
        Some(refusal) => anyhow!(refusal),
        None => anyhow!("{error}"),
    }
}

/// Health of an account at a price of one underlying, all else equal: the shared engine on a copy of the sheet, whose forwards follow
/// the price and whose scan range and volatilities stay.
///
/// # Errors
/// As valuing the account; and a price that the engine does not take.
pub fn maintenance_health_at(alone: &mut Market, account: &Pubkey, underlying: &Pubkey, price: i64) -> Result<i64> {
    let options = alone.group().options.terms().map_err(refused)?;
    let Some(sheet) = alone.accounts.underlyings.get_mut(underlying) else { bail!("{underlying} was not read") };
    sheet.oracle.price = price;
    for index in 0..sheet.expiries.len() {
        if !sheet.expiries[index].is_free() && !sheet.expiries[index].is_settled() {
            sheet.prepare(index, &options).map_err(refused)?;
        }
    }
    let valuation = alone.accounts.value_to_liquidate(account, alone.now).map_err(refused)?;
    Ok(valuation.maintenance_health().micros())
}
