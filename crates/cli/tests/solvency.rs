//! `margrave solvency` against the chain's own balance sheets, against the books the tests keep, and against one unit too many anywhere.

use anchor_lang::AnchorDeserialize;
use margrave::{instructions::SolvencyStatement, state::*};
use margrave_cli::{
    market::Market,
    view::{
        View,
        solvency::{Identity, Solvency},
    },
};
use margrave_client::{Accounts, Pubkey, instruction};
use margrave_sim::{Token, Trader, World, check_books};
use std::{collections::HashMap, mem::offset_of};

const DOLLAR: u64 = 1_000_000;
const SOL: u64 = 1_000_000_000;
const PRICE: i64 = 350_000_000_000;
const DOLLARS: i64 = 10_000_000_000;

struct Books {
    world: World,
    alice: Trader,
    bob: Trader,
    maker: Trader,
    expiry: u8,
}

/// Deposits, loans, trades in everything, realised profit, fees, and prices that leave remainders.
fn busy() -> Books {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 1_000_000 * DOLLAR, 0);
    let alice = world.funded("alice", 5_000 * DOLLAR, 20 * SOL);
    let bob = world.funded("bob", 3_000 * DOLLAR, 0);
    let (expiry, _) = world.list_expiry(world.sol, 30, 80, &[30 * DOLLARS, 40 * DOLLARS]).unwrap();
    world.set_price(PRICE).unwrap();
    world.trade(&alice, &maker, 12_340_000_000, PRICE + 1_000_003).unwrap();
    for (kind, strike, quantity) in [
        (InstrumentKind::Future, 0, -5_000_000_000),
        (InstrumentKind::Call, 40, -3_000_000_000),
        (InstrumentKind::Put, 30, 2_000_000_000),
    ] {
        let instrument = world.instrument(&world.sol, kind, expiry, strike * DOLLARS);
        let leg = world.leg(world.sol, instrument, quantity);
        world.trade_legs(&alice, &maker, &[leg]).unwrap();
    }
    world.borrow(&bob, Token::Sol, SOL).unwrap();
    world.set_time(world.now() + 30);
    world.set_price(PRICE + 7_000_000_007).unwrap();
    let sol = world.sol;
    for trader in [&maker, &alice] {
        world.settle_pnl(trader, sol, false).unwrap();
    }
    Books { world, alice, bob, maker, expiry }
}

fn vaults(world: &World) -> HashMap<Pubkey, u64> {
    let banks = world.accounts().banks;
    banks.values().map(|bank| (bank.vault, world.tokens(&bank.vault))).collect()
}

fn solvency_of(world: &World, accounts: Accounts, vaults: &HashMap<Pubkey, u64>) -> Solvency {
    Solvency::of(&Market::new(world.group, accounts, world.now(), 0).unwrap(), vaults).unwrap()
}

fn solvency(world: &World) -> Solvency {
    solvency_of(world, world.accounts(), &vaults(world))
}

#[test]
fn a_busy_market_is_solvent_and_both_sides_are_the_chains() {
    let mut books = busy();
    let view = solvency(&books.world);
    assert!(view.holds, "{}", view.text(false));
    check_books(&books.world).unwrap();
    for id in ["I-01", "I-02", "I-03", "I-04", "I-06", "I-07", "I-08"] {
        assert!(view.identities.iter().any(|it| it.id == id), "nothing says {id}");
    }
    for token in [Token::Usdc, Token::Sol] {
        let (key, bank) = books.world.bank(token);
        let receipt = books.world.send(&[instruction::solvency((key, &bank))], &[]).unwrap();
        let chain = SolvencyStatement::deserialize(&mut &receipt.return_data[..]).unwrap();
        let it = view.identities.iter().find(|it| it.id == "I-01" && it.address == key.to_string()).unwrap();
        assert_eq!(it.left, i128::from(chain.vault) + i128::from(chain.lent));
        let owed = [chain.deposits, chain.insurance, chain.fees, chain.pools];
        assert_eq!(it.right, owed.map(i128::from).iter().sum::<i128>());
    }
    let text = view.text(false);
    assert!(text.contains("SOL-PERP long: 12340000000") && text.contains("all"), "{text}");
    assert!(!text.contains("BROKEN"));
}

