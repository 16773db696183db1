//! What liquidation and the sharing of losses refuse.

use crate::{
    common::*,
    corrupted::add_to_vault,
    desk::{Desk, claim, instruction},
    losses::Ruin,
};
use margrave::state::{BankTerms, Change, Instrument, MarginAccount, Status};
use margrave_client::LiquidationLeg;

const LOW: i64 = 220_000_000_000;

/// A lender of dollars, alice who has borrowed 20,000 against 1,000 SOL at 35, and a keeper.
struct Loan {
    world: World,
    lender: Trader,
    alice: Trader,
    keeper: Trader,
}

impl Loan {
    fn at(price: i64) -> Self {
        let mut world = World::with_market(PRICE).unwrap();
        let lender = world.funded("lender", 100_000 * DOLLAR, 10 * SOL);
        let alice = world.funded("alice", 0, 1_000 * SOL);
        let keeper = world.funded("keeper", 50_000 * DOLLAR, 0);
        world.give(&keeper, Token::Usdc, 50_000 * DOLLAR);
        world.borrow(&alice, Token::Usdc, 20_000 * DOLLAR).unwrap();
        let mut loan = Self { world, lender, alice, keeper };
        loan.minutes_later(1, price);
        loan
    }

    fn minutes_later(&mut self, minutes: i64, price: i64) {
        self.world.set_time(self.world.now() + 60 * minutes);
        self.world.set_price(price).unwrap();
    }

    /// Asset and debt.
    fn banks(&self) -> [Pubkey; 2] {
        [self.world.sol_bank, self.world.usdc_bank]
    }

    /// The halves of a bracket on alice's account: so much SOL out, so many dollars in.
    fn bracket(&self, sol: u64, usdc: u64) -> [Instruction; 2] {
        let Self { world, alice, keeper, .. } = self;
        let account: MarginAccount = world.account(alice);
        let from = (alice.margin_account, &account);
        let ((sol_bank, of_sol), (usdc_bank, of_usdc)) = (world.bank(Token::Sol), world.bank(Token::Usdc));
        [
            instruction::begin_bracket(keeper.key(), from.0, (sol_bank, &of_sol), keeper.sol, TOKEN_PROGRAM, sol),
            instruction::end_bracket(keeper.key(), from, (usdc_bank, &of_usdc), keeper.usdc, TOKEN_PROGRAM, usdc),
        ]
    }

    /// Alice's SOL is sold for what it can repay.
    fn sell_out(&mut self) {
        let banks = self.banks();
        self.world.liquidate_collateral(&self.keeper, &self.alice, banks, u64::MAX).unwrap();
        self.world.flag(&self.alice).unwrap();
        assert_eq!(self.world.account(&self.alice).status, Status::Bankrupt as u8);
    }
}

/// I-22: each of the four ways, and each step of the waterfall.
#[test]
fn a_healthy_account_is_left_alone_by_all_of_them() {
    let mut loan = Loan::at(PRICE);
    let (banks, [begin, end]) = (loan.banks(), loan.bracket(SOL, 35 * DOLLAR));
    let Loan { world, lender, alice, keeper } = &mut loan;
    let (sol, usdc_bank) = (world.sol, world.usdc_bank);
    world.refuses(AccountIsHealthy, |world| world.liquidate_collateral(keeper, alice, banks, u64::MAX));
    world.refuses(AccountIsHealthy, |world| world.liquidate_slice(keeper, alice, 1 << 20));
    world.refuses(AccountIsHealthy, |world| world.send(&[begin, end], &[&keeper.keypair]));
    world.refuses(AccountIsSolvent, |world| world.write_off_debt(alice, usdc_bank));
    world.refuses(AccountIsSolvent, |world| world.nominate(alice, lender, sol, Instrument::PERP));
    world.refuses(AccountIsSolvent, |world| world.deleverage(alice, lender, sol, Instrument::PERP));
    let mut ruin = Ruin::at(PRICE);
    let sol = ruin.world.sol;
    ruin.world.refuses(AccountIsSolvent, |world| world.cover_deficit(&ruin.alice, sol));
}

