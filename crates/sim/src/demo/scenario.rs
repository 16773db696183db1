//! The story: four accounts, one trade each way, then whatever the prices do.

use crate::{prices::Hour, render::Screen};
use anyhow::{Context, Result, ensure};
use margrave::state::{MarginAccount, Status};
use margrave_client::Event;
use margrave_sim::{Books, Receipt, Token, Trader, World, check_books};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const DOLLAR: u64 = 1_000_000;
const SOL: u64 = 1_000_000_000;
/// What the hedged account shorts against its deposit, and the unhedged one buys.
const SIZE: i64 = 1_000_000_000_000;

/// The machine-readable result. Dollars are micro-dollars, prices 10^-10 dollars, quantities lamports.
#[derive(Serialize)]
pub struct Summary {
    pub prices: String,
    pub from: String,
    pub to: String,
    pub hours: usize,
    pub first_price: i64,
    pub last_price: i64,
    pub lowest_price: i64,
    pub accounts: BTreeMap<String, Standing>,
    pub liquidations: Vec<Liquidation>,
    pub preview_equals_chain: bool,
    pub conservation: Conservation,
    pub compute_units: BTreeMap<String, Range>,
    pub program: Program,
}

#[derive(Serialize)]
pub struct Standing {
    pub equity: i64,
    pub initial_margin: i64,
    pub maintenance_margin: i64,
    pub position: i64,
    pub status: String,
    pub liquidated: bool,
}

#[derive(Serialize)]
pub struct Liquidation {
    pub time: String,
    pub account: String,
    pub price: i64,
    pub quantity: i64,
    pub fee: i64,
    pub health_before: i64,
    pub health_after: i64,
}

#[derive(Serialize)]
pub struct Conservation {
    pub holds: bool,
    #[serde(flatten)]
    pub books: Books,
}

#[derive(Serialize)]
pub struct Range {
    pub calls: usize,
    pub min: u64,
    pub max: u64,
}

#[derive(Serialize)]
pub struct Program {
    pub sha256: String,
    pub bytes: usize,
}

/// Runs the story on `hours` and checks the conservation laws after every hour.
pub fn run(hours: &[Hour], source: String, screen: &mut Screen) -> Result<Summary> {
    let (first, last) = (hours.first().context("no prices")?, hours.last().context("no prices")?);
    let mut units = ComputeUnits::default();
    let mut world = World::with_market_at(first.price, first.unix_time)?;

    let maker = world.trader("market maker");
    let hedged = world.trader("hedged");
    let unhedged = world.trader("unhedged");
    let keeper = world.trader("keeper");
    // The unhedged account posts a third of what it buys, whatever SOL costs when the story begins.
    let notional = u64::try_from(i128::from(first.price) * i128::from(SIZE) / 10_i128.pow(13))?;
    let stake = notional / 3;
    let deposits = [
        (&maker, Token::Usdc, 10 * notional),
        (&hedged, Token::Sol, 1_000 * SOL),
        (&hedged, Token::Usdc, 1_000 * DOLLAR),
        (&unhedged, Token::Usdc, stake),
        (&keeper, Token::Usdc, 5 * notional),
    ];
    for (trader, token, amount) in deposits {
        world.give(trader, token, amount);
        units.add("deposit", &world.deposit(trader, token, amount)?);
    }
    units.add("trade", &world.trade(&hedged, &maker, -SIZE, first.price)?);
    units.add("trade", &world.trade(&unhedged, &maker, SIZE, first.price)?);
    screen.opening(&source, first, last, hours.len());
    for trader in [&hedged, &unhedged] {
        screen.heat_table(trader, &live(&world, trader)?);
    }

    let mut liquidations: Vec<Liquidation> = Vec::new();
    let mut lowest = first.price;
    screen.hours_header();
    for hour in &hours[1..] {
        world.set_time(hour.unix_time);
        units.add("refresh_price", &world.set_price(hour.price)?);
        lowest = lowest.min(hour.price);
        let mut events = Vec::new();
        for trader in [&hedged, &unhedged, &maker] {
            while let Some(event) = keep(&mut world, &keeper, trader, &mut units, screen)? {
                events.push(event);
            }
        }
        screen.hour(hour, &live(&world, &hedged)?, &live(&world, &unhedged)?, &events);
        liquidations.extend(events);
        check_books(&world)?;
    }

    screen.closing();
    for trader in [&hedged, &unhedged] {
        screen.heat_table(trader, &live(&world, trader)?);
    }
    // Whoever is healthy can take money out: the hedged account takes a tenth of its dollars.
    units.add("withdraw", &world.withdraw(&hedged, Token::Usdc, 100 * DOLLAR)?);

    let books = check_books(&world)?;
    let traders = [&maker, &hedged, &unhedged, &keeper];
    let mut accounts = BTreeMap::new();
    for trader in traders {
        accounts.insert(trader.name.clone(), standing(&world, trader, &liquidations)?);
    }
    let program = std::fs::read(margrave_sim::program_path())?;
    Ok(Summary {
        prices: source,
        from: margrave_sim::text::time(first.unix_time),
        to: margrave_sim::text::time(last.unix_time),
        hours: hours.len(),
        first_price: first.price,
        last_price: last.price,
        lowest_price: lowest,
        accounts,
        liquidations,
        // `keep` has returned an error otherwise.
        preview_equals_chain: true,
        conservation: Conservation { holds: true, books },
        compute_units: units.0,
        program: Program {
            sha256: Sha256::digest(&program).iter().map(|byte| format!("{byte:02x}")).collect(),
            bytes: program.len(),
        },
    })
}

