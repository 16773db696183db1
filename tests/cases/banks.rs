//! Money: deposits, loans, withdrawals, transfers, interest, fees, and the limits on what leaves.

use crate::common::*;
use anchor_lang::AnchorDeserialize;
use margrave::instructions::SolvencyStatement;
use margrave::state::{Bank, BankTerms, Change, GroupTerms, Pause};
use margrave_client::instruction;
use margrave_sim::terms::{collateral_terms, group_terms, quote_terms};

const DAY: i64 = 86_400;

/// The standard market with other terms of its banks and its group.
fn market(usdc: BankTerms, sol: BankTerms, group: GroupTerms) -> World {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    world.change(Change::Bank { bank: world.usdc_bank, terms: usdc }, None).unwrap();
    world.change(Change::Bank { bank: world.sol_bank, terms: sol }, Some(world.sol)).unwrap();
    world.change(Change::Group(group), None).unwrap();
    world.launch().unwrap();
    world.set_price(PRICE).unwrap();
    world
}

/// The standard market, a lender of a million dollars, and bob with 1,000 SOL: 35,000 dollars.
fn lending() -> (World, Trader, Trader) {
    lending_with(quote_terms())
}

fn lending_with(usdc: BankTerms) -> (World, Trader, Trader) {
    let mut world = market(usdc, collateral_terms(), group_terms());
    let lender = world.funded("lender", 1_000_000 * DOLLAR, 0);
    let bob = world.funded("bob", 0, 1_000 * SOL);
    (world, lender, bob)
}

/// Time passes, and the price stays.
fn wait(world: &mut World, seconds: i64) {
    world.set_time(world.now() + seconds);
    world.set_price(PRICE).unwrap();
}

fn accrue(world: &mut World, token: Token) -> Receipt {
    let (key, bank) = world.bank(token);
    world.send(&[instruction::accrue_interest((key, &bank))], &[]).unwrap()
}

fn pause(world: &mut World, bits: u32) {
    let pause = instruction::pause(world.guardian.pubkey(), world.group, None, bits, MAX_PAUSE_SECS);
    world.send(&[pause], &[]).unwrap();
}

fn transfer(world: &World, from: &Trader, to: Pubkey, token: Token, amount: u64) -> Instruction {
    let (key, bank) = world.bank(token);
    let account = world.account(from);
    instruction::transfer_collateral((from.margin_account, &account), to, (key, &bank), amount)
}

fn collect(world: &World, token: Token, to: Pubkey, amount: u64) -> Instruction {
    let (key, bank) = world.bank(token);
    instruction::collect_fees(world.admin.pubkey(), (key, &bank), to, TOKEN_PROGRAM, amount)
}

/// Opens another margin account of the same owner.
fn second_account(world: &mut World, trader: &Trader, number: u16) -> Pubkey {
    let open = instruction::open_margin_account(trader.key(), trader.key(), world.group, number);
    world.send(&[open], &[&trader.keypair]).unwrap();
    pda::margin_account(&world.group, &trader.key(), number)
}

fn shares(world: &World, trader: &Trader, token: Token) -> i64 {
    world.account(trader).shares_in(&world.bank(token).0)
}

// Before the launch

/// P-43: until the launch nobody deposits, so there is nothing to steal by a change that takes effect at once.
#[test]
fn deposits_wait_for_the_launch() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    let alice = world.trader("alice");
    world.give(&alice, Token::Usdc, DOLLAR);
    world.refuses(NotLaunched, |world| world.deposit(&alice, Token::Usdc, DOLLAR));
    world.launch().unwrap();
    world.deposit(&alice, Token::Usdc, DOLLAR).unwrap();
}

// Loans

#[test]
fn a_loan_is_taken_and_repaid_and_the_rest_is_a_deposit() {
    let (mut world, _, bob) = lending();
    let receipt = world.borrow(&bob, Token::Usdc, 10_000 * DOLLAR).unwrap();
    let events = receipt.events();
    let [Event::Withdrawn(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.amount, event.shares), (10_000 * DOLLAR, -10_000_000_000));
    assert_eq!(world.tokens(&bob.usdc), 10_000 * DOLLAR);
    let (_, bank) = world.bank(Token::Usdc);
    assert_eq!((bank.deposit_shares, bank.borrow_shares), (1_000_000 * DOLLAR, 10_000 * DOLLAR));
    assert!(!world.account(&bob).is_flat());
    check_books(&world).unwrap();

    world.deposit(&bob, Token::Usdc, 4_000 * DOLLAR).unwrap();
    assert_eq!(shares(&world, &bob, Token::Usdc), -6_000_000_000);
    world.give(&bob, Token::Usdc, 1_000 * DOLLAR);
    let receipt = world.deposit(&bob, Token::Usdc, 7_000 * DOLLAR).unwrap();
    let events = receipt.events();
    let [Event::Deposited(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.amount, event.shares), (7_000 * DOLLAR, 1_000_000_000));
    assert!(world.account(&bob).is_flat());
    check_books(&world).unwrap();
}

/// A loan begins where the deposit ends, and only if it is asked for.
#[test]
fn a_withdrawal_becomes_a_loan_only_when_asked() {
    let (mut world, _, bob) = lending();
    world.give(&bob, Token::Usdc, 100 * DOLLAR);
    world.deposit(&bob, Token::Usdc, 100 * DOLLAR).unwrap();
    world.refuses(BalanceExceeded, |world| world.withdraw(&bob, Token::Usdc, 100 * DOLLAR + 1));
    world.borrow(&bob, Token::Usdc, 150 * DOLLAR).unwrap();
    assert_eq!(shares(&world, &bob, Token::Usdc), -50_000_000);
    // All of a deposit that is a debt is nothing, with a loan allowed or without.
    world.refuses(BalanceExceeded, |world| world.withdraw(&bob, Token::Usdc, u64::MAX));
    world.refuses(BalanceExceeded, |world| world.borrow(&bob, Token::Usdc, u64::MAX));
    world.refuses(BalanceExceeded, |world| world.withdraw(&bob, Token::Usdc, 1));
    world.refuses(AmountMustBePositive, |world| world.borrow(&bob, Token::Usdc, 0));
    check_books(&world).unwrap();
}

/// I-15: who has nothing borrows nothing, and nobody borrows beyond initial margin, to the atom.
#[test]
fn a_loan_stays_within_initial_margin() {
    let (mut world, _, bob) = lending();
    let nobody = world.trader("nobody");
    world.refuses(InitialMarginNotMet, |world| world.borrow(&nobody, Token::Usdc, 1));
    world.refuses(InitialMarginNotMet, |world| world.borrow(&nobody, Token::Sol, 1));

    // 35,000 dollars of SOL at 90 % are 31,500; the scan takes 24 % and the net charge 2 % of 35,000, the confidence
    // 0.1 %.
    let value = world.accounts().value(&bob.margin_account, world.now()).unwrap();
    let free = u64::try_from(value.initial_health().micros()).unwrap();
    assert!((22_300 * DOLLAR..=22_400 * DOLLAR).contains(&free), "{free}");
    world.refuses(InitialMarginNotMet, |world| world.borrow(&bob, Token::Usdc, free + 1));
    world.borrow(&bob, Token::Usdc, free).unwrap();
    world.refuses(InitialMarginNotMet, |world| world.borrow(&bob, Token::Usdc, 1));
    world.refuses(InitialMarginNotMet, |world| world.withdraw(&bob, Token::Sol, 1_000));
    check_books(&world).unwrap();
}