#[test]
fn a_step_takes_one_to_four_different_positions() {
    let mut desk = Desk::open();
    let held = [desk.future(), desk.call(40), desk.call(45), desk.put(30), Instrument::PERP];
    let missing = desk.put(25);
    let sizes = [-450, 100, 1, 1, 900];
    for (instrument, size) in held.into_iter().zip(sizes) {
        desk.alice_trades(&[desk.leg(instrument, size * SOL_LONG)]).unwrap();
    }
    let keeper = desk.world.funded("keeper", 1_000_000 * DOLLAR, 0);
    desk.world.set_time(desk.world.now() + 60);
    desk.world.set_price(285_000_000_000).unwrap();
    let Desk { mut world, alice, .. } = desk;
    let sol = world.sol;
    let lots = |instruments: &[Instrument]| -> Vec<LiquidationLeg> {
        instruments.iter().map(|instrument| LiquidationLeg { instrument: *instrument, lots: 1 }).collect()
    };
    let perp = Instrument::PERP;
    let none = vec![LiquidationLeg { instrument: perp, lots: 0 }];
    for legs in [vec![], none, lots(&[perp, perp]), lots(&held)] {
        world.refuses(LiquidationLegsOutOfRange, |world| world.liquidate_legs(&keeper, &alice, sol, legs, u64::MAX));
    }
    world.refuses(NoPosition, |world| world.liquidate_legs(&keeper, &alice, sol, lots(&[perp, missing]), u64::MAX));
    world.liquidate_legs(&keeper, &alice, sol, lots(&[perp, held[0]]), u64::MAX).unwrap();
}

#[test]
fn nothing_is_bought_for_a_debt_that_is_not_there() {
    let mut loan = Loan::at(255_000_000_000);
    let mint = loan.world.list_extra_bank().unwrap();
    let other = pda::bank(&loan.world.group, &mint);
    let [sol_bank, usdc_bank] = loan.banks();
    let Loan { world, alice, keeper, .. } = &mut loan;
    for banks in [[sol_bank, other], [other, usdc_bank], [usdc_bank, sol_bank]] {
        world.refuses(NothingToRepay, |world| world.liquidate_collateral(keeper, alice, banks, u64::MAX));
    }
    for banks in [[sol_bank, sol_bank], [usdc_bank, usdc_bank]] {
        world.refuses(SelfDealing, |world| world.liquidate_collateral(keeper, alice, banks, u64::MAX));
    }
    world.refuses(AmountMustBePositive, |world| world.liquidate_collateral(keeper, alice, [sol_bank, usdc_bank], 0));
    world.liquidate_collateral(keeper, alice, [sol_bank, usdc_bank], u64::MAX).unwrap();
}

/// P-39: neither with the same account nor with another of the same owner.
#[test]
fn nobody_liquidates_himself_in_another_way() {
    let mut loan = Loan::at(255_000_000_000);
    let banks = loan.banks();
    let Loan { world, alice, .. } = &mut loan;
    let open = instruction::open_margin_account(alice.key(), alice.key(), world.group, 1);
    world.send(&[open], &[&alice.keypair]).unwrap();
    let second = Trader {
        name: "alice's second".to_owned(),
        keypair: alice.keypair.insecure_clone(),
        margin_account: pda::margin_account(&world.group, &alice.key(), 1),
        ..*alice
    };
    for liquidator in [&*alice, &second] {
        world.refuses(SelfDealing, |world| world.liquidate_collateral(liquidator, alice, banks, u64::MAX));
        world.refuses(SelfDealing, |world| world.liquidate_slice(liquidator, alice, 1 << 20));
    }
}

#[test]
fn a_liquidator_takes_over_no_more_than_can_be_valued() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 500_000_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 500_000_000 * DOLLAR, 0);
    let victim = world.funded("victim", 6_500 * DOLLAR, 0);
    world.trade(&victim, &maker, -500 * SOL_LONG, PRICE).unwrap();
    // 140 million dollars, and 180 million after the price has risen.
    world.trade(&keeper, &maker, -4_000_000 * SOL_LONG, PRICE).unwrap();
    let small = world.funded("small keeper", 500_000 * DOLLAR, 0);
    world.set_time(world.now() + 60);
    world.set_price(450_000_000_000).unwrap();
    world.refuses(ValueOutOfRange, |world| world.liquidate(&keeper, &victim, 10 * SOL));
    world.refuses(ValueOutOfRange, |world| world.liquidate_slice(&keeper, &victim, 1 << 28));
    let before = world.svm.clone();
    world.liquidate(&small, &victim, 10 * SOL).unwrap();
    world.svm = before;
    world.liquidate_slice(&small, &victim, 1 << 28).unwrap();
    check_books(&world).unwrap();
}

#[test]
fn a_slice_of_a_bankrupt_account_is_not_for_sale() {
    let Ruin { mut world, alice, keeper, .. } = Ruin::at(LOW);
    world.refuses(NoEquityToSell, |world| world.liquidate_slice(&keeper, &alice, 1 << 20));
    world.refuses(AmountMustBePositive, |world| world.liquidate_slice(&keeper, &alice, 0));
}