/// The keeper's turn: asks the engine natively what the chain would allow, sends it, and requires that the chain did
/// exactly that.
fn keep(
    world: &mut World,
    keeper: &Trader,
    trader: &Trader,
    units: &mut ComputeUnits,
    screen: &mut Screen,
) -> Result<Option<Liquidation>> {
    let Some(expected) = world.accounts().takeover(&trader.margin_account, &world.sol, world.now())? else {
        return Ok(None);
    };
    let receipt = world.liquidate(keeper, trader, expected.quantity.unsigned_abs())?;
    units.add("liquidate", &receipt);
    let events = receipt.events();
    let Some(Event::PositionsLiquidated(event)) = events.first() else {
        anyhow::bail!("the liquidation emitted no event");
    };
    ensure!(event.taken == [expected], "the chain took over {:?}, the preview was {expected:?}", event.taken);
    let after = live(world, trader)?;
    ensure!(
        (event.liquidatee.numbers.equity, event.liquidatee.numbers.maintenance_margin)
            == (after.equity, after.maintenance_margin),
        "the chain's numbers are not the preview's"
    );
    screen.progress("liquidated", trader);
    Ok(Some(Liquidation {
        time: margrave_sim::text::time(world.now()),
        account: trader.name.clone(),
        price: event.index_price,
        quantity: expected.quantity,
        fee: expected.fee,
        health_before: event.health_before,
        health_after: event.health_after,
    }))
}

/// The account with its margin numbers and risk arrays at the current price, as the chain would store them.
fn live(world: &World, trader: &Trader) -> Result<MarginAccount> {
    Ok(*world.accounts().revalued(&trader.margin_account, world.now())?)
}

fn standing(world: &World, trader: &Trader, liquidations: &[Liquidation]) -> Result<Standing> {
    let account = live(world, trader)?;
    let status = [Status::Healthy, Status::MarginCall, Status::InLiquidation, Status::Bankrupt];
    let status = status.iter().find(|status| **status as u8 == account.status);
    Ok(Standing {
        equity: account.equity,
        initial_margin: account.initial_margin,
        maintenance_margin: account.maintenance_margin,
        position: account.positions.iter().map(|slot| slot.quantity).sum(),
        status: format!("{:?}", status.context("an unknown status")?),
        liquidated: liquidations.iter().any(|event| event.account == trader.name),
    })
}

#[derive(Default)]
struct ComputeUnits(BTreeMap<String, Range>);

impl ComputeUnits {
    fn add(&mut self, instruction: &str, receipt: &Receipt) {
        let units = receipt.compute_units;
        let range = self.0.entry(instruction.to_owned()).or_insert(Range { calls: 0, min: units, max: units });
        *range = Range { calls: range.calls + 1, min: range.min.min(units), max: range.max.max(units) };
    }
}