/// What a crowded token may be borrowed against shrinks as its bank grows; nobody is liquidated by that.
#[test]
fn a_token_counts_for_less_as_its_bank_grows() {
    let crowded = BankTerms { weight_scale_start: 1_000 * SOL, ..collateral_terms() };
    let mut world = market(quote_terms(), crowded, group_terms());
    let _lender = world.funded("lender", 1_000_000 * DOLLAR, 0);
    let bob = world.funded("bob", 0, 1_000 * SOL);
    let numbers = |world: &World| {
        let value = world.accounts().value(&bob.margin_account, world.now()).unwrap();
        (value.initial_health().micros(), value.maintenance_health().micros())
    };
    let (initial, maintenance) = numbers(&world);
    let _other = world.funded("other", 0, 100 * SOL);
    // 35,000 dollars of SOL at ten elevenths of 90 %.
    let (less, same) = numbers(&world);
    let lost = initial - less;
    assert!((2_863_000_000..=2_864_000_000).contains(&lost) && same == maintenance, "{lost} {same} {maintenance}");
    let free = u64::try_from(less).unwrap();
    world.refuses(InitialMarginNotMet, |world| world.borrow(&bob, Token::Usdc, free + 1));
    world.borrow(&bob, Token::Usdc, free).unwrap();
    check_books(&world).unwrap();
}

/// A debt in SOL weighs 5 % more than its value, and 10 % where risk is added; it is a short position to the scan.
#[test]
fn a_loan_in_a_token_counts_with_its_surcharge() {
    let (mut world, lender, bob) = lending();
    world.borrow(&lender, Token::Sol, 100 * SOL).unwrap();
    let value = world.accounts().value(&lender.margin_account, world.now()).unwrap();
    // 1,000,000 - 3,500 x 1.05. In 2^-30 a surcharge of 5 % is rounded up, which is a micro-dollar here.
    let equity = 996_325_000_000;
    assert!((equity - 10..=equity).contains(&value.equity.micros()), "{:?}", value.equity);
    // The scan of a short of 3,500 at +24 %, 2 %, 0.1 %, and the other half of the surcharge: 840 + 70 + 3.5 + 175.
    let initial = value.initial_margin.micros();
    assert!((1_088_000_000..1_090_000_000).contains(&initial), "{initial}");
    // SOL lent by bob is what is there to be borrowed.
    world.refuses(VaultIlliquid, |world| world.borrow(&lender, Token::Sol, 900 * SOL + 1));
    check_books(&world).unwrap();
    world.refuses(VaultIlliquid, |world| world.withdraw(&bob, Token::Sol, 900 * SOL + 1));
    world.withdraw(&bob, Token::Sol, 900 * SOL).unwrap();
    check_books(&world).unwrap();
}

/// A debt does not hide behind a price that nobody refreshes: nothing that adds risk passes, and everything that
/// reduces it does.
#[test]
fn a_debt_needs_a_fresh_price() {
    let (mut world, lender, _) = lending();
    world.borrow(&lender, Token::Sol, 100 * SOL).unwrap();
    world.set_time(world.now() + 61);
    world.refuses(PriceTooOld, |world| world.withdraw(&lender, Token::Usdc, DOLLAR));
    world.refuses(PriceTooOld, |world| world.borrow(&lender, Token::Sol, 1));
    world.deposit(&lender, Token::Sol, 50 * SOL).unwrap();
    world.refuses(PriceTooOld, |world| world.withdraw(&lender, Token::Usdc, DOLLAR));
    // Interest of a minute on half of it.
    world.give(&lender, Token::Sol, SOL);
    world.deposit(&lender, Token::Sol, 51 * SOL).unwrap();
    assert!(world.account(&lender).is_flat());
    world.withdraw(&lender, Token::Usdc, u64::MAX).unwrap();
    check_books(&world).unwrap();
}

/// I-11: a debt does not hide by leaving out its bank or its underlying, nor behind another account in their place.
#[test]
fn a_debt_s_bank_and_underlying_cannot_be_left_out() {
    let (mut world, lender, bob) = lending();
    world.borrow(&lender, Token::Sol, 100 * SOL).unwrap();
    let withdraw = world.withdraw_instruction(&lender, Token::Usdc, DOLLAR);
    let (sol_bank, sol, usdc_bank) = (world.sol_bank, world.sol, world.usdc_bank);
    for (error, wrong) in [
        (BankMissing, without_account(withdraw.clone(), sol_bank)),
        (UnderlyingMissing, without_account(withdraw.clone(), sol)),
        (BankMissing, with_account(withdraw.clone(), sol_bank, usdc_bank)),
        (UnderlyingMissing, with_account(withdraw.clone(), sol, bob.margin_account)),
    ] {
        world.refuses(error, |world| world.send(&[wrong], &[&lender.keypair]));
    }
    // Twice is once, and order does not matter.
    let mut twice = and_account(and_account(withdraw, sol), sol_bank);
    let length = twice.accounts.len();
    twice.accounts[length - 4..].reverse();
    world.send(&[twice], &[&lender.keypair]).unwrap();
}

#[test]
fn loans_stop_at_the_borrow_cap() {
    let (mut world, lender, bob) = lending_with(BankTerms { borrow_cap: 1_000 * DOLLAR, ..quote_terms() });
    world.refuses(BorrowCapExceeded, |world| world.borrow(&bob, Token::Usdc, 1_000 * DOLLAR + 1));
    world.borrow(&bob, Token::Usdc, 1_000 * DOLLAR).unwrap();
    world.refuses(BorrowCapExceeded, |world| world.borrow(&bob, Token::Usdc, 1));
    // A deposit leaves whatever the loans are, with a loan allowed or without.
    world.borrow(&lender, Token::Usdc, 999_000 * DOLLAR).unwrap();
    check_books(&world).unwrap();
}

/// I-25: a loan ends at an eighth of what the engine can value, 140 million dollars, so that neither its price nor its
/// interest soon makes the account one that nobody can value and liquidate.
#[test]
fn a_loan_stays_far_from_what_the_engine_cannot_value() {
    let most = 1u64 << 47;
    let (mut world, _, bob) = lending();
    // A thousand million dollars, and what is worth as much.
    world.give(&bob, Token::Sol, 30_000_000 * SOL);
    world.deposit(&bob, Token::Sol, 30_000_000 * SOL).unwrap();
    let rich = world.funded("rich", 1_000_000_000 * DOLLAR, 0);
    world.refuses(ValueOutOfRange, |world| world.borrow(&bob, Token::Usdc, most + 1));
    world.borrow(&bob, Token::Usdc, most).unwrap();
    world.refuses(ValueOutOfRange, |world| world.borrow(&bob, Token::Usdc, 1));

    // 2^47 micro-dollars at 35 dollars: 4,021,071.0958 SOL.
    world.refuses(ValueOutOfRange, |world| world.borrow(&rich, Token::Sol, 4_021_071_096 * (SOL / 1_000)));
    world.borrow(&rich, Token::Sol, 4_021_071_095 * (SOL / 1_000)).unwrap();
    // At twice the price it cannot grow, but is valued, and a withdrawal beside it passes.
    wait(&mut world, 60);
    world.set_price(PRICE * 2).unwrap();
    world.refuses(ValueOutOfRange, |world| world.borrow(&rich, Token::Sol, SOL));
    world.withdraw(&rich, Token::Usdc, DOLLAR).unwrap();
    check_books(&world).unwrap();
}

