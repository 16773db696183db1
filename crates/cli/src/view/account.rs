//! Where an account stands: what it has, what it needs, and what an action would change.

use super::{View, cell_name, facts, number, positions::Positions, table};
use crate::{
    amount::Amount,
    market::{Market, refused, time},
};
use anyhow::Result;
use margrave::{instructions::Numbers, state::*};
use margrave_client::{Hypothesis, Pubkey, Refusal};
use serde::Serialize;

/// One line of a list of accounts, from what the chain has stored: the margin numbers are of `valued_at`.
#[derive(Clone, Debug, Serialize)]
pub struct AccountLine {
    pub address: String,
    pub owner: String,
    pub number: u16,
    pub mode: &'static str,
    pub status: &'static str,
    pub equity: Amount,
    pub initial_margin: Amount,
    pub maintenance_margin: Amount,
    /// Whether a balance or position has changed since.
    pub is_stale: bool,
    pub valued_at: i64,
    pub positions: usize,
}

/// A list of margin accounts.
#[derive(Clone, Debug, Serialize)]
pub struct AccountList {
    pub group: String,
    pub accounts: Vec<AccountLine>,
}

impl AccountList {
    /// The accounts of `owner`, or everybody's.
    pub fn of(market: &Market, owner: Option<&Pubkey>) -> Self {
        let mut accounts: Vec<AccountLine> = Vec::new();
        for (key, account) in market.margin_accounts() {
            if owner.is_some_and(|owner| account.owner != *owner) {
                continue;
            }
            accounts.push(AccountLine {
                address: key.to_string(),
                owner: account.owner.to_string(),
                number: account.number,
                mode: mode_name(account.mode),
                status: status_name(account.status),
                equity: Amount::usd(account.equity),
                initial_margin: Amount::usd(account.initial_margin),
                maintenance_margin: Amount::usd(account.maintenance_margin),
                is_stale: account.valued_sequence != account.sequence,
                valued_at: account.valued_at,
                positions: account.positions.iter().take_while(|position| !position.is_empty()).count(),
            });
        }
        accounts.sort_by(|a, b| (&a.owner, a.number).cmp(&(&b.owner, b.number)));
        Self { group: market.key.to_string(), accounts }
    }
}

impl View for AccountList {
    fn text(&self, _: bool) -> String {
        if self.accounts.is_empty() {
            return format!("no margin accounts in group {}", self.group);
        }
        let mut rows = table(&["No", "Address", "Mode", "Status", "Positions", "Equity $", "IM $", "MM $", "As of"]);
        for line in &self.accounts {
            let stale = if line.is_stale { " (changed since)" } else { "" };
            let as_of = if line.valued_at == 0 { "never valued".to_owned() } else { time(line.valued_at) + stale };
            rows.add_row(vec![
                number(line.number),
                line.address.clone().into(),
                line.mode.into(),
                line.status.into(),
                number(line.positions),
                number(line.equity.grouped(2)),
                number(line.initial_margin.grouped(2)),
                number(line.maintenance_margin.grouped(2)),
                as_of.into(),
            ]);
        }
        rows.to_string()
    }
}

/// A balance in one bank.
#[derive(Clone, Debug, Serialize)]
pub struct Balance {
    pub token: String,
    pub mint: String,
    pub bank: String,
    /// What could be taken out if nothing stood in the way, rounded down; negative: what is owed, rounded up.
    pub amount: Amount,
    /// At the last price, without haircut; none without a price.
    pub value: Option<Amount>,
}

/// Equity against the three levels, and how it is meant: each health is equity less the level, negative means a breach.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    pub equity: Amount,
    pub initial_margin: Amount,
    pub liquidation_end: Amount,
    pub maintenance_margin: Amount,
    /// Free collateral: what may still be used to add risk.
    pub initial_health: Amount,
    pub maintenance_health: Amount,
    /// Underlying and scenario that the margin is made for.
    pub worst_underlying: Option<String>,
    pub worst_cell: Option<u8>,
    pub worst_cell_name: Option<String>,
}

