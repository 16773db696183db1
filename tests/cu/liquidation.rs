//! What the steps of a liquidation cost when both accounts are full.

use crate::{Table, full::Market};
use anyhow::{Context, Result};
use margrave::state::{Instrument, InstrumentKind};
use margrave_client::{LiquidationLeg, Pubkey, instruction};
use margrave_sim::{Outcome, TOKEN_PROGRAM, Token, compute_limit};

const DOLLAR: u64 = 1_000_000;
/// A tenth of a position.
const UNITS: u64 = 100;

pub fn measure(table: &mut Table) -> Result<()> {
    let names = ["16 linear, 16 options, 8 tokens", "12 linear, 16 options, 8 tokens"];
    for (name, market) in names.into_iter().zip([Market::full, Market::of_eight_expiries]) {
        let mut market = market()?;
        market.ruin()?;
        let clean = market.world.svm.clone();
        let mut step = |what: &str, ceiling: u64, act: &dyn Fn(&mut Market) -> Result<Outcome>| -> Result<()> {
            market.world.svm = clean.clone();
            let outcome = act(&mut market)?;
            table.add(&format!("{what}, both hold {name}"), ceiling, outcome)
        };
        step("flag_account", 76_000, &|market| Ok(market.flag()))?;
        step("prove_breach", 45_000, &|market| market.prove())?;
        step("liquidate, one position", 178_000, &|market| market.take(1))?;
        step("liquidate, two positions", 198_000, &|market| market.take(2))?;
        step("liquidate_slice", 270_000, &|market| Ok(market.slice()))?;
        step("begin_bracket and end_bracket", 112_000, &|market| Ok(market.bracket()))?;
    }
    Ok(())
}

impl Market {
    /// The taker borrows what it can, and prices move against it.
    fn ruin(&mut self) -> Result<()> {
        let (key, now) = (self.taker.margin_account, self.world.now());
        let free = self.world.accounts().value(&key, now)?.initial_health().micros();
        let amount = u64::try_from(free - 1_000_000)?;
        let withdraw = self.world.borrow_instruction(&self.taker, Token::Usdc, amount, true);
        self.world.send(&[compute_limit(), withdraw], &[&self.taker.keypair])?;
        for percent in [85, 80, 120, 125] {
            let before = self.world.svm.clone();
            self.move_all(percent)?;
            let health = self.world.accounts().value(&key, self.world.now())?.maintenance_health();
            if health.is_negative() {
                return Ok(());
            }
            self.world.svm = before;
        }
        anyhow::bail!("no price breaches the account")
    }

    /// The first so many positions on one underlying that taking over helps.
    fn helpful(&self, count: usize) -> Result<(Pubkey, Vec<LiquidationLeg>)> {
        let (accounts, key) = (self.world.accounts(), self.taker.margin_account);
        let account = self.world.account(&self.taker);
        for (index, risk) in account.risk.iter().enumerate().filter(|(_, slot)| !slot.is_empty()) {
            let sheet = self.world.sheet(&risk.underlying);
            let mut legs = Vec::new();
            for slot in account.positions.iter().take_while(|slot| !slot.is_empty()) {
                if usize::from(slot.risk_slot) != index {
                    continue;
                }
                let kind = slot.kind()?;
                let series = match kind {
                    InstrumentKind::Perp => 0,
                    _ => sheet.expiries[usize::from(slot.expiry)].series,
                };
                let instrument = Instrument { kind, expiry: slot.expiry, strike: slot.strike, series };
                legs.push(LiquidationLeg { instrument, lots: 1 });
            }
            let choices: Vec<Vec<LiquidationLeg>> = match count {
                1 => legs.iter().map(|leg| vec![*leg]).collect(),
                _ => legs.iter().flat_map(|one| legs.iter().map(|other| vec![*one, *other])).collect(),
            };
            for legs in choices.into_iter().filter(|legs| legs.first() != legs.last() || count == 1) {
                if accounts.position_step(&key, &risk.underlying, &legs, UNITS, self.world.now())?.is_some() {
                    return Ok((risk.underlying, legs));
                }
            }
        }
        anyhow::bail!("no {count} positions help")
    }

    fn flag(&mut self) -> Outcome {
        let account = self.world.account(&self.taker);
        let flag = instruction::flag_account((self.taker.margin_account, &account));
        self.world.send(&[compute_limit(), flag], &[])
    }

    fn prove(&mut self) -> Result<Outcome> {
        let (key, now) = (self.taker.margin_account, self.world.now());
        let cells = self.world.accounts().proof_of_breach(&key, now)?.context("no cells prove the breach")?;
        Ok(self.world.prove_breach(&self.taker, cells))
    }

    /// One unit: whether it helps is looked at and no end is searched for.
    fn take(&mut self, count: usize) -> Result<Outcome> {
        let (underlying, legs) = self.helpful(count)?;
        let (a, b) = (self.world.account(&self.maker), self.world.account(&self.taker));
        let (liquidator, liquidatee) = ((self.maker.margin_account, &a), (self.taker.margin_account, &b));
        let step = instruction::liquidate(liquidator, liquidatee, underlying, legs, UNITS);
        Ok(self.world.send(&[compute_limit(), step], &[&self.maker.keypair]))
    }

    fn slice(&mut self) -> Outcome {
        let (a, b) = (self.world.account(&self.maker), self.world.account(&self.taker));
        let (liquidator, liquidatee) = ((self.maker.margin_account, &a), (self.taker.margin_account, &b));
        let step = instruction::liquidate_slice(liquidator, liquidatee, self.world.usdc_bank, 1 << 30);
        self.world.send(&[compute_limit(), step], &[&self.maker.keypair])
    }

    /// A tenth of a SOL for a fifth more than it is worth: health rises, hedge or not.
    fn bracket(&mut self) -> Outcome {
        let account = self.world.account(&self.taker);
        let from = (self.taker.margin_account, &account);
        self.world.give(&self.maker, Token::Usdc, 1_000 * DOLLAR);
        let (sol_bank, usdc_bank) = (self.world.load(&self.world.sol_bank), self.world.load(&self.world.usdc_bank));
        let (sol_bank, usdc_bank) = ((self.world.sol_bank, &sol_bank), (self.world.usdc_bank, &usdc_bank));
        let worth = u64::try_from(self.world.underlying().oracle.price / 100_000 * 12 / 10).unwrap_or(0);
        let (key, maker) = (self.maker.key(), &self.maker);
        let begin = instruction::begin_bracket(key, from.0, sol_bank, maker.sol, TOKEN_PROGRAM, 100_000_000);
        let end = instruction::end_bracket(key, from, usdc_bank, maker.usdc, TOKEN_PROGRAM, worth);
        self.world.send(&[compute_limit(), begin, end], &[&self.maker.keypair])
    }
}