/// I-25: a realised loss that becomes a loan is a loan.
#[test]
fn a_loss_is_not_settled_by_a_loan_that_the_engine_cannot_value() {
    let most = 1u64 << 47;
    let (mut world, _, bob) = lending();
    let rich = world.funded("rich", 1_000_000_000 * DOLLAR, 0);
    world.give(&bob, Token::Sol, 30_000_000 * SOL);
    world.deposit(&bob, Token::Sol, 30_000_000 * SOL).unwrap();
    world.trade(&bob, &rich, 100 * SOL_LONG, PRICE).unwrap();
    world.borrow(&bob, Token::Usdc, most - 50 * DOLLAR).unwrap();
    world.set_time(world.now() + 1);
    world.set_price(PRICE - PRICE / 35).unwrap();
    // A hundred dollars lost.
    let sol = world.sol;
    world.refuses(ValueOutOfRange, |world| world.settle_pnl(&bob, sol, true));
    world.deposit(&bob, Token::Usdc, 60 * DOLLAR).unwrap();
    world.settle_pnl(&bob, sol, true).unwrap();
    check_books(&world).unwrap();
}

// What the vault holds

#[test]
fn what_is_lent_cannot_be_withdrawn() {
    let (mut world, lender, bob) = lending();
    let small = world.funded("small", 100 * DOLLAR, 0);
    world.withdraw(&lender, Token::Usdc, 980_100 * DOLLAR).unwrap();
    world.borrow(&bob, Token::Usdc, 19_500 * DOLLAR).unwrap();
    // 500 dollars are left.
    world.refuses(VaultIlliquid, |world| world.withdraw(&lender, Token::Usdc, 500 * DOLLAR + 1));
    world.refuses(VaultIlliquid, |world| world.borrow(&bob, Token::Usdc, 500 * DOLLAR + 1));
    world.withdraw(&lender, Token::Usdc, 450 * DOLLAR).unwrap();
    world.refuses(VaultIlliquid, |world| world.withdraw(&small, Token::Usdc, u64::MAX));
    world.deposit(&bob, Token::Usdc, 50 * DOLLAR).unwrap();
    world.withdraw(&small, Token::Usdc, u64::MAX).unwrap();
    check_books(&world).unwrap();
}

/// What is set aside is not lent; depositors may take it along when they leave, and then interest on it is no
/// depositor's (P-19).
#[test]
fn reserves_are_not_lent() {
    let (mut world, lender, bob) = lending();
    world.withdraw(&lender, Token::Usdc, 980_000 * DOLLAR).unwrap();
    world.borrow(&bob, Token::Usdc, 16_000 * DOLLAR).unwrap();
    wait(&mut world, 30 * DAY);
    accrue(&mut world, Token::Usdc);
    let (_, bank) = world.bank(Token::Usdc);
    // 16,000 (e^0.06/12.1667 - 1) = 79.096 dollars of interest, a tenth of it insurance.
    assert!(bank.insurance.abs_diff(7_909_600) < 1_000 && bank.fees == 0, "{}", bank.insurance);
    let free = 4_000 * DOLLAR - bank.insurance;
    world.refuses(VaultIlliquid, |world| world.borrow(&bob, Token::Usdc, free + 1));
    world.borrow(&bob, Token::Usdc, free).unwrap();
    world.withdraw(&lender, Token::Usdc, bank.insurance).unwrap();
    world.refuses(VaultIlliquid, |world| world.withdraw(&lender, Token::Usdc, 1));
    check_books(&world).unwrap();

    let (_, before) = world.bank(Token::Usdc);
    let (lent, owned) = (before.debts_down().unwrap(), before.claims_up().unwrap());
    assert!(lent > owned);
    wait(&mut world, DAY);
    accrue(&mut world, Token::Usdc);
    let (_, after) = world.bank(Token::Usdc);
    let interest = u128::from(after.debts_down().unwrap() - lent);
    let earned = u128::from(after.claims_up().unwrap() - owned);
    assert!(earned <= interest * 9 / 10 * u128::from(owned) / u128::from(lent) + 1, "{earned} of {interest}");
    check_books(&world).unwrap();
}

/// P-18: a gift to the vault changes no index, no rate, no balance, and cannot be borrowed for less.
#[test]
fn a_gift_to_a_vault_changes_nothing() {
    let (mut world, _, bob) = lending();
    world.borrow(&bob, Token::Usdc, 1_000 * DOLLAR).unwrap();
    let (key, before) = world.bank(Token::Usdc);
    let accounts = world.svm.get_program_accounts(&margrave::ID);
    let donor = Trader { usdc: before.vault, ..world.wallet("donor") };
    world.give(&donor, Token::Usdc, 1_000_000_000 * DOLLAR);
    assert!(accounts == world.svm.get_program_accounts(&margrave::ID));
    let carol = world.funded("carol", 3, 0);
    assert_eq!(shares(&world, &carol, Token::Usdc), 3);
    world.withdraw(&carol, Token::Usdc, u64::MAX).unwrap();
    let after: Bank = world.load(&key);
    let of = |bank: &Bank| (bank.deposit_index, bank.borrow_index, bank.deposit_shares, bank.borrow_rate, bank.fees);
    assert_eq!(of(&after), of(&before));
    check_books(&world).unwrap();
}

/// I-07, P-20: small round trips at indices that are not round cost something or nothing.
#[test]
fn round_trips_after_interest_gain_nothing() {
    let (mut world, lender, bob) = lending();
    world.withdraw(&lender, Token::Usdc, 980_000 * DOLLAR).unwrap();
    world.borrow(&bob, Token::Usdc, 20_000 * DOLLAR).unwrap();
    wait(&mut world, 44 * DAY);
    accrue(&mut world, Token::Usdc);
    let carol = world.funded("carol", 1_000, 0);
    let worth = |world: &World| {
        let (_, bank) = world.bank(Token::Usdc);
        let owned = shares(world, &carol, Token::Usdc);
        world.tokens(&carol.usdc) + bank.atoms_down(owned.unsigned_abs()).unwrap()
    };
    world.give(&carol, Token::Usdc, 1_000);
    let mut before = worth(&world);
    for amount in 2..120 {
        world.deposit(&carol, Token::Usdc, amount).unwrap();
        world.withdraw(&carol, Token::Usdc, amount).unwrap();
        assert!(worth(&world) <= before, "{amount}");
        before = worth(&world);
    }
    let (_, bank) = world.bank(Token::Usdc);
    assert!(bank.deposit_index != Bank::INDEX_ONE && before < 2_000, "{before}");
    // A unit is less than a share now.
    world.refuses(AmountBelowOneShare, |world| world.deposit(&carol, Token::Usdc, 1));
    world.give(&bob, Token::Usdc, 1);
    world.refuses(AmountBelowOneShare, |world| world.deposit(&bob, Token::Usdc, 1));
    let second = second_account(&mut world, &carol, 1);
    let one = transfer(&world, &carol, second, Token::Usdc, 1);
    world.refuses(AmountBelowOneShare, |world| world.send(&[one], &[&carol.keypair]));
    check_books(&world).unwrap();
}

