//! I-09, and the promise behind every screen: what the engine says off chain is what the chain stores, bit for bit.

use crate::common::*;
use anchor_lang::InstructionData;
use margrave::{
    constants::{MAX_COLLATERALS, MAX_LEGS},
    instructions::{BalanceChange, Level, PreviewArgs},
    state::{Instrument, MarginAccount},
    trading::Leg,
};
use margrave_client::instruction::{self, PlacedLeg};
use proptest::test_runner::{Config, TestRunner};

/// The stored numbers equal a fresh valuation of the stored balances and positions.
#[track_caller]
fn stored_equals_recomputed(world: &World, trader: &Trader) {
    let stored = world.account(trader);
    let fresh = world.accounts().revalued(&trader.margin_account, world.now()).unwrap();
    assert_eq!(numbers(&stored), numbers(&fresh));
    assert_eq!(stored.valued_sequence, stored.sequence);
}

type Numbers = ([i64; 4], Vec<(u16, [i16; 31], i64, u8)>);

fn numbers(account: &MarginAccount) -> Numbers {
    let levels = [account.equity, account.initial_margin, account.liquidation_end, account.maintenance_margin];
    let risk = account.risk.iter().map(|slot| (slot.exponent, slot.mantissas, slot.price, slot.worst_cell));
    (levels, risk.collect())
}

/// Random trades, deposits and prices; after each, chain and preview agree and every book balances.
#[test]
fn chain_and_preview_agree_on_random_journeys() {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let steps = proptest::collection::vec((-300i64..300, 1u64..40, 200i64..500), 1..12);
    TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(Default::default()))
        .run(&steps, |steps| {
            let Market { mut world, alice, maker } = Market::open();
            let mut price = PRICE;
            for (tenths, sol, dimes) in steps {
                world.give(&alice, Token::Sol, sol * SOL / 7);
                world.deposit(&alice, Token::Sol, sol * SOL / 7).unwrap();
                world.set_time(world.now() + 30);
                // Odd digits, so that every division has a remainder.
                price = (price + dimes * 1_000_000_007) / 2;
                world.set_price(price).unwrap();
                let quantity = tenths * SOL_LONG / 10;
                if quantity != 0 && world.trade(&alice, &maker, quantity, price + price / 1_000).is_ok() {
                    stored_equals_recomputed(&world, &alice);
                    stored_equals_recomputed(&world, &maker);
                }
                check_books(&world).unwrap();
            }
            Ok(())
        })
        .unwrap();
}

/// I-10: the stored array never promises more than the exact one, and its worst cell is the named one.
#[test]
fn the_stored_array_is_on_the_safe_side() {
    let Market { world, alice, .. } = Market::long(123);
    let slot = world.account(&alice).risk[0];
    let stored = slot.array().expand();
    let value = 123 * 35_000_000i64;
    for (index, cell) in stored.cells().iter().enumerate() {
        let moved = margrave_risk::Cell::new(u8::try_from(index).unwrap()).unwrap().price_move();
        // Exact, from the grid's definition in rational arithmetic: R = 18 %, 4/3 R = 24 %.
        let exact = match moved {
            margrave_risk::PriceMove::Thirds(thirds) => value * i64::from(thirds) * 6 / 100,
            margrave_risk::PriceMove::TailPercent(percent) => value * i64::from(percent.signum()) * 24 / 100,
        };
        let below = exact - cell.micros();
        assert!((-1..=(1 << slot.exponent)).contains(&below), "cell {index}: {below}");
    }
    assert_eq!(stored.worst().0.index(), slot.worst_cell);
}

/// What a preview is asked about is of the account's group, and no more than one transaction could do.
#[test]
fn a_preview_is_of_what_could_be_done() {
    let mut market = Market::long(10);
    let other = market.other_group();
    let Market { mut world, alice, .. } = market;
    let account = world.account(&alice);
    let holder = (alice.margin_account, &account);
    let (sol, index) = (world.sol, world.underlying().index);
    let leg = Leg { underlying: index, instrument: Instrument::PERP, quantity: SOL_LONG, price: PRICE };
    let placed = |underlying, leg| PlacedLeg { underlying, leg };
    let mut refused = vec![
        (LegsOutOfRange, instruction::preview(holder, &[placed(sol, leg); MAX_LEGS + 1], &[])),
        (CollateralLimitExceeded, instruction::preview(holder, &[], &[(world.usdc_bank, 1); MAX_COLLATERALS + 1])),
        (GroupMismatch, instruction::preview(holder, &[placed(other.sol, leg)], &[])),
        (GroupMismatch, instruction::preview(holder, &[], &[(other.usdc_bank, 1)])),
        (UnderlyingMissing, instruction::preview(holder, &[placed(sol, Leg { underlying: index + 1, ..leg })], &[])),
    ];
    // A leg without its sheet, and a sheet and a bank at a place where there is no account.
    let plain = instruction::preview(holder, &[placed(sol, leg)], &[(world.usdc_bank, 1)]);
    let with = |legs: Vec<Leg>, sheets: Vec<u8>, balances: Vec<BalanceChange>| {
        let data = margrave::instruction::Preview { args: PreviewArgs { legs, sheets, balances } }.data();
        Instruction { data, ..plain.clone() }
    };
    refused.push((LegsOutOfRange, with(vec![leg], vec![], vec![])));
    refused.push((UnderlyingMissing, with(vec![leg], vec![99], vec![])));
    refused.push((UnderlyingMissing, with(vec![], vec![], vec![BalanceChange { bank: 99, amount: 1 }])));
    for (error, preview) in refused {
        world.refuses(error, |world| world.send(&[preview], &[]));
    }
    world.send(&[plain], &[]).unwrap();
}

/// What a transaction puts in to be stopped by: health at a level, to the unit.
#[test]
fn a_health_check_stops_what_leaves_too_little() {
    let Market { mut world, alice, .. } = Market::long(10);
    let account = world.account(&alice);
    let value = world.accounts().value(&alice.margin_account, world.now()).unwrap();
    let levels = [
        (Level::Initial, value.initial_health()),
        (Level::LiquidationEnd, value.liquidation_end_health()),
        (Level::Maintenance, value.maintenance_health()),
    ];
    for (level, health) in levels {
        let check = |least| instruction::health_check((alice.margin_account, &account), level, least);
        world.send(&[check(health.micros())], &[]).unwrap();
        world.refuses(HealthTooLow, |world| world.send(&[check(health.micros() + 1)], &[]));
    }
}