/// I-23, I-24: too little, too much at a loss, and nothing at all.
#[test]
fn a_bracket_leaves_the_account_better_off() {
    let mut loan = Loan::at(255_000_000_000);
    let signer = [&loan.keeper.keypair.insecure_clone()];
    for (sol, usdc, error) in [
        (200 * SOL, DOLLAR, HealthMustImprove),
        (200 * SOL, 5_049 * DOLLAR, LossTooLarge),
        (0, DOLLAR, AmountMustBePositive),
        (SOL, 0, AmountMustBePositive),
        (1_001 * SOL, 25_000 * DOLLAR, BalanceExceeded),
    ] {
        let bracket = loan.bracket(sol, usdc);
        loan.world.refuses(error, |world| world.send(&bracket, &signer));
    }
    let bracket = loan.bracket(200 * SOL, 5_050 * DOLLAR);
    loan.world.send(&bracket, &signer).unwrap();
    assert_eq!(loan.world.account(&loan.alice).bracket.open, 0);
    check_books(&loan.world).unwrap();
}

/// Between the halves of a bracket prices are refreshed and nothing else of the program happens, to whichever account; the other half
/// is of the same account and key.
#[test]
fn a_bracket_is_ended_by_whoever_began_it_and_nothing_is_between() {
    let mut loan = Loan::at(255_000_000_000);
    let [begin, end] = loan.bracket(200 * SOL, 5_050 * DOLLAR);
    let Loan { world, lender, alice, keeper } = &mut loan;
    let second = pda::margin_account(&world.group, &alice.key(), 1);
    let open = instruction::open_margin_account(alice.key(), alice.key(), world.group, 1);
    world.send(&[open], &[&alice.keypair]).unwrap();
    let (key, bank) = world.bank(Token::Sol);
    let account = world.account(alice);
    let transfer = instruction::transfer_collateral((alice.margin_account, &account), second, (key, &bank), SOL);
    let accrue = instruction::accrue_interest((key, &bank));
    let refresh = instruction::refresh_price(world.group, world.sol, world.price_update);
    let elsewhere = with_account(end.clone(), alice.margin_account, lender.margin_account);
    let signers = [&keeper.keypair, &alice.keypair, &lender.keypair];
    for between in [&transfer, &accrue, &begin, &elsewhere] {
        let all = [begin.clone(), between.clone(), end.clone()];
        world.refuses(BracketNotEnded, |world| world.send(&all, &signers));
    }
    world.refuses(BracketNotEnded, |world| world.send(&[begin.clone(), elsewhere.clone()], &signers));
    world.refuses(BracketNotOpen, |world| world.send(&[end.clone(), begin.clone()], &signers));
    let mut by_another = end.clone();
    for meta in &mut by_another.accounts {
        match meta.pubkey {
            key if key == keeper.key() => meta.pubkey = lender.key(),
            key if key == keeper.usdc => meta.pubkey = lender.usdc,
            _ => {}
        }
    }
    world.give(lender, Token::Usdc, 10_000 * DOLLAR);
    world.refuses(BracketNotOpen, |world| world.send(&[begin.clone(), by_another.clone()], &signers));
    world.refuses(BracketNotEnded, |world| world.send(&[begin.clone(), refresh.clone(), end.clone()], &signers));
    world.send(&[refresh, begin, end], &signers).unwrap();
}

/// I-31: a bracket takes no more out of a bank than anybody may.
#[test]
fn a_bracket_stays_within_the_outflow_limit() {
    let mut loan = Loan::at(255_000_000_000);
    let (bank, terms) = (loan.world.sol_bank, loan.world.bank(Token::Sol).1.terms);
    let tight = BankTerms { outflow_cap: 100 * SOL, ..terms };
    loan.world.change(Change::Bank { bank, terms: tight }, Some(loan.world.sol)).unwrap();
    loan.minutes_later(1, 255_000_000_000);
    let too_much = loan.bracket(200 * SOL, 5_050 * DOLLAR);
    let fits = loan.bracket(100 * SOL, 2_525 * DOLLAR);
    let keeper = loan.keeper.keypair.insecure_clone();
    loan.world.refuses(OutflowLimitExceeded, |world| world.send(&too_much, &[&keeper]));
    loan.world.send(&fits, &[&keeper]).unwrap();
}