/// A full bank takes no deposit, but any repayment.
#[test]
fn a_repayment_is_no_deposit() {
    let (mut world, lender, bob) = lending_with(BankTerms { deposit_cap: 1_000_000 * DOLLAR, ..quote_terms() });
    world.give(&lender, Token::Usdc, 2);
    world.refuses(DepositCapExceeded, |world| world.deposit(&lender, Token::Usdc, 1));
    world.borrow(&bob, Token::Usdc, 1_000 * DOLLAR).unwrap();
    wait(&mut world, 30 * DAY);
    accrue(&mut world, Token::Usdc);
    // Interest has taken deposits above the cap.
    world.refuses(DepositCapExceeded, |world| world.deposit(&lender, Token::Usdc, 2));
    let (_, bank) = world.bank(Token::Usdc);
    assert!(bank.claims_up().unwrap() > bank.terms.deposit_cap);
    let debt = bank.debt_up_at(1_000 * DOLLAR, world.now()).unwrap();
    world.give(&bob, Token::Usdc, debt);
    world.refuses(DepositCapExceeded, |world| world.deposit(&bob, Token::Usdc, debt + 2));
    world.deposit(&bob, Token::Usdc, debt).unwrap();
    assert_eq!(shares(&world, &bob, Token::Usdc), 0);
    check_books(&world).unwrap();
}

// Outflow

/// I-31: a bank lets go of its cap in a day; it refills steadily, and what comes in makes room.
#[test]
fn a_bank_s_outflow_is_limited() {
    let (mut world, lender, bob) = lending_with(BankTerms { outflow_cap: 1_000 * DOLLAR, ..quote_terms() });
    // What has come in may leave again within the day, and then no longer: a round trip takes no room from others.
    world.give(&lender, Token::Usdc, 5_000 * DOLLAR);
    world.deposit(&lender, Token::Usdc, 5_000 * DOLLAR).unwrap();
    world.withdraw(&lender, Token::Usdc, 5_000 * DOLLAR).unwrap();
    wait(&mut world, DAY);
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&lender, Token::Usdc, 1_000 * DOLLAR + 1));
    world.withdraw(&lender, Token::Usdc, 600 * DOLLAR).unwrap();
    // A loan counts as a withdrawal does.
    world.refuses(OutflowLimitExceeded, |world| world.borrow(&bob, Token::Usdc, 400 * DOLLAR + 1));
    world.borrow(&bob, Token::Usdc, 400 * DOLLAR).unwrap();
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&lender, Token::Usdc, 1));
    // Other tokens have limits of their own.
    world.withdraw(&bob, Token::Sol, SOL).unwrap();

    world.deposit(&lender, Token::Usdc, 300 * DOLLAR).unwrap();
    world.deposit(&bob, Token::Usdc, 50 * DOLLAR).unwrap();
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&lender, Token::Usdc, 350 * DOLLAR + 1));
    world.withdraw(&lender, Token::Usdc, 350 * DOLLAR).unwrap();

    wait(&mut world, DAY / 4);
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&lender, Token::Usdc, 250 * DOLLAR + 1));
    world.withdraw(&lender, Token::Usdc, 250 * DOLLAR).unwrap();
    wait(&mut world, 3 * DAY);
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&lender, Token::Usdc, 1_000 * DOLLAR + 1));
    world.withdraw(&lender, Token::Usdc, 1_000 * DOLLAR).unwrap();
    check_books(&world).unwrap();
}

/// I-31: a stranger who touches the bank all day does not keep the limit from refilling.
#[test]
fn a_limit_refills_though_somebody_touches_the_bank() {
    // A unit every 86 seconds.
    let (mut world, lender, _) = lending_with(BankTerms { outflow_cap: 1_000, ..quote_terms() });
    wait(&mut world, DAY);
    world.withdraw(&lender, Token::Usdc, 1_000).unwrap();
    let stranger = world.trader("stranger");
    world.give(&stranger, Token::Usdc, 400);
    for _ in 0..120 {
        world.set_time(world.now() + 60);
        world.deposit(&stranger, Token::Usdc, 1).unwrap();
    }
    // Two hours' refill is 83, and 120 have come in.
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&lender, Token::Usdc, 204));
    world.withdraw(&lender, Token::Usdc, 200).unwrap();
}

/// I-31: the group's limit counts all tokens in dollars, at the price that interest was last added with.
#[test]
fn the_group_s_outflow_is_limited_over_all_tokens() {
    let group = GroupTerms { outflow_cap: 10_000 * DOLLAR, ..group_terms() };
    let mut world = market(quote_terms(), collateral_terms(), group);
    let alice = world.funded("alice", 50_000 * DOLLAR, 1_000 * SOL);
    wait(&mut world, DAY);
    accrue(&mut world, Token::Sol);
    assert_eq!(world.bank(Token::Sol).1.reference_price, PRICE);
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&alice, Token::Sol, 286 * SOL));
    world.withdraw(&alice, Token::Sol, 100 * SOL).unwrap();
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&alice, Token::Usdc, 6_500 * DOLLAR + 1));
    world.withdraw(&alice, Token::Usdc, 6_500 * DOLLAR).unwrap();
    // A millionth of a dollar is too much, and so is the least part of a SOL, which counts as one.
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&alice, Token::Usdc, 1));
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&alice, Token::Sol, 1));
    // What comes in as a SOL makes room for 35 dollars, and the least part of it for none.
    world.deposit(&alice, Token::Sol, 1).unwrap();
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&alice, Token::Usdc, 1));
    world.deposit(&alice, Token::Sol, SOL).unwrap();
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&alice, Token::Usdc, 35 * DOLLAR + 1));
    world.withdraw(&alice, Token::Usdc, 35 * DOLLAR).unwrap();
    // A transfer between own accounts leaves nothing.
    let second = second_account(&mut world, &alice, 1);
    let move_all = transfer(&world, &alice, second, Token::Sol, u64::MAX);
    world.send(&[move_all], &[&alice.keypair]).unwrap();
    check_books(&world).unwrap();
}

// Fees