#[test]
fn it_stays_so_through_a_liquidation_and_an_expiry() {
    let Books { mut world, alice, maker, expiry, .. } = busy();
    let mut price = PRICE;
    for _ in 0..40 {
        world.set_time(world.now() + 60);
        price -= price / 60;
        world.set_price(price).unwrap();
        let _ = world.liquidate(&maker, &alice, u64::MAX);
        assert!(solvency(&world).holds);
    }
    let time = world.underlying().expiries[usize::from(expiry)].time;
    world.set_time(time - 1_830);
    while world.now() < time + 60 {
        world.set_time(world.now() + 60);
        world.set_price(price + world.now() % 1_000).unwrap();
    }
    assert!(world.underlying().expiries[usize::from(expiry)].is_settled());
    let sol = world.sol;
    // One side has left, the other has not yet.
    world.settle_expiry(&alice, sol, expiry).unwrap();
    let half = solvency(&world);
    assert!(half.holds, "{}", half.text(false));
    assert!(half.identities.iter().any(|it| it.id == "I-05"));
    world.settle_expiry(&maker, sol, expiry).unwrap();
    assert!(solvency(&world).holds);
    check_books(&world).unwrap();
}

/// Where a unit is planted, and the rule that must catch it.
struct Plant {
    key: Pubkey,
    offset: usize,
    /// Added to the little-endian integer there.
    by: i64,
    rule: &'static str,
    what: &'static str,
}

fn planted(world: &World, plant: &Plant) -> Solvency {
    let mut accounts = Accounts::default();
    let mut found = false;
    for (key, mut account) in world.svm.get_program_accounts(&margrave::ID) {
        if key == plant.key {
            let at = 8 + plant.offset;
            let bytes = &mut account.data[at..at + 8];
            let value = i64::from_le_bytes(bytes.try_into().unwrap()).wrapping_add(plant.by);
            bytes.copy_from_slice(&value.to_le_bytes());
            found = true;
        }
        accounts.insert(key, &account.data);
    }
    assert!(found, "{}", plant.what);
    solvency_of(world, accounts, &vaults(world))
}