/// What is lent is not there to be sold.
#[test]
fn a_bracket_takes_what_the_vault_holds() {
    let mut loan = Loan::at(255_000_000_000);
    loan.world.borrow(&loan.keeper, Token::Sol, 900 * SOL).unwrap();
    let too_much = loan.bracket(200 * SOL, 5_050 * DOLLAR);
    let fits = loan.bracket(100 * SOL, 2_525 * DOLLAR);
    let keeper = loan.keeper.keypair.insecure_clone();
    loan.world.refuses(VaultIlliquid, |world| world.send(&too_much, &[&keeper]));
    loan.world.send(&fits, &[&keeper]).unwrap();
}

/// A debt in one token is not sold for a debt in another.
#[test]
fn a_debt_is_no_collateral() {
    let mut world = World::with_market(PRICE).unwrap();
    let mint = world.list_extra_bank().unwrap();
    let bank = pda::bank(&world.group, &mint);
    let lender = world.funded("lender", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 0, 1_000 * SOL);
    let keeper = world.funded("keeper", 500_000 * DOLLAR, 0);
    let lent = world.give_new(&lender, mint, 100 * SOL);
    let deposit = instruction::deposit(
        lender.key(),
        lender.margin_account,
        (bank, &world.load(&bank)),
        lent,
        TOKEN_PROGRAM,
        100 * SOL,
    );
    world.send(&[deposit], &[&lender.keypair]).unwrap();
    let wallet = world.give_new(&alice, mint, 0);
    let account = world.account(&alice);
    let holder = (alice.margin_account, &account);
    let borrow = instruction::withdraw(holder, (bank, &world.load(&bank)), wallet, TOKEN_PROGRAM, 50 * SOL, true);
    world.send(&[borrow], &[&alice.keypair]).unwrap();
    world.borrow(&alice, Token::Usdc, 18_000 * DOLLAR).unwrap();
    world.set_time(world.now() + 60);
    world.set_price(220_000_000_000).unwrap();
    let (usdc, sol) = (world.usdc_bank, world.sol_bank);
    world.refuses(NothingToRepay, |world| world.liquidate_collateral(&keeper, &alice, [bank, usdc], u64::MAX));
    world.liquidate_collateral(&keeper, &alice, [sol, usdc], 100 * DOLLAR).unwrap();
}

/// P-04: a bracket does not end in another group's bank, all of whose accounts fit one another.
#[test]
fn a_bracket_does_not_end_in_another_group() {
    let mut market = Market::open();
    let other = market.other_group();
    let Market { mut world, .. } = market;
    world.funded("lender", 100_000 * DOLLAR, 0);
    let borrower = world.funded("borrower", 0, 1_000 * SOL);
    let keeper = world.wallet("keeper");
    world.give(&keeper, Token::Usdc, 50_000 * DOLLAR);
    world.borrow(&borrower, Token::Usdc, 20_000 * DOLLAR).unwrap();
    world.set_time(world.now() + 60);
    world.set_price(255_000_000_000).unwrap();
    let (account, sol, usdc) = (world.account(&borrower), world.bank(Token::Sol), world.bank(Token::Usdc));
    let from = (borrower.margin_account, &account);
    let foreign = (other.usdc_bank, &world.load(&other.usdc_bank));
    let begin = instruction::begin_bracket(keeper.key(), from.0, (sol.0, &sol.1), keeper.sol, TOKEN_PROGRAM, 100 * SOL);
    let end = |bank| instruction::end_bracket(keeper.key(), from, bank, keeper.usdc, TOKEN_PROGRAM, 2_540 * DOLLAR);
    let (there, here) = (end(foreign), end((usdc.0, &usdc.1)));
    world.refuses(GroupMismatch, |world| world.send(&[begin.clone(), there], &[&keeper.keypair]));
    world.send(&[begin, here], &[&keeper.keypair]).unwrap();
}

/// A slice is paid for in dollars, not in as many atoms of something else.
#[test]
fn a_slice_is_paid_for_in_the_quote_token() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 100_000 * DOLLAR, 0);
    let victim = world.funded("victim", 6_500 * DOLLAR, SOL);
    let keeper = world.funded("keeper", 500_000 * DOLLAR, 1_000 * SOL);
    world.trade(&victim, &maker, -500 * SOL_LONG, PRICE).unwrap();
    world.set_time(world.now() + 60);
    world.set_price(450_000_000_000).unwrap();
    let (a, b) = (world.account(&keeper), world.account(&victim));
    let slice =
        |bank| instruction::liquidate_slice((keeper.margin_account, &a), (victim.margin_account, &b), bank, 1 << 28);
    let (in_sol, in_usdc) = (slice(world.sol_bank), slice(world.usdc_bank));
    let mut in_sol = in_sol;
    in_sol.accounts.iter_mut().filter(|meta| meta.pubkey == world.usdc_bank).for_each(|meta| meta.is_writable = true);
    world.refuses(BankMissing, |world| world.send(&[in_sol], &[&keeper.keypair]));
    // So small a part that no lot goes with the dollars.
    world.refuses(HealthMustImprove, |world| world.liquidate_slice(&keeper, &victim, 1));
    world.send(&[in_usdc], &[&keeper.keypair]).unwrap();
}