/// Interest's fee is the admin's, once insurance is full, and leaves within the same limits as everybody's money.
#[test]
fn fees_are_collected_within_the_outflow_limit() {
    let usdc = BankTerms { outflow_cap: 20_000 * DOLLAR, insurance_target: 5 * DOLLAR, ..quote_terms() };
    let (mut world, lender, bob) = lending_with(usdc);
    world.borrow(&bob, Token::Usdc, 19_000 * DOLLAR).unwrap();
    wait(&mut world, 45 * DAY);
    accrue(&mut world, Token::Usdc);
    let (_, bank) = world.bank(Token::Usdc);
    // Utilisation 1.9 %: 0.1425 % a year on 19,000 dollars is 3.3 dollars; insurance takes all of a tenth.
    assert!(bank.insurance > 300_000 && bank.insurance < 5 * DOLLAR && bank.fees == 0);
    let treasury = world.wallet("treasury").usdc;
    let one = collect(&world, Token::Usdc, treasury, 1);
    world.refuses(BalanceExceeded, |world| world.send(&[one], &[]));

    // Nearly everything lent: 45 days at almost 100 % fill insurance, and the rest is fees.
    for _ in 0..49 {
        world.withdraw(&lender, Token::Usdc, 20_000 * DOLLAR).unwrap();
        wait(&mut world, DAY);
    }
    wait(&mut world, 45 * DAY);
    accrue(&mut world, Token::Usdc);
    let (_, bank) = world.bank(Token::Usdc);
    assert!(bank.insurance == 5 * DOLLAR && bank.fees > 10 * DOLLAR, "{} {}", bank.insurance, bank.fees);
    check_books(&world).unwrap();

    let too_much = collect(&world, Token::Usdc, treasury, bank.fees + 1);
    world.refuses(BalanceExceeded, |world| world.send(&[too_much], &[]));
    let none = collect(&world, Token::Usdc, treasury, 0);
    world.refuses(AmountMustBePositive, |world| world.send(&[none], &[]));
    let mut by_manager = collect(&world, Token::Usdc, treasury, 1);
    by_manager.accounts[0].pubkey = world.manager.pubkey();
    world.refuses(SignerIsNotAdmin, |world| world.send(&[by_manager], &[]));
    let unsigned = unsigned(collect(&world, Token::Usdc, treasury, 1), world.admin.pubkey());
    // The admin pays for the transaction and so signs it anyway; the manager pays for nothing.
    let as_manager = with_account(unsigned, world.admin.pubkey(), world.manager.pubkey());
    refuses_with_code(&mut world, NOT_A_SIGNER, |world| world.send(&[as_manager], &[]));

    // The vault's thousand dollars are in the day's limit; once it is used up, fees wait like everybody.
    world.give(&lender, Token::Usdc, 40_000 * DOLLAR);
    world.deposit(&lender, Token::Usdc, 40_000 * DOLLAR).unwrap();
    wait(&mut world, DAY);
    world.withdraw(&lender, Token::Usdc, 20_000 * DOLLAR - 1).unwrap();
    let fees = collect(&world, Token::Usdc, treasury, 2);
    world.refuses(OutflowLimitExceeded, |world| world.send(&[fees], &[]));
    let least = collect(&world, Token::Usdc, treasury, 1);
    world.send(&[least], &[]).unwrap();
    wait(&mut world, DAY);
    let (_, bank) = world.bank(Token::Usdc);
    let fees = collect(&world, Token::Usdc, treasury, bank.fees);
    let receipt = world.send(&[fees], &[]).unwrap();
    let events = receipt.events();
    let [Event::FeesCollected(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.bank, event.amount, event.destination), (world.usdc_bank, bank.fees, treasury));
    assert_eq!(world.tokens(&treasury), bank.fees + 1);
    check_books(&world).unwrap();
}

/// Fees that are lent out wait for a repayment.
#[test]
fn fees_are_paid_from_what_the_vault_holds() {
    let (mut world, lender, bob) = lending_with(BankTerms { insurance_target: 0, ..quote_terms() });
    world.withdraw(&lender, Token::Usdc, 980_000 * DOLLAR).unwrap();
    world.borrow(&bob, Token::Usdc, 19_000 * DOLLAR).unwrap();
    wait(&mut world, 45 * DAY);
    world.withdraw(&lender, Token::Usdc, 1_000 * DOLLAR).unwrap();
    let (_, bank) = world.bank(Token::Usdc);
    assert!(bank.fees > DOLLAR && world.tokens(&bank.vault) == 0);
    let treasury = world.wallet("treasury").usdc;
    let fees = collect(&world, Token::Usdc, treasury, bank.fees);
    world.refuses(VaultIlliquid, |world| world.send(std::slice::from_ref(&fees), &[]));
    world.deposit(&bob, Token::Usdc, 1_000 * DOLLAR).unwrap();
    world.send(&[fees], &[]).unwrap();
    check_books(&world).unwrap();
}

/// Trading fees go from the pool to insurance up to its target, then to fees, once losers have paid them.
#[test]
fn trading_fees_are_swept_to_insurance_and_fees() {
    let usdc = BankTerms { insurance_target: DOLLAR, ..quote_terms() };
    let mut world = market(usdc, collateral_terms(), group_terms());
    let maker = world.funded("maker", 1_000_000 * DOLLAR, 0);
    let alice = world.funded("alice", 10_000 * DOLLAR, 0);
    let sweep = instruction::sweep_fees(world.group, world.sol, world.usdc_bank);
    world.refuses(AmountMustBePositive, |world| world.send(std::slice::from_ref(&sweep), &[]));
    // 3,500 dollars change hands: 1.75 from the taker and 0.70 from the maker, which settling pays into the pool.
    world.trade(&alice, &maker, 100 * SOL_LONG, PRICE).unwrap();
    world.refuses(AmountMustBePositive, |world| world.send(std::slice::from_ref(&sweep), &[]));
    for trader in [&alice, &maker] {
        world.settle_pnl(trader, world.sol, false).unwrap();
    }
    let (_, bank) = world.bank(Token::Usdc);
    assert_eq!((bank.pools, bank.insurance, bank.fees), (2_450_000, 0, 0));
    check_books(&world).unwrap();

    let wrong_bank = with_account(sweep.clone(), world.usdc_bank, world.sol_bank);
    world.refuses(BankMissing, |world| world.send(&[wrong_bank], &[]));
    let receipt = world.send(std::slice::from_ref(&sweep), &[]).unwrap();
    let events = receipt.events();
    let [Event::FeesSwept(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.amount, event.insurance, event.fees), (2_450_000, 1_000_000, 1_450_000));
    let (_, bank) = world.bank(Token::Usdc);
    assert_eq!((bank.pools, bank.insurance, bank.fees), (0, 1_000_000, 1_450_000));
    world.refuses(AmountMustBePositive, |world| world.send(&[sweep], &[]));
    check_books(&world).unwrap();
}

// Pauses

/// I-34: with everything stopped and no price, a flat account leaves, deposits come in and loans are repaid.
#[test]
fn no_pause_and_no_price_keeps_a_flat_account() {
    let (mut world, lender, bob) = lending();
    world.borrow(&bob, Token::Usdc, 1_000 * DOLLAR).unwrap();
    world.set_time(world.now() + 10 * DAY);
    pause(&mut world, Pause::ALL);
    world.withdraw(&lender, Token::Usdc, 10 * DOLLAR).unwrap();
    world.deposit(&lender, Token::Usdc, 10 * DOLLAR).unwrap();
    world.give(&bob, Token::Usdc, 100 * DOLLAR);
    world.deposit(&bob, Token::Usdc, 500 * DOLLAR).unwrap();
    world.refuses(Paused, |world| world.withdraw(&bob, Token::Sol, 1));
    world.refuses(Paused, |world| world.borrow(&bob, Token::Usdc, 1));
    // Repaid, he is flat, and takes his SOL though nobody knows what it is worth.
    world.deposit(&bob, Token::Usdc, 600 * DOLLAR).unwrap();
    let leave = world.withdraw_instruction(&bob, Token::Sol, u64::MAX);
    let bare = without_account(leave, world.sol);
    world.send(&[bare], &[&bob.keypair]).unwrap();
    let second = second_account(&mut world, &lender, 1);
    let moved = transfer(&world, &lender, second, Token::Usdc, DOLLAR);
    world.send(&[moved], &[&lender.keypair]).unwrap();
    accrue(&mut world, Token::Usdc);
    check_books(&world).unwrap();
}