#[test]
fn one_unit_anywhere_breaks_the_rule_that_is_about_it() {
    let Books { world, alice, bob, expiry, .. } = busy();
    let account = world.account(&alice);
    let slot = |bank: &Pubkey, of: &MarginAccount| {
        let index = of.collateral.iter().position(|slot| slot.bank == *bank).unwrap();
        offset_of!(MarginAccount, collateral) + index * size_of::<CollateralSlot>() + offset_of!(CollateralSlot, shares)
    };
    let position =
        |index: usize, field: usize| offset_of!(MarginAccount, positions) + index * size_of::<PositionSlot>() + field;
    let risk = |field: usize| offset_of!(MarginAccount, risk) + field;
    let bob_account = world.account(&bob);
    let sheet = world.underlying();
    let call = sheet.strikes.iter().position(|slot| slot.calls > 0).unwrap();
    let expiry_at =
        |field: usize| offset_of!(Underlying, expiries) + usize::from(expiry) * size_of::<ExpirySlot>() + field;
    let strike_at = |field: usize| offset_of!(Underlying, strikes) + call * size_of::<StrikeSlot>() + field;
    let sheet_at = |outer: usize, field: usize| outer + field;
    let (alice, bob) = (alice.margin_account, bob.margin_account);
    let plants = [
        (alice, slot(&world.usdc_bank, &account), "I-06", "a share of alice's dollars"),
        (alice, slot(&world.sol_bank, &account), "I-06", "a share of alice's SOL"),
        (bob, slot(&world.sol_bank, &bob_account), "I-06", "a share of bob's loan"),
        (alice, position(0, offset_of!(PositionSlot, quantity)), "I-02", "a unit of alice's perp"),
        (alice, position(1, offset_of!(PositionSlot, quantity)), "I-02", "a unit of alice's future"),
        (alice, position(3, offset_of!(PositionSlot, quantity)), "I-02", "a unit of an option of alice's"),
        (alice, position(0, offset_of!(PositionSlot, quote)), "I-03", "a micro-dollar of alice's perp's quote"),
        (alice, risk(offset_of!(RiskSlot, claim)), "I-03", "a micro-dollar of alice's claim"),
        (alice, risk(offset_of!(RiskSlot, fees)), "I-03", "a micro-dollar of fees that alice owes"),
        (alice, risk(offset_of!(RiskSlot, funding)), "I-03", "a micro-dollar of funding"),
        (world.usdc_bank, offset_of!(Bank, deposit_shares), "I-06", "a deposit share of the bank"),
        (world.sol_bank, offset_of!(Bank, borrow_shares), "I-06", "a borrow share of the bank"),
        (world.usdc_bank, offset_of!(Bank, pools), "I-03", "an atom of pools"),
        (world.sol, sheet_at(offset_of!(Underlying, perp), offset_of!(Perp, open_interest)), "I-02", "open interest"),
        (world.sol, sheet_at(offset_of!(Underlying, pool), offset_of!(PnlPool, balance)), "I-03", "the pool"),
        (world.sol, sheet_at(offset_of!(Underlying, pool), offset_of!(PnlPool, unsettled_fees)), "I-03", "fees"),
        (world.sol, sheet_at(offset_of!(Underlying, pool), offset_of!(PnlPool, clearing)), "I-03", "clearing"),
        (world.sol, sheet_at(offset_of!(Underlying, losses), offset_of!(LossDomain, first_loss)), "I-03", "the floor"),
        (world.sol, expiry_at(offset_of!(ExpirySlot, future_interest)), "I-02", "the future's open interest"),
        (world.sol, expiry_at(offset_of!(ExpirySlot, interest)), "I-02", "the expiry's interest"),
        (world.sol, strike_at(offset_of!(StrikeSlot, calls)), "I-02", "the call's open interest"),
    ];
    for (key, offset, rule, what) in plants {
        for by in [1, -1] {
            let plant = Plant { key, offset, by, rule, what };
            let view = planted(&world, &plant);
            let broken: Vec<&Identity> = view.broken().collect();
            assert!(!view.holds && broken.iter().any(|it| it.id == plant.rule), "{by} of {what} is not seen");
            assert!(view.text(false).contains("BROKEN"), "{what}");
        }
    }
    // Nothing planted, nothing found: the test itself can tell.
    let nothing = Plant { key: alice, offset: 0, by: 0, rule: "", what: "nothing" };
    assert!(planted(&world, &nothing).holds);
}

#[test]
fn an_atom_missing_from_a_vault_is_seen_when_nothing_is_over() {
    let mut world = World::with_market(PRICE).unwrap();
    let trader = world.funded("alice", 5_000 * DOLLAR, 20 * SOL);
    let full = vaults(&world);
    assert!(solvency_of(&world, world.accounts(), &full).holds);
    for bank in world.accounts().banks.values() {
        let mut short = full.clone();
        *short.get_mut(&bank.vault).unwrap() -= 1;
        let view = solvency_of(&world, world.accounts(), &short);
        let broken: Vec<&Identity> = view.broken().collect();
        assert_eq!((broken.len(), broken[0].id), (1, "I-01"));
        assert_eq!(broken[0].left - broken[0].right, -1);
    }
    // A gift is nobody's: the books still hold.
    let vault = world.bank(Token::Usdc).1.vault;
    world.mint_to(world.usdc_mint, vault, 5);
    assert!(solvency(&world).holds);
    drop(trader);
}

#[test]
fn a_claim_out_of_sight_is_a_loss_that_vanished() {
    let Books { world, alice, .. } = busy();
    let empty = offset_of!(MarginAccount, risk) + 5 * size_of::<RiskSlot>() + offset_of!(RiskSlot, claim);
    let plant = Plant { key: alice.margin_account, offset: empty, by: -1, rule: "I-08", what: "a hidden loss" };
    let view = planted(&world, &plant);
    assert!(view.broken().any(|it| it.id == plant.rule));
}