/// I-01: a bracket ends only where the bank is solvent with what has come in.
#[test]
fn a_bracket_does_not_end_in_a_bank_whose_vault_was_robbed() {
    let mut loan = Loan::at(255_000_000_000);
    let vault = loan.world.bank(Token::Usdc).1.vault;
    add_to_vault(&mut loan.world, vault, -10_000_000);
    let both = loan.bracket(100 * SOL, 2_525 * DOLLAR);
    let keeper = loan.keeper.keypair.insecure_clone();
    loan.world.refuses(InvariantViolated, |world| world.send(&both, &[&keeper]));
}

/// I-21, I-24: what the account gains by a price that comes between the halves of a bracket is not the liquidator's.
#[test]
fn a_price_that_rises_inside_a_bracket_is_not_the_liquidator_s_gain() {
    let mut loan = Loan::at(255_000_000_000);
    loan.world.set_time(loan.world.now() + 5);
    loan.world.post(&loan.world.good_price(258_000_000_000), RECEIVER);
    let refresh = instruction::refresh_price(loan.world.group, loan.world.sol, loan.world.price_update);
    // 200 SOL were worth 5,100 dollars and may cost 51; 800 others are worth 240 more at the new price.
    let [begin, end] = loan.bracket(200 * SOL, 4_820 * DOLLAR);
    let all = [begin, refresh, end];
    let keeper = loan.keeper.keypair.insecure_clone();
    loan.world.refuses(BracketNotEnded, |world| world.send(&all, &[&keeper]));
}

/// I-26: who leaves first does not leave others with the loss. The gate of a bank is the loan's, of no other bank, and ends.
#[test]
fn nobody_leaves_a_bank_that_a_bankrupt_account_owes() {
    let mut loan = Loan::at(150_000_000_000);
    let Loan { world, lender, alice, .. } = &mut loan;
    let (usdc, admin) = (world.bank(Token::Usdc), world.admin.pubkey());
    let collect = instruction::collect_fees(admin, (usdc.0, &usdc.1), lender.usdc, TOKEN_PROGRAM, 1);
    world.withdraw(lender, Token::Usdc, DOLLAR).unwrap();
    world.flag(alice).unwrap();
    world.refuses(DeficitOpen, |world| world.withdraw(lender, Token::Usdc, DOLLAR));
    world.refuses(DeficitOpen, |world| world.send(std::slice::from_ref(&collect), &[]));
    world.withdraw(lender, Token::Sol, SOL).unwrap();
    // An hour later nobody has resolved it.
    let before = world.svm.clone();
    loan.minutes_later(60, 150_000_000_000);
    loan.world.refuses(DeficitOpen, |world| world.withdraw(&loan.lender, Token::Usdc, DOLLAR));
    loan.world.set_time(loan.world.now() + 1);
    loan.world.withdraw(&loan.lender, Token::Usdc, DOLLAR).unwrap();
    // Or somebody has: depositors have borne it.
    loan.world.svm = before;
    loan.minutes_later(1, 150_000_000_000);
    loan.sell_out();
    let Loan { world, lender, alice, keeper } = &mut loan;
    let sol_bank = world.sol_bank;
    world.refuses(NothingToRepay, |world| world.write_off_debt(alice, sol_bank));
    world.refuses(DeficitOpen, |world| world.withdraw(lender, Token::Usdc, DOLLAR));
    world.write_off_debt(alice, usdc.0).unwrap();
    check_books(world).unwrap();
    assert_eq!(world.account(alice).shares_in(&usdc.0), 0);
    world.withdraw(lender, Token::Usdc, u64::MAX).unwrap();
    assert!(world.tokens(&lender.usdc) < 100_000 * DOLLAR);
    world.withdraw(keeper, Token::Usdc, DOLLAR).unwrap();
    check_books(world).unwrap();
}