#[test]
fn each_pause_stops_what_it_names() {
    let (mut world, lender, bob) = lending();
    let small = world.funded("small", 100 * DOLLAR, 0);
    world.borrow(&bob, Token::Usdc, 1_000 * DOLLAR).unwrap();
    pause(&mut world, Pause::BORROW);
    world.refuses(Paused, |world| world.borrow(&bob, Token::Usdc, 1));
    world.refuses(Paused, |world| world.borrow(&small, Token::Usdc, 100 * DOLLAR + 1));
    // With a loan allowed but not needed, and from beside a debt.
    world.borrow(&lender, Token::Usdc, DOLLAR).unwrap();
    world.withdraw(&bob, Token::Sol, SOL).unwrap();
    pause(&mut world, Pause::WITHDRAW);
    world.refuses(Paused, |world| world.withdraw(&bob, Token::Sol, SOL));
    let second = second_account(&mut world, &bob, 1);
    let moved = transfer(&world, &bob, second, Token::Sol, SOL);
    world.refuses(Paused, |world| world.send(&[moved], &[&bob.keypair]));
    world.withdraw(&lender, Token::Usdc, DOLLAR).unwrap();
    world.deposit(&bob, Token::Usdc, DOLLAR).unwrap();
    check_books(&world).unwrap();
}

// Transfers

#[test]
fn a_deposit_moves_between_accounts_of_one_owner() {
    let (mut world, lender, bob) = lending();
    let second = second_account(&mut world, &bob, 7);
    let moved = transfer(&world, &bob, second, Token::Sol, 400 * SOL);
    let receipt = world.send(&[moved], &[&bob.keypair]).unwrap();
    let events = receipt.events();
    let [Event::CollateralTransferred(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.from, event.to, event.bank), (bob.margin_account, second, world.sol_bank));
    assert_eq!((event.amount, event.from_sequence, event.to_sequence), (400 * SOL, 2, 1));
    let bob_2 = Trader { margin_account: second, ..world.wallet("unused") };
    let held = |world: &World| (shares(world, &bob, Token::Sol), shares(world, &bob_2, Token::Sol));
    assert_eq!(held(&world), (600 * SOL_LONG, 400 * SOL_LONG));
    check_books(&world).unwrap();

    let more = transfer(&world, &bob, second, Token::Sol, 600 * SOL + 1);
    world.refuses(BalanceExceeded, |world| world.send(&[more], &[&bob.keypair]));
    let nothing = transfer(&world, &bob, second, Token::Sol, 0);
    world.refuses(AmountMustBePositive, |world| world.send(&[nothing], &[&bob.keypair]));
    let other_token = transfer(&world, &bob, second, Token::Usdc, u64::MAX);
    world.refuses(BalanceExceeded, |world| world.send(&[other_token], &[&bob.keypair]));
    let to_self = transfer(&world, &bob, bob.margin_account, Token::Sol, SOL);
    world.refuses(SelfDealing, |world| world.send(&[to_self], &[&bob.keypair]));
    let to_other = transfer(&world, &bob, lender.margin_account, Token::Sol, SOL);
    world.refuses(OwnersDiffer, |world| world.send(&[to_other], &[&bob.keypair]));
    let mut stolen = transfer(&world, &bob, lender.margin_account, Token::Sol, SOL);
    stolen.accounts[0].pubkey = lender.key();
    world.refuses(SignerIsNotOwner, |world| world.send(&[stolen], &[&lender.keypair]));
    let silent = unsigned(transfer(&world, &bob, second, Token::Sol, SOL), bob.key());
    refuses_with_code(&mut world, NOT_A_SIGNER, |world| world.send(&[silent], &[]));

    let rest = transfer(&world, &bob, second, Token::Sol, u64::MAX);
    world.send(&[rest], &[&bob.keypair]).unwrap();
    assert_eq!(held(&world), (0, 1_000 * SOL_LONG));
    assert!(world.account(&bob).is_empty());
    check_books(&world).unwrap();
}

/// I-15: the giver keeps initial margin, to the unit; what arrives repays a debt first.
#[test]
fn the_giver_of_a_transfer_keeps_initial_margin() {
    let Market { mut world, alice, .. } = Market::long(100);
    let second = second_account(&mut world, &alice, 1);
    let free = world.accounts().value(&alice.margin_account, world.now()).unwrap().initial_health().micros();
    let free = u64::try_from(free).unwrap();
    let too_much = transfer(&world, &alice, second, Token::Usdc, free + 1);
    world.refuses(InitialMarginNotMet, |world| world.send(&[too_much], &[&alice.keypair]));
    let bare = without_account(transfer(&world, &alice, second, Token::Usdc, 1), world.sol);
    world.refuses(UnderlyingMissing, |world| world.send(&[bare], &[&alice.keypair]));
    let all = transfer(&world, &alice, second, Token::Usdc, free);
    world.send(&[all], &[&alice.keypair]).unwrap();
    assert!(world.account(&alice).initial_margin > 0);
    world.set_time(world.now() + 61);
    let stale = transfer(&world, &alice, second, Token::Usdc, 1);
    world.refuses(PriceTooOld, |world| world.send(&[stale], &[&alice.keypair]));
    check_books(&world).unwrap();
}

#[test]
fn a_transfer_repays_a_debt_of_the_other_account() {
    let (mut world, _, bob) = lending();
    let second = second_account(&mut world, &bob, 1);
    let sol = transfer(&world, &bob, second, Token::Sol, 500 * SOL);
    world.send(&[sol], &[&bob.keypair]).unwrap();
    let account = world.load(&second);
    let (key, bank) = world.bank(Token::Usdc);
    let borrow = instruction::withdraw((second, &account), (key, &bank), bob.usdc, TOKEN_PROGRAM, 5_000 * DOLLAR, true);
    world.send(&[borrow], &[&bob.keypair]).unwrap();
    world.deposit(&bob, Token::Usdc, 5_000 * DOLLAR).unwrap();
    let repay = transfer(&world, &bob, second, Token::Usdc, u64::MAX);
    world.send(&[repay], &[&bob.keypair]).unwrap();
    assert_eq!(world.load::<margrave::state::MarginAccount>(&second).shares_in(&key), 0);
    let (_, bank) = world.bank(Token::Usdc);
    assert_eq!((bank.borrow_shares, bank.deposit_shares), (0, 1_000_000 * DOLLAR));
    check_books(&world).unwrap();
}

// Interest

/// I-35, P-21: anybody may add interest, as often as he likes; a minute at a time or all at once comes to the same.
#[test]
fn adding_interest_often_changes_nothing() {
    let (mut world, _, bob) = lending();
    world.borrow(&bob, Token::Usdc, 20_000 * DOLLAR).unwrap();
    let (_, before) = world.bank(Token::Usdc);
    for _ in 0..200 {
        world.set_time(world.now() + 60);
        let receipt = accrue(&mut world, Token::Usdc);
        let events = receipt.events();
        let [Event::InterestAccrued(event)] = &events[..] else { panic!("one event") };
        assert_eq!((event.bank, event.borrow_rate), (world.usdc_bank, before.borrow_rate));
    }
    let (_, often) = world.bank(Token::Usdc);
    let mut once = before;
    once.accrue(world.now()).unwrap();
    let (a, b) = (often.debts_down().unwrap(), once.debts_down().unwrap());
    assert!(a >= b && a - b <= 200 && b > before.debts_down().unwrap(), "{a} and {b}");
    let (a, b) = (often.claims_up().unwrap(), once.claims_up().unwrap());
    assert!(a.abs_diff(b) <= 200, "{a} and {b}");
    // A second time at the same moment adds nothing.
    let bytes = world.snapshot();
    accrue(&mut world, Token::Usdc);
    assert!(bytes == world.snapshot());
    check_books(&world).unwrap();
}