impl Health {
    /// `account`'s risk slots give the worst underlying its name.
    pub fn of(market: &Market, account: &MarginAccount, numbers: &Numbers) -> Self {
        let slot = account.risk.get(usize::from(numbers.worst_slot)).filter(|_| numbers.worst_cell != u8::MAX);
        let underlying = slot.filter(|slot| slot.underlying != Pubkey::default());
        Self {
            equity: Amount::usd(numbers.equity),
            initial_margin: Amount::usd(numbers.initial_margin),
            liquidation_end: Amount::usd(numbers.liquidation_end),
            maintenance_margin: Amount::usd(numbers.maintenance_margin),
            initial_health: Amount::usd(i128::from(numbers.equity) - i128::from(numbers.initial_margin)),
            maintenance_health: Amount::usd(i128::from(numbers.equity) - i128::from(numbers.maintenance_margin)),
            worst_underlying: underlying.map(|slot| market.symbol(&slot.underlying)),
            worst_cell: slot.map(|_| numbers.worst_cell),
            worst_cell_name: slot.map(|_| cell_name(numbers.worst_cell)),
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let worst = match (&self.worst_underlying, &self.worst_cell_name) {
            (Some(underlying), Some(cell)) => format!("{underlying}, {cell}"),
            (None, Some(cell)) => cell.clone(),
            _ => "no exposure".to_owned(),
        };
        vec![
            ("Equity $", self.equity.grouped(2)),
            ("Initial margin $", self.initial_margin.grouped(2)),
            ("Liquidation end $", self.liquidation_end.grouped(2)),
            ("Maintenance margin $", self.maintenance_margin.grouped(2)),
            ("Free (equity - IM) $", self.initial_health.grouped(2)),
            ("Health (equity - MM) $", self.maintenance_health.grouped(2)),
            ("Worst scenario", worst),
        ]
    }
}

/// One account: who, what, how healthy.
#[derive(Clone, Debug, Serialize)]
pub struct AccountView {
    pub address: String,
    pub owner: String,
    pub number: u16,
    pub mode: &'static str,
    /// When last valued on chain.
    pub status: &'static str,
    pub sequence: u64,
    pub slot: u64,
    pub time: i64,
    pub health: Health,
    /// Size of what all positions stand for, and how many times equity that is; none without equity.
    pub notional: Amount,
    pub leverage: Option<Amount>,
    pub balances: Vec<Balance>,
    /// Realised profit not drawn yet, or loss not paid yet, by underlying.
    pub claims: Vec<(String, Amount)>,
    /// Why the account could not add risk now.
    pub refusal: Option<String>,
}

impl AccountView {
    /// Valued at the last prices, however old they are; `refusal` says whether they stand in the way.
    ///
    /// # Errors
    /// When the account is not there, or has risk on an underlying without any price.
    pub fn of(market: &Market, key: &Pubkey) -> Result<Self> {
        let account = market.account(key)?;
        let answer = market.accounts.explain(key, u8::MAX, market.now).map_err(refused)?;
        let mut balances = Vec::new();
        for slot in account.collateral.iter().filter(|slot| !slot.is_empty()) {
            balances.push(balance(market, slot)?);
        }
        let claims = account.risk.iter().filter(|slot| slot.claim != 0);
        let positions = Positions::of(market, key)?.positions;
        let notional: i128 = positions.iter().filter_map(|position| position.notional).map(|it| it.base).sum();
        let equity = i128::from(answer.numbers.equity);
        Ok(Self {
            notional: Amount::usd(notional),
            leverage: (equity > 0).then(|| Amount::new(notional * 100 / equity, 2u32)),
            address: key.to_string(),
            owner: account.owner.to_string(),
            number: account.number,
            mode: mode_name(account.mode),
            status: status_name(account.status),
            sequence: account.sequence,
            slot: market.slot,
            time: market.now,
            health: Health::of(market, account, &answer.numbers),
            balances,
            claims: claims.map(|slot| (market.symbol(&slot.underlying), Amount::usd(slot.claim))).collect(),
            refusal: Refusal::of(answer.refusal).map(|refusal| refusal.to_string()),
        })
    }
}

fn balance(market: &Market, slot: &CollateralSlot) -> Result<Balance> {
    let bank = market.bank(&slot.bank)?;
    let shares = slot.shares.unsigned_abs();
    let atoms = match slot.shares < 0 {
        true => -i128::from(bank.debt_up_at(shares, market.now).map_err(refused)?),
        false => i128::from(bank.atoms_down(shares).map_err(refused)?),
    };
    let price = if bank.is_quote() {
        Some(10_000_000_000)
    } else {
        market.accounts.underlyings.get(&bank.underlying).map(|sheet| sheet.oracle.price).filter(|price| *price != 0)
    };
    let value = price.map(|price| atoms * i128::from(price) / 10i128.pow(4 + u32::from(bank.decimals)));
    Ok(Balance {
        token: market.token(bank),
        mint: bank.mint.to_string(),
        bank: slot.bank.to_string(),
        amount: Amount::new(atoms, bank.decimals),
        value: value.map(Amount::usd),
    })
}

impl View for AccountView {
    fn text(&self, _: bool) -> String {
        let mut rows = vec![
            ("Account", format!("{} (number {} of {})", self.address, self.number, self.owner)),
            ("Mode, status", format!("{}, {}", self.mode, self.status)),
        ];
        rows.extend(self.health.rows());
        let leverage = self.leverage.map_or_else(|| "-".to_owned(), |leverage| leverage.grouped(2));
        rows.push(("Notional $, leverage", format!("{}, {leverage}", self.notional.grouped(2))));
        for (symbol, claim) in &self.claims {
            rows.push(("Unsettled on", format!("{symbol}: {} $", claim.grouped(2))));
        }
        if let Some(refusal) = &self.refusal {
            rows.push(("Cannot add risk", refusal.clone()));
        }
        let mut text = facts(&rows);
        if !self.balances.is_empty() {
            let mut balances = table(&["Token", "Balance", "Value $"]);
            for it in &self.balances {
                let value = it.value.map_or_else(|| "-".to_owned(), |value| value.grouped(2));
                balances.add_row(vec![it.token.clone().into(), number(it.amount), number(value)]);
            }
            text.push_str(&balances.to_string());
        }
        text
    }
}

/// Margin before and after something that is only thought of.
#[derive(Clone, Debug, Serialize)]
pub struct PreviewView {
    pub address: String,
    pub before: Health,
    pub after: Health,
    /// What the options of it cost in cash; negative: bring.
    pub premium: Amount,
    /// Whether initial margin is met afterwards.
    pub is_allowed: bool,
    /// Whether initial margin falls.
    pub reduces_margin: bool,
}

impl PreviewView {
    /// # Errors
    /// What the change is refused for, but for margin.
    pub fn of(market: &Market, key: &Pubkey, change: &Hypothesis) -> Result<Self> {
        let account = market.account(key)?;
        let answer = market.accounts.preview(key, change, market.now).map_err(refused)?;
        // A new underlying takes the first free slot, as it will on chain.
        let mut after = *account;
        for (underlying, _) in &change.legs {
            after.open_risk(*underlying).map_err(refused)?;
        }
        for (bank, _) in &change.balances {
            let underlying = market.bank(bank)?.underlying;
            if underlying != Pubkey::default() {
                after.open_risk(underlying).map_err(refused)?;
            }
        }
        Ok(Self {
            address: key.to_string(),
            before: Health::of(market, account, &answer.before),
            after: Health::of(market, &after, &answer.after),
            premium: Amount::usd(answer.premium),
            is_allowed: answer.after.equity >= answer.after.initial_margin,
            reduces_margin: answer.after.initial_margin < answer.before.initial_margin,
        })
    }
}

impl View for PreviewView {
    fn text(&self, _: bool) -> String {
        let mut rows = table(&["", "Before", "After"]);
        for ((name, before), (_, after)) in self.before.rows().into_iter().zip(self.after.rows()) {
            rows.add_row(vec![name.into(), number(before), number(after)]);
        }
        let mut text = rows.to_string();
        if self.premium.base != 0 {
            text.push_str(&format!("\nPremium paid $ {}", self.premium.grouped(2)));
        }
        let verdict = match (self.is_allowed, self.reduces_margin) {
            (true, true) => "This reduces the margin.",
            (true, false) => "Initial margin is met afterwards.",
            (false, _) => "Initial margin is not met afterwards.",
        };
        format!("{text}\n{verdict}")
    }
}

pub fn mode_name(mode: u8) -> &'static str {
    match mode {
        0 => "portfolio",
        1 => "cross",
        2 => "isolated",
        _ => "unknown",
    }
}

pub fn status_name(status: u8) -> &'static str {
    match status {
        0 => "healthy",
        1 => "margin call",
        2 => "in liquidation",
        3 => "bankrupt",
        _ => "unknown",
    }
}
