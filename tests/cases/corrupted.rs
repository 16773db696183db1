//! Accounts as no instruction leaves them: whoever had a way to write one is stopped by the next instruction that does.

use crate::{common::*, venues::Floor};
use margrave::state::{Bank, Change, Consent, Group, Instrument, MarginAccount, Underlying, Venue};
use margrave_client::instruction;
use margrave_sim::terms::quote_terms;

/// Rewrites an account's bytes behind its discriminator.
pub fn corrupt<T: anchor_lang::ZeroCopy + anchor_lang::Owner>(
    world: &mut World,
    key: Pubkey,
    change: impl FnOnce(&mut T),
) {
    let mut state = world.load::<T>(&key);
    change(&mut state);
    let mut account = world.svm.get_account(&key).unwrap();
    account.data[8..8 + size_of::<T>()].copy_from_slice(anchor_lang::__private::bytemuck::bytes_of(&state));
    world.svm.set_account(key, account).unwrap();
}

/// Puts tokens into a vault or takes them out, as an issuer might.
pub fn add_to_vault(world: &mut World, vault: Pubkey, atoms: i64) {
    let mut account = world.svm.get_account(&vault).unwrap();
    let held = u64::from_le_bytes(account.data[64..72].try_into().unwrap());
    account.data[64..72].copy_from_slice(&held.saturating_add_signed(atoms).to_le_bytes());
    world.svm.set_account(vault, account).unwrap();
}

#[test]
fn an_account_of_another_version_is_not_written() {
    let Market { mut world, alice, .. } = Market::open();
    world.give(&alice, Token::Usdc, DOLLAR);
    let (bank, group, sol) = (world.usdc_bank, world.group, world.sol);
    let good = world.svm.clone();
    corrupt::<Bank>(&mut world, bank, |bank| bank.version += 1);
    world.refuses(InvariantViolated, |world| world.deposit(&alice, Token::Usdc, DOLLAR));
    world.svm = good.clone();
    corrupt::<MarginAccount>(&mut world, alice.margin_account, |account| account.version += 1);
    world.refuses(InvariantViolated, |world| world.deposit(&alice, Token::Usdc, DOLLAR));
    world.svm = good.clone();
    corrupt::<Underlying>(&mut world, sol, |underlying| underlying.version += 1);
    world.refuses(InvariantViolated, World::refresh);
    world.svm = good;
    corrupt::<Group>(&mut world, group, |group| group.version += 1);
    let pause = instruction::pause(world.guardian.pubkey(), group, None, 1, 60);
    world.refuses(InvariantViolated, |world| world.send(&[pause], &[]));
}

#[test]
fn a_venue_or_consent_of_another_version_is_not_written() {
    let mut floor = Floor::open();
    let (venue, group, alice) = (floor.venue, floor.world.group, floor.alice.keypair.insecure_clone());
    let consents = [&floor.alice, &floor.maker].map(|trader| pda::consent(&trader.margin_account, &venue));
    let leg = [floor.world.leg(floor.world.sol, Instrument::PERP, SOL_LONG)];
    let good = floor.world.svm.clone();
    for key in consents {
        corrupt::<Consent>(&mut floor.world, key, |consent| consent.version += 1);
        floor.refuses(InvariantViolated, &leg);
        floor.world.svm = good.clone();
    }
    corrupt::<Consent>(&mut floor.world, consents[0], |consent| consent.version += 1);
    let revoke = instruction::revoke_consent(alice.pubkey(), floor.alice.margin_account, venue);
    floor.world.refuses(InvariantViolated, |world| world.send(&[revoke], &[&alice]));
    corrupt::<Venue>(&mut floor.world, venue, |venue| venue.version += 1);
    floor.refuses(InvariantViolated, &leg);
    let stop = instruction::pause_venue(floor.world.guardian.pubkey(), group, venue, 60);
    floor.world.refuses(InvariantViolated, |world| world.send(&[stop], &[]));
    let none = Change::Venue { venue, terms: Default::default() };
    let change = instruction::change_now(floor.world.manager.pubkey(), group, none, None);
    floor.world.refuses(InvariantViolated, |world| world.send(&[change], &[]));
    let resume = floor.world.queue(Change::ResumeVenue { venue }).unwrap();
    let proposal = floor.world.proposal(&resume);
    floor.world.set_time(proposal.executable_at);
    let execute = instruction::execute_change((resume, &proposal), None);
    floor.world.refuses(InvariantViolated, |world| world.send(&[execute], &[]));
}