/// I-26: collateral, positions and claims of its own come before other people's money.
#[test]
fn a_debt_is_not_written_off_before_the_account_s_own_means_are_gone() {
    let mut loan = Loan::at(PRICE);
    let Loan { world, lender, alice, .. } = &mut loan;
    world.trade(alice, lender, 10 * SOL_LONG, PRICE).unwrap();
    loan.minutes_later(1, 150_000_000_000);
    let usdc_bank = loan.world.usdc_bank;
    loan.world.flag(&loan.alice).unwrap();
    loan.world.refuses(OwnCollateralFirst, |world| world.write_off_debt(&loan.alice, usdc_bank));
    loan.sell_out();
    loan.world.refuses(PositionsFirst, |world| world.write_off_debt(&loan.alice, usdc_bank));
    let sol = loan.world.sol;
    let (world, keeper) = (&mut loan.world, &loan.keeper);
    world.liquidate(keeper, &loan.alice, u64::MAX).unwrap();
    world.write_off_debt(&loan.alice, usdc_bank).unwrap();
    world.cover_deficit(&loan.alice, sol).unwrap();
    check_books(world).unwrap();
}

/// I-26: a profit on another underlying that its pool has not paid yet.
#[test]
fn an_own_claim_bears_the_loss_first() {
    let mut world = World::with_market(PRICE).unwrap();
    let eth = world.list_other_underlying("ETH").unwrap();
    let maker = world.funded("maker", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 5_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    world.trade(&alice, &maker, 500 * SOL_LONG, PRICE).unwrap();
    world.trade_legs(&alice, &maker, &[world.leg(eth, Instrument::PERP, -10 * SOL_LONG)]).unwrap();
    world.set_time(world.now() + 60);
    world.set_price(LOW).unwrap();
    let refresh = instruction::refresh_price(world.group, eth, world.price_update);
    world.send(&[refresh], &[]).unwrap();
    let sol = world.sol;
    world.liquidate(&keeper, &alice, u64::MAX).unwrap();
    for underlying in [sol, eth] {
        world.settle_pnl(&alice, underlying, false).unwrap();
    }
    world.flag(&alice).unwrap();
    // A pool that holds nothing pays nothing.
    world.refuses(PositionsFirst, |world| world.cover_deficit(&alice, sol));
    world.settle_pnl(&maker, eth, false).unwrap();
    world.refuses(OwnCollateralFirst, |world| world.cover_deficit(&alice, sol));
    // With a position nobody knows yet what she will owe, and she draws nothing ahead of others.
    world.settle_pnl(&alice, eth, false).unwrap();
    world.refuses(OwnCollateralFirst, |world| world.cover_deficit(&alice, sol));
    let perp = LiquidationLeg { instrument: Instrument::PERP, lots: 1 };
    world.liquidate_legs(&keeper, &alice, eth, vec![perp], u64::MAX).unwrap();
    for underlying in [eth, sol] {
        world.settle_pnl(&alice, underlying, false).unwrap();
    }
    world.flag(&alice).unwrap();
    world.cover_deficit(&alice, sol).unwrap();
    check_books(&world).unwrap();
}

#[test]
fn a_deficit_that_is_not_there_is_not_covered() {
    let mut loan = Loan::at(150_000_000_000);
    loan.sell_out();
    let sol = loan.world.sol;
    loan.world.refuses(NothingToRepay, |world| world.cover_deficit(&loan.alice, sol));
    let Ruin { mut world, alice, .. } = Ruin::closed(LOW);
    let eth = world.list_other_underlying("ETH").unwrap();
    world.refuses(NothingToRepay, |world| world.cover_deficit(&alice, eth));
}

/// I-27: candidates stand opposite; the first by rank is the first to be deleveraged, and whoever has no profit is last; a queue is of
/// one position.
#[test]
fn the_queue_is_of_positions_opposite_to_one_bankrupt_one() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 100_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let [alice, bob] = ["alice", "bob"].map(|name| world.funded(name, 5_000 * DOLLAR, 0));
    let bear = world.funded("bear", 2_000 * DOLLAR, 0);
    let late = world.funded("late", 2_000 * DOLLAR, 0);
    for trader in [&alice, &bob] {
        world.trade(trader, &maker, 500 * SOL_LONG, PRICE).unwrap();
    }
    world.trade(&bear, &keeper, -100 * SOL_LONG, PRICE).unwrap();
    world.set_time(world.now() + 60);
    world.set_price(LOW).unwrap();
    world.trade(&late, &keeper, -10 * SOL_LONG, LOW).unwrap();
    let (sol, perp) = (world.sol, Instrument::PERP);
    for trader in [&alice, &bob] {
        world.settle_pnl(trader, sol, false).unwrap();
        world.flag(trader).unwrap();
    }
    let later = |world: &mut World, seconds: i64| {
        world.set_time(world.now() + seconds);
        world.set_price(LOW).unwrap();
    };
    later(&mut world, 120);
    world.refuses(NotFirstInQueue, |world| world.deleverage(&alice, &maker, sol, perp));
    world.refuses(NotACandidate, |world| world.nominate(&alice, &keeper, sol, perp));
    world.refuses(NotACandidate, |world| world.nominate(&alice, &bob, sol, perp));
    world.refuses(SelfDealing, |world| world.nominate(&alice, &alice, sol, perp));
    world.nominate(&alice, &late, sol, perp).unwrap();
    world.nominate(&alice, &maker, sol, perp).unwrap();
    world.nominate(&alice, &bear, sol, perp).unwrap();
    world.refuses(NoticeRunning, |world| world.nominate(&bob, &maker, sol, perp));
    world.refuses(NoticeRunning, |world| world.deleverage(&alice, &bear, sol, perp));
    later(&mut world, 30);
    for later in [&maker, &late] {
        world.refuses(NotFirstInQueue, |world| world.deleverage(&alice, later, sol, perp));
    }
    world.refuses(NotFirstInQueue, |world| world.deleverage(&bob, &bear, sol, perp));
    world.deleverage(&alice, &bear, sol, perp).unwrap();
    world.deleverage(&alice, &maker, sol, perp).unwrap();
    check_books(&world).unwrap();
    // Alice's position is gone: the queue is free for bob's.
    world.refuses(NotFirstInQueue, |world| world.deleverage(&bob, &maker, sol, perp));
    world.nominate(&bob, &maker, sol, perp).unwrap();
}