#[test]
fn interest_on_a_token_needs_its_own_underlying() {
    let mut world = World::with_market(PRICE).unwrap();
    let other = world.list_other_underlying("OTHER").unwrap();
    let (key, bank) = world.bank(Token::Sol);
    let accrue = instruction::accrue_interest((key, &bank));
    let wrong = with_account(accrue.clone(), world.sol, other);
    world.refuses(UnderlyingMissing, |world| world.send(&[wrong], &[]));
    // Anchor reads the program's own address as an account that is left out.
    let without = with_account(accrue.clone(), world.sol, margrave::ID);
    world.refuses(UnderlyingMissing, |world| world.send(&[without], &[]));
    let usdc = with_account(accrue.clone(), world.sol, world.usdc_bank);
    refuses_with_code(&mut world, WRONG_DISCRIMINATOR, |world| world.send(&[usdc], &[]));
    world.send(&[accrue], &[]).unwrap();
    assert_eq!(world.bank(Token::Sol).1.reference_price, PRICE);
}

// Views

#[test]
fn the_solvency_view_is_the_balance_sheet() {
    let (mut world, _, bob) = lending();
    world.borrow(&bob, Token::Usdc, 10_000 * DOLLAR).unwrap();
    wait(&mut world, 30 * DAY);
    accrue(&mut world, Token::Usdc);
    let (key, bank) = world.bank(Token::Usdc);
    let view = instruction::solvency((key, &bank));
    let receipt = world.send(std::slice::from_ref(&view), &[]).unwrap();
    let statement = SolvencyStatement::try_from_slice(&receipt.return_data).unwrap();
    let expected = SolvencyStatement {
        vault: 990_000 * DOLLAR,
        lent: bank.debts_down().unwrap(),
        deposits: bank.claims_up().unwrap(),
        insurance: bank.insurance,
        fees: 0,
        pools: 0,
    };
    assert_eq!(statement, expected);
    assert!(statement.insurance > 0 && statement.vault + statement.lent >= statement.deposits + statement.insurance);

    let elsewhere = with_account(view.clone(), bank.vault, pda::vault(&world.sol_bank));
    world.refuses(VaultMismatch, |world| world.send(&[elsewhere], &[]));
    // A vault with a hole in it, which no instruction can make.
    let mut vault = world.svm.get_account(&bank.vault).unwrap();
    let amount = 980_000 * DOLLAR;
    vault.data[64..72].copy_from_slice(&amount.to_le_bytes());
    world.svm.set_account(bank.vault, vault).unwrap();
    world.refuses(InvariantViolated, |world| world.send(&[view], &[]));
    world.give(&bob, Token::Usdc, DOLLAR);
    world.refuses(InvariantViolated, |world| world.deposit(&bob, Token::Usdc, 2 * DOLLAR));
}

// Accounts

/// A vault is neither where a bank's tokens go nor where they come from: nothing would move, and be counted.
#[test]
fn a_vault_does_not_pay_itself() {
    const DUPLICATE: u32 = 2040;
    let mut world = World::with_market(PRICE).unwrap();
    let alice = world.funded("alice", 1_000 * DOLLAR, 1_000 * SOL);
    world.funded("lender", 100_000 * DOLLAR, 0);
    world.borrow(&alice, Token::Usdc, 21_000 * DOLLAR).unwrap();
    let (key, bank) = world.bank(Token::Usdc);
    let deposit =
        instruction::deposit(alice.key(), alice.margin_account, (key, &bank), bank.vault, TOKEN_PROGRAM, DOLLAR);
    let withdraw = with_account(world.withdraw_instruction(&alice, Token::Usdc, DOLLAR), alice.usdc, bank.vault);
    let fees = collect(&world, Token::Usdc, bank.vault, 1);
    for instruction in [deposit, withdraw, fees] {
        refuses_with_code(&mut world, DUPLICATE, |world| world.send(&[instruction], &[&alice.keypair]));
    }
    let keeper = world.wallet("keeper");
    world.give(&keeper, Token::Usdc, 10_000 * DOLLAR);
    world.set_time(world.now() + 60);
    world.set_price(255_000_000_000).unwrap();
    let (account, sol, usdc) = (world.account(&alice), world.bank(Token::Sol), world.bank(Token::Usdc));
    let from = (alice.margin_account, &account);
    let begin = |to| instruction::begin_bracket(keeper.key(), from.0, (sol.0, &sol.1), to, TOKEN_PROGRAM, 100 * SOL);
    let end =
        |source| instruction::end_bracket(keeper.key(), from, (usdc.0, &usdc.1), source, TOKEN_PROGRAM, 2_540 * DOLLAR);
    let good = [begin(keeper.sol), end(keeper.usdc)];
    for both in [[begin(sol.1.vault), end(keeper.usdc)], [begin(keeper.sol), end(usdc.1.vault)]] {
        refuses_with_code(&mut world, DUPLICATE, |world| world.send(&both, &[&keeper.keypair]));
    }
    world.send(&good, &[&keeper.keypair]).unwrap();
}