/// I-06: no share is worth less than losses may have made it, and no debt less than it was.
#[test]
fn a_bank_whose_indices_have_fallen_is_not_written() {
    let Market { mut world, alice, .. } = Market::open();
    world.give(&alice, Token::Usdc, DOLLAR);
    let (key, bank) = world.bank(Token::Usdc);
    let one = bank.borrow_index;
    let half = (u128::from_le_bytes(one) / 2).to_le_bytes();
    let good = world.svm.clone();
    corrupt::<Bank>(&mut world, key, |bank| bank.borrow_index = half);
    world.refuses(InvariantViolated, |world| world.deposit(&alice, Token::Usdc, DOLLAR));
    world.svm = good;
    corrupt::<Bank>(&mut world, key, |bank| bank.deposit_index = 1u128.to_le_bytes());
    world.refuses(InvariantViolated, |world| world.deposit(&alice, Token::Usdc, DOLLAR));
}

/// Pools are of the quote token.
#[test]
fn a_bank_of_collateral_holds_no_pool() {
    let Market { mut world, alice, .. } = Market::open();
    world.give(&alice, Token::Sol, SOL);
    let (key, bank) = world.bank(Token::Sol);
    corrupt::<Bank>(&mut world, key, |bank| bank.pools = 1);
    // The bank is solvent all the same.
    add_to_vault(&mut world, bank.vault, 1);
    world.refuses(InvariantViolated, |world| world.deposit(&alice, Token::Sol, SOL));
}

/// Terms that would not be let in are not worked with.
#[test]
fn a_bank_with_terms_out_of_bounds_is_not_written() {
    let Market { mut world, alice, .. } = Market::open();
    world.give(&alice, Token::Usdc, DOLLAR);
    let key = world.usdc_bank;
    corrupt::<Bank>(&mut world, key, |bank| bank.terms.interest_fee_ppm = 500_001);
    world.refuses(ParameterOutOfBounds, |world| world.deposit(&alice, Token::Usdc, DOLLAR));
}

#[test]
fn a_margin_account_that_points_nowhere_or_is_out_of_order_is_not_written() {
    let Market { mut world, alice, .. } = Market::long(10);
    world.give(&alice, Token::Usdc, DOLLAR);
    let good = world.svm.clone();
    let broken: [fn(&mut MarginAccount); 4] = [
        |account| account.mode = 3,
        |account| account.collateral[0].risk_slot = 8,
        |account| account.positions[0].risk_slot = 7,
        |account| account.positions[1] = account.positions[0],
    ];
    for change in broken {
        corrupt(&mut world, alice.margin_account, change);
        world.refuses(InvariantViolated, |world| world.deposit(&alice, Token::Usdc, DOLLAR));
        world.svm = good.clone();
    }
}

/// I-01: a bank whose vault holds less than it owes pays nobody, for whoever is paid first takes what is the others'.
#[test]
fn a_bank_whose_vault_was_robbed_pays_nobody() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    let free = margrave::state::BankTerms { insurance_target: 0, ..quote_terms() };
    world.change(Change::Bank { bank: world.usdc_bank, terms: free }, None).unwrap();
    world.launch().unwrap();
    world.set_price(PRICE).unwrap();
    let alice = world.funded("alice", 5_000 * DOLLAR, 0);
    let bob = world.funded("bob", 5_000 * DOLLAR, 0);
    let vault = world.bank(Token::Usdc).1.vault;
    world.withdraw(&alice, Token::Usdc, DOLLAR).unwrap();
    add_to_vault(&mut world, vault, -1_000_000);
    world.refuses(InvariantViolated, |world| world.withdraw(&alice, Token::Usdc, DOLLAR));
    world.refuses(InvariantViolated, |world| world.withdraw(&bob, Token::Usdc, u64::MAX));
}