/// I-27: a full queue takes whoever is before its last, and nobody else.
#[test]
fn a_full_queue_makes_room_for_a_higher_rank_only() {
    let Ruin { mut world, alice, maker, .. } = Ruin::at(LOW);
    let (sol, perp) = (world.sol, Instrument::PERP);
    let late: Vec<Trader> = (0..=margrave::constants::MAX_CANDIDATES)
        .map(|number| {
            let trader = world.funded(&format!("late {number}"), 1_000 * DOLLAR, 0);
            world.trade(&trader, &maker, -SOL_LONG, LOW).unwrap();
            trader
        })
        .collect();
    world.settle_pnl(&alice, sol, false).unwrap();
    world.flag(&alice).unwrap();
    world.set_time(world.now() + 120);
    world.set_price(LOW).unwrap();
    let (last, others) = late.split_last().unwrap();
    for one in others {
        world.nominate(&alice, one, sol, perp).unwrap();
    }
    // None of them has gained anything: all have one rank.
    world.refuses(NotACandidate, |world| world.nominate(&alice, last, sol, perp));
    world.nominate(&alice, &maker, sol, perp).unwrap();
    let queue = world.underlying().losses.queue;
    assert_eq!(queue.candidates[0].margin_account, maker.margin_account);
    assert!(queue.candidates.iter().all(|candidate| candidate.margin_account != others[7].margin_account));
}

/// I-27: what was taken over meanwhile is not closed again.
#[test]
fn a_position_that_was_taken_over_is_not_deleveraged() {
    let Ruin { mut world, alice, maker, keeper } = Ruin::at(LOW);
    let (sol, perp) = (world.sol, Instrument::PERP);
    world.settle_pnl(&alice, sol, false).unwrap();
    world.flag(&alice).unwrap();
    world.set_time(world.now() + 120);
    world.set_price(LOW).unwrap();
    world.nominate(&alice, &maker, sol, perp).unwrap();
    world.liquidate(&keeper, &alice, u64::MAX).unwrap();
    assert!(world.account(&alice).positions[0].is_empty());
    world.set_time(world.now() + 30);
    world.set_price(LOW).unwrap();
    world.refuses(NoPosition, |world| world.deleverage(&alice, &maker, sol, perp));
}