/// P-04, P-13: every account of an instruction that moves money is the bank's own and of one group.
#[test]
fn foreign_accounts_are_refused_wherever_money_moves() {
    let mut market = Market::open();
    let other = market.other_group();
    let Market { mut world, alice, maker } = market;
    world.give(&alice, Token::Usdc, 10 * DOLLAR);
    let (key, bank) = world.bank(Token::Usdc);
    let treasury = world.wallet("treasury");
    let deposit =
        instruction::deposit(alice.key(), alice.margin_account, (key, &bank), alice.usdc, TOKEN_PROGRAM, DOLLAR);
    let withdraw = world.withdraw_instruction(&alice, Token::Usdc, DOLLAR);
    let collect = collect(&world, Token::Usdc, treasury.usdc, 1);

    let (group, limit, vault) = (world.group, pda::outflow_limit(&world.group), bank.vault);
    let other_vault = pda::vault(&other.usdc_bank);
    for instruction in [&deposit, &withdraw, &collect] {
        let swap = |from: Pubkey, to: Pubkey| with_account(instruction.clone(), from, to);
        let both = |a: (Pubkey, Pubkey), b: (Pubkey, Pubkey)| with_account(swap(a.0, a.1), b.0, b.1);
        for (error, wrong) in [
            (VaultMismatch, swap(vault, pda::vault(&world.sol_bank))),
            (VaultMismatch, swap(vault, other_vault)),
            (VaultMismatch, swap(vault, maker.usdc)),
            (VaultMismatch, swap(key, world.sol_bank)),
            (GroupMismatch, both((key, other.usdc_bank), (vault, other_vault))),
            (GroupMismatch, swap(limit, pda::outflow_limit(&other.group))),
            (GroupMismatch, swap(group, other.group)),
            (MintMismatch, swap(world.usdc_mint, world.sol_mint)),
        ] {
            // Of a SOL bank with a dollar mint it is the mint that is named first.
            let error =
                if wrong.accounts.iter().any(|meta| meta.pubkey == world.sol_bank) { MintMismatch } else { error };
            world.refuses(error, |world| world.send(&[wrong], &[&alice.keypair]));
        }
        let no_program = swap(TOKEN_PROGRAM, margrave::ID);
        let refusal = world.send(&[no_program], &[&alice.keypair]).unwrap_err();
        assert_eq!(refusal.code, Some(INVALID_PROGRAM), "{refusal}");
        let other_program = swap(TOKEN_PROGRAM, TOKEN_2022);
        world.send(&[other_program], &[&alice.keypair]).unwrap_err();
        let not_the_limit = swap(limit, group);
        refuses_with_code(&mut world, WRONG_DISCRIMINATOR, |world| world.send(&[not_the_limit], &[&alice.keypair]));
    }
    let limit_of_other = both_of(&deposit, (group, other.group), (limit, pda::outflow_limit(&other.group)));
    world.refuses(GroupMismatch, |world| world.send(&[limit_of_other], &[&alice.keypair]));

    // Of the wrong token, or somebody's: the token program would say so as well.
    let to_sol = with_account(withdraw.clone(), alice.usdc, alice.sol);
    world.refuses(MintMismatch, |world| world.send(&[to_sol], &[&alice.keypair]));
    let fees_to_sol = with_account(collect, treasury.usdc, treasury.sol);
    world.refuses(MintMismatch, |world| world.send(&[fees_to_sol], &[]));
    for source in [maker.usdc, alice.sol] {
        let from = with_account(deposit.clone(), alice.usdc, source);
        world.send(&[from], &[&alice.keypair]).unwrap_err();
    }
    // From the vault into itself, and back out into it.
    for twice in [with_account(deposit, alice.usdc, vault), with_account(withdraw.clone(), alice.usdc, vault)] {
        let before = world.snapshot();
        world.send(&[twice], &[&alice.keypair]).unwrap_err();
        assert!(before == world.snapshot());
    }
    // Into somebody else's wallet of the token: the owner's choice.
    let to_maker = with_account(withdraw, alice.usdc, maker.usdc);
    world.send(&[to_maker], &[&alice.keypair]).unwrap();

    // A stranger of the other group, whose account is of another group.
    let theirs = with_account(world.withdraw_instruction(&alice, Token::Usdc, DOLLAR), alice.key(), other.trader.key());
    world.refuses(SignerIsNotOwner, |world| world.send(std::slice::from_ref(&theirs), &[&other.trader.keypair]));
    let theirs = with_account(theirs, alice.margin_account, other.trader.margin_account);
    world.refuses(GroupMismatch, |world| world.send(&[theirs], &[&other.trader.keypair]));
    let second = second_account(&mut world, &alice, 1);
    let moved = transfer(&world, &alice, second, Token::Usdc, DOLLAR);
    for (from, to) in [(key, other.usdc_bank), (group, other.group)] {
        let wrong = with_account(moved.clone(), from, to);
        world.refuses(GroupMismatch, |world| world.send(&[wrong], &[&alice.keypair]));
    }
    let sweep = instruction::sweep_fees(group, world.sol, key);
    let wrong = with_account(sweep.clone(), world.sol, other.sol);
    world.refuses(GroupMismatch, |world| world.send(&[wrong], &[]));
    let wrong = with_account(sweep, key, other.usdc_bank);
    world.refuses(BankMissing, |world| world.send(&[wrong], &[]));
    check_books(&world).unwrap();
}

fn both_of(instruction: &Instruction, a: (Pubkey, Pubkey), b: (Pubkey, Pubkey)) -> Instruction {
    with_account(with_account(instruction.clone(), a.0, a.1), b.0, b.1)
}

/// Anchor: a program account is not the expected program.
const INVALID_PROGRAM: u32 = 3008;

/// An account is opened by its owner at anybody's expense, once.
#[test]
fn an_account_is_opened_once_and_by_its_owner() {
    let mut world = World::with_market(PRICE).unwrap();
    let (alice, payer) = (world.wallet("alice"), world.wallet("payer"));
    let open = instruction::open_margin_account(payer.key(), alice.key(), world.group, 9);
    let silent = unsigned(open.clone(), alice.key());
    refuses_with_code(&mut world, NOT_A_SIGNER, |world| world.send(&[silent], &[&payer.keypair]));
    let misplaced =
        with_account(open.clone(), pda::margin_account(&world.group, &alice.key(), 9), alice.margin_account);
    refuses_with_code(&mut world, WRONG_SEEDS, |world| world.send(&[misplaced], &[&payer.keypair, &alice.keypair]));
    let receipt = world.send(std::slice::from_ref(&open), &[&payer.keypair, &alice.keypair]).unwrap();
    let events = receipt.events();
    let [Event::MarginAccountOpened(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.owner, event.number, event.group), (alice.key(), 9, world.group));
    let before = world.snapshot();
    world.send(&[open], &[&payer.keypair, &alice.keypair]).unwrap_err();
    assert!(before == world.snapshot());
}

/// Anchor: an address is not the one its seeds give.
const WRONG_SEEDS: u32 = 2006;

/// An account is closed by its owner when there is nothing in it: no deposit, no debt, no position, no claim; and not
/// in the second it was opened in, so that no quote lives twice.
#[test]
fn only_an_empty_account_is_closed() {
    let (mut world, lender, bob) = lending();
    let close = |trader: &Trader| instruction::close_margin_account(trader.key(), trader.margin_account);
    world.refuses(MarginAccountNotEmpty, |world| world.send(&[close(&bob)], &[&bob.keypair]));
    let carol = world.trader("carol");
    world.refuses(MarginAccountNotEmpty, |world| world.send(&[close(&carol)], &[&carol.keypair]));
    wait(&mut world, 1);
    let stolen = instruction::close_margin_account(bob.key(), carol.margin_account);
    world.refuses(SignerIsNotOwner, |world| world.send(&[stolen], &[&bob.keypair]));
    let silent = unsigned(close(&carol), carol.key());
    refuses_with_code(&mut world, NOT_A_SIGNER, |world| world.send(&[silent], &[]));

    // A claim alone keeps an account open until it is paid.
    let winner = world.funded("winner", 5_000 * DOLLAR, 0);
    world.trade(&winner, &lender, 100 * SOL_LONG, PRICE).unwrap();
    wait(&mut world, 60);
    world.set_price(PRICE).unwrap();
    world.trade(&winner, &lender, -100 * SOL_LONG, PRICE * 104 / 100).unwrap();
    world.withdraw(&winner, Token::Usdc, u64::MAX).unwrap();
    assert!(world.account(&winner).is_flat());
    world.refuses(MarginAccountNotEmpty, |world| world.send(&[close(&winner)], &[&winner.keypair]));
    world.settle_pnl(&lender, world.sol, false).unwrap();
    world.settle_pnl(&winner, world.sol, false).unwrap();
    world.refuses(MarginAccountNotEmpty, |world| world.send(&[close(&winner)], &[&winner.keypair]));
    world.withdraw(&winner, Token::Usdc, u64::MAX).unwrap();
    let rent = world.svm.get_account(&winner.margin_account).unwrap().lamports;
    let before = world.svm.get_account(&winner.key()).unwrap().lamports;
    let receipt = world.send(&[close(&winner)], &[&winner.keypair]).unwrap();
    let events = receipt.events();
    let [Event::MarginAccountClosed(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.owner, event.margin_account), (winner.key(), winner.margin_account));
    assert_eq!(world.svm.get_account(&winner.key()).unwrap().lamports, before + rent);
    check_books(&world).unwrap();
    // The number can be used again.
    let open = instruction::open_margin_account(winner.key(), winner.key(), world.group, 0);
    world.send(&[open], &[&winner.keypair]).unwrap();
    assert!(world.account(&winner).is_empty() && world.account(&winner).sequence == 0);
}
