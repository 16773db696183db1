//! The portfolio shapes, smallest first. A name says what the account holds when the instruction runs.

use crate::{TOKEN_PROGRAM, Table};
use anyhow::Result;
use margrave::state::Instrument;
use margrave_client::{instruction, pda};
use margrave_sim::{Outcome, Token, Trader, World};
use margrave_tests::venues;

const DOLLAR: u64 = 1_000_000;
const SOL: u64 = 1_000_000_000;
const SOL_LONG: i64 = 1_000_000_000;
const PRICE: i64 = 350_000_000_000;
pub fn measure(table: &mut Table) -> Result<()> {
    setting_up(table)?;
    money(table)?;
    two_tokens(table)?;
    eight_tokens(table)
}

fn setting_up(table: &mut Table) -> Result<()> {
    let mut world = World::empty(World::START)?;
    table.add("create_group", 26_000, world.create_group(0))?;
    let owner = world.wallet("owner");
    let open = instruction::open_margin_account(owner.key(), owner.key(), world.group, 0);
    table.add("open_margin_account", 15_000, world.send(&[open], &[&owner.keypair]))?;
    world.list_sol(margrave_sim::terms::risk_terms())?;
    table.add("refresh_price, first, no expiry", 6_000, world.set_price(PRICE))
}

fn money(table: &mut Table) -> Result<()> {
    let mut world = World::with_market(PRICE)?;
    let alice = world.trader("alice");
    for token in [Token::Usdc, Token::Sol] {
        world.give(&alice, token, 1_000 * SOL);
    }
    table.add("deposit, first of an account", 18_000, world.deposit(&alice, Token::Usdc, 10 * DOLLAR))?;
    table.add("deposit, second token", 18_000, world.deposit(&alice, Token::Sol, SOL))?;
    table.add("withdraw, no positions", 18_000, world.withdraw(&alice, Token::Sol, SOL / 2))
}

/// Everybody holds one perp and two tokens.
fn two_tokens(table: &mut Table) -> Result<()> {
    let mut world = World::with_market(PRICE)?;
    let maker = world.funded("maker", 1_000_000 * DOLLAR, SOL);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, SOL);
    let alice = world.funded("alice", 5_000 * DOLLAR, SOL);
    table.add(
        "trade, both open their first position on 2 tokens",
        35_000,
        world.trade(&alice, &maker, 500 * SOL_LONG, PRICE),
    )?;
    world.trade(&keeper, &maker, SOL_LONG, PRICE)?;
    table.add("trade, both hold 1 perp and 2 tokens", 35_000, world.trade(&alice, &maker, SOL_LONG, PRICE))?;
    let before = world.svm.clone();
    table.add_called("venue_fill, both hold 1 perp and 2 tokens", 38_000, at_a_venue(&mut world, &alice, &maker))?;
    world.svm = before;
    table.add("withdraw, 1 perp and 2 tokens", 24_000, world.withdraw(&alice, Token::Usdc, DOLLAR))?;
    fall(&mut world, PRICE * 9 / 10)?;
    table.add(
        "trade, only to reduce risk, 1 perp and 2 tokens",
        45_000,
        world.trade(&alice, &maker, -SOL_LONG, PRICE * 9 / 10),
    )?;
    fall(&mut world, PRICE * 89 / 100)?;
    table.add("liquidate, both hold 1 perp and 2 tokens", 45_000, world.liquidate(&keeper, &alice, u64::MAX))
}

/// A fill on the word of a venue, with consents that are counted.
fn at_a_venue(world: &mut World, taker: &Trader, maker: &Trader) -> Outcome {
    venues::add_program(world);
    let venue = venues::register(world, margrave_venue::ID, 0, venues::ample_terms(1))?;
    world.set_price(PRICE)?;
    let until = world.now() + 60;
    for trader in [taker, maker] {
        venues::consent(world, trader, venue, until, 1_000 * DOLLAR)?;
    }
    let leg = world.leg(world.sol, Instrument::PERP, SOL_LONG);
    let fill = venues::fill_instruction(world, venue, taker, maker, &[leg]);
    world.send(&[venues::by_venue(fill)], &[])
}

/// Everybody holds one perp and all eight tokens an account can.
fn eight_tokens(table: &mut Table) -> Result<()> {
    let mut world = World::with_market(PRICE)?;
    let maker = world.funded("maker", 1_000_000 * DOLLAR, SOL);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, SOL);
    let alice = world.funded("alice", 5_000 * DOLLAR, SOL);
    for _ in 0..6 {
        fill(&mut world, [&alice, &maker, &keeper])?;
    }
    world.trade(&alice, &maker, 500 * SOL_LONG, PRICE)?;
    world.trade(&keeper, &maker, SOL_LONG, PRICE)?;
    table.add("trade, both hold 1 perp and 8 tokens", 60_000, world.trade(&alice, &maker, SOL_LONG, PRICE))?;
    table.add("withdraw, 1 perp and 8 tokens", 35_000, world.withdraw(&alice, Token::Usdc, DOLLAR))?;
    fall(&mut world, PRICE * 87 / 100)?;
    table.add("liquidate, both hold 1 perp and 8 tokens", 80_000, world.liquidate(&keeper, &alice, u64::MAX))
}

/// One more token, of which each trader deposits a little.
fn fill(world: &mut World, traders: [&Trader; 3]) -> Result<()> {
    let mint = world.list_extra_bank()?;
    let key = pda::bank(&world.group, &mint);
    for trader in traders {
        let source = world.give_new(trader, mint, SOL);
        let bank = world.load(&key);
        let deposit =
            instruction::deposit(trader.key(), trader.margin_account, (key, &bank), source, TOKEN_PROGRAM, SOL / 10);
        world.send(&[deposit], &[&trader.keypair])?;
    }
    Ok(())
}

fn fall(world: &mut World, price: i64) -> Result<()> {
    world.set_time(world.now() + 60);
    world.set_price(price)?;
    Ok(())
}