/// I-27: where nobody opposite has gained, the position is closed at the mark and nobody bears a thing by it.
#[test]
fn a_position_that_nobody_has_gained_by_is_closed_at_the_mark() {
    let Ruin { mut world, alice, maker, .. } = Ruin::at(LOW);
    let late = world.funded("late", 200_000 * DOLLAR, 0);
    // The winner has left with his profit; who stands opposite now came at the low.
    world.trade(&late, &maker, -500 * SOL_LONG, LOW).unwrap();
    let (sol, perp) = (world.sol, Instrument::PERP);
    world.settle_pnl(&alice, sol, false).unwrap();
    world.flag(&alice).unwrap();
    world.set_time(world.now() + 120);
    world.set_price(LOW).unwrap();
    // Good enough to realise what was lost, and not to liquidate at.
    world.set_time(world.now() + 50);
    world.refuses(PriceTooOld, |world| world.nominate(&alice, &late, sol, perp));
    world.set_price(LOW).unwrap();
    world.nominate(&alice, &late, sol, perp).unwrap();
    world.set_time(world.now() + 30);
    world.set_price(LOW).unwrap();
    world.set_time(world.now() + 50);
    world.refuses(PriceTooOld, |world| world.deleverage(&alice, &late, sol, perp));
    world.set_price(LOW).unwrap();
    let equity = |world: &World| world.accounts().value(&late.margin_account, world.now()).unwrap().equity;
    let before = equity(&world);
    let receipt = world.deleverage(&alice, &late, sol, perp).unwrap();
    let concession = receipt.events().into_iter().find_map(|event| match event {
        Event::Deleveraged(event) => Some((event.quantity, event.concession)),
        _ => None,
    });
    assert_eq!(concession, Some((500 * SOL_LONG, 0)));
    assert_eq!(equity(&world), before);
    assert!(world.account(&alice).positions[0].is_empty() && world.account(&late).positions[0].is_empty());
    check_books(&world).unwrap();
}

/// Whoever has left the position he was named for keeps nobody waiting, whatever became of the price.
#[test]
fn a_candidate_that_has_left_makes_room_on_an_old_price() {
    let Ruin { mut world, alice, maker, .. } = Ruin::at(LOW);
    let [late, next] = ["late", "next"].map(|name| world.funded(name, 200_000 * DOLLAR, 0));
    world.trade(&late, &maker, -500 * SOL_LONG, LOW).unwrap();
    let (sol, perp) = (world.sol, Instrument::PERP);
    world.settle_pnl(&alice, sol, false).unwrap();
    world.flag(&alice).unwrap();
    world.set_time(world.now() + 120);
    world.set_price(LOW).unwrap();
    world.nominate(&alice, &late, sol, perp).unwrap();
    world.trade(&next, &late, -500 * SOL_LONG, LOW).unwrap();
    // Good enough to realise what was lost, and not to liquidate at.
    world.set_time(world.now() + 50);
    world.deleverage(&alice, &late, sol, perp).unwrap();
    assert_eq!(world.account(&alice).positions[0].quantity, 500 * SOL_LONG);
    world.set_price(LOW).unwrap();
    world.nominate(&alice, &next, sol, perp).unwrap();
    check_books(&world).unwrap();
}

/// I-26: a loser bears nothing twice, and nobody registers when no round goes on.
#[test]
fn profit_is_registered_while_a_round_goes_on() {
    let Ruin { mut world, alice, maker, keeper } = Ruin::closed(LOW);
    let sol = world.sol;
    world.refuses(NoticeRunning, |world| world.register_profit(&maker, sol));
    world.refuses(NoticeRunning, |world| world.share_loss(sol));
    world.cover_deficit(&alice, sol).unwrap();
    world.refuses(NotACandidate, |world| world.register_profit(&keeper, sol));
    let before = world.svm.clone();
    world.set_time(world.now() + 600);
    world.set_price(LOW).unwrap();
    world.register_profit(&maker, sol).unwrap();
    world.refuses(NoticeRunning, |world| world.share_loss(sol));
    world.svm = before;
    world.set_time(world.now() + 601);
    world.set_price(LOW).unwrap();
    world.refuses(NoticeRunning, |world| world.register_profit(&maker, sol));
    // Nobody was registered: another round begins.
    world.share_loss(sol).unwrap();
    world.register_profit(&maker, sol).unwrap();
    assert!(claim(&world, &maker) > 0);
    check_books(&world).unwrap();
}

/// A price that is hours old says nothing of where an account stands.
#[test]
fn an_account_is_not_flagged_on_an_old_price() {
    let Ruin { mut world, alice, .. } = Ruin::at(LOW);
    world.set_time(world.now() + 86_400);
    world.refuses(PriceTooOld, |world| world.flag(&alice));
    world.set_price(LOW).unwrap();
    world.flag(&alice).unwrap();
    assert_eq!(world.account(&alice).status, Status::Bankrupt as u8);
}
