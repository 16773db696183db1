//! Ways to steal or to freeze money in liquidation and loss sharing, each as a rule that must hold. A test that fails is a finding
//! that is open.

use crate::{common::*, desk::*};
use margrave::state::{BankTerms, Change, Instrument, Status};
use margrave_client::LiquidationLeg;

const SIGNED: i64 = 1_000_000;
/// 22 dollars.
const LOW: i64 = 220_000_000_000;

fn equity(world: &World, trader: &Trader) -> i64 {
    world.accounts().value(&trader.margin_account, world.now()).unwrap().equity.micros()
}

/// So many seconds later, at a price of SOL.
fn later(world: &mut World, seconds: i64, price: i64) {
    world.set_time(world.now() + seconds);
    world.set_price(price).unwrap();
}

/// What `from` owns goes to `to` by trades at the edge of the band that leave no position: `amount` dollars.
fn hand_over(world: &mut World, from: &Trader, to: &Trader, amount: i64) {
    let price = world.underlying().oracle.price;
    let (high, low) = (price / 100 * 105, price / 100 * 95);
    // A tenth of the value changes hands.
    let quantity = (i128::from(amount) * 10i128.pow(13) / i128::from(high - low)) as i64 / 10_000_000 * 10_000_000;
    let mut legs =
        [world.leg(world.sol, Instrument::PERP, quantity), world.leg(world.sol, Instrument::PERP, -quantity)];
    (legs[0].leg.price, legs[1].leg.price) = (high, low);
    if world.underlying().losses.is_open(world.now()) {
        // Off the mark nothing is traded while a loss is open.
        world.refuses(PriceOutsideBand, |world| world.trade_legs(from, to, &legs));
    } else {
        world.trade_legs(from, to, &legs).unwrap();
    }
}

/// A settlement passes and pays nothing.
fn draws_nothing(world: &mut World, trader: &Trader) {
    let (sol, before) = (world.sol, cash(world, trader));
    world.settle_pnl(trader, sol, false).unwrap();
    assert_eq!(cash(world, trader), before);
}

/// Alice long 500 SOL at 35 with 5,000 dollars, half against the maker and half against carol; at 22 dollars the keeper has taken the
/// position over, her deposit is paid in and the rest of her loss is written off: profit is to bear about 1,500 dollars.
struct Written {
    world: World,
    alice: Trader,
    maker: Trader,
    carol: Trader,
    friend: Trader,
    keeper: Trader,
}

impl Written {
    fn prepare(friend_sol: i64) -> Self {
        let mut world = World::with_market(PRICE).unwrap();
        let maker = world.funded("maker", 100_000 * DOLLAR, 0);
        let carol = world.funded("carol", 100_000 * DOLLAR, 0);
        let alice = world.funded("alice", 5_000 * DOLLAR, 0);
        let friend = world.funded("friend", 100_000 * DOLLAR, 0);
        let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
        world.trade(&alice, &maker, 250 * SOL_LONG, PRICE).unwrap();
        world.trade(&alice, &carol, 250 * SOL_LONG, PRICE).unwrap();
        if friend_sol != 0 {
            world.trade(&keeper, &friend, friend_sol * SOL_LONG, PRICE).unwrap();
        }
        Self { world, alice, maker, carol, friend, keeper }
    }

    fn open() -> Self {
        Self::with(0)
    }

    fn with(friend_sol: i64) -> Self {
        let mut this = Self::prepare(friend_sol);
        this.ruin();
        this
    }

    fn ruin(&mut self) {
        let Self { world, alice, keeper, .. } = self;
        later(world, 60, LOW);
        world.liquidate(keeper, alice, u64::MAX).unwrap();
        world.settle_pnl(alice, world.sol, false).unwrap();
        world.flag(alice).unwrap();
        world.cover_deficit(alice, world.sol).unwrap();
        assert!(world.underlying().losses.unshared > 1_400 * DOLLAR);
    }
}

/// I-26, I-28: a winner registers his profit, trades it to a friend, withdraws his deposit and leaves an empty account to bear the
/// loss; the friend draws all of the profit.
#[test]
fn registered_profit_cannot_be_traded_away() {
    let Written { mut world, maker, friend, carol, .. } = Written::open();
    let sol = world.sol;
    world.register_profit(&maker, sol).unwrap();
    world.register_profit(&carol, sol).unwrap();
    let profit = claim(&world, &maker);
    world.trade(&maker, &friend, 250 * SOL_LONG, LOW).unwrap();
    hand_over(&mut world, &maker, &friend, profit - 60 * SIGNED);
    if claim(&world, &maker) >= 0 {
        // All but what his fees have taken of the profit that is registered.
        world.refuses(InitialMarginNotMet, |world| world.withdraw(&maker, Token::Usdc, u64::MAX));
        world.withdraw(&maker, Token::Usdc, 99_990 * DOLLAR).unwrap();
    }
    later(&mut world, 601, LOW);
    world.share_loss(sol).unwrap();
    world.settle_pnl(&friend, sol, false).unwrap();
    world.settle_pnl(&maker, sol, false).unwrap();
    check_books(&world).unwrap();
    assert!(equity(&world, &maker) >= 0, "the loss is passed on to nobody: {}", equity(&world, &maker));
}

/// I-28: whoever registered a small profit first takes another's unregistered profit over and bears next to nothing; honest carol
/// bears all.
#[test]
fn a_small_registration_does_not_shelter_a_large_profit() {
    let Written { mut world, maker, friend, carol, .. } = Written::with(1);
    let sol = world.sol;
    world.register_profit(&friend, sol).unwrap();
    let profit = claim_with_positions(&mut world, &maker);
    world.trade(&maker, &friend, 250 * SOL_LONG, LOW).unwrap();
    hand_over(&mut world, &maker, &friend, profit - 60 * SIGNED);
    // A keeper registers whatever there is, as often as he may.
    for trader in [&maker, &friend, &carol] {
        let _ = world.register_profit(trader, sol);
    }
    let loss = i64::try_from(world.underlying().losses.unshared).unwrap();
    let before = claim(&world, &carol);
    later(&mut world, 601, LOW);
    world.share_loss(sol).unwrap();
    let paid_in = cash(&world, &carol);
    world.settle_pnl(&carol, sol, false).unwrap();
    let borne = before - (claim(&world, &carol) + cash(&world, &carol) - paid_in);
    // Both had the same profit.
    assert!(borne < loss * 6 / 10, "carol bears {borne} of {loss}");
}

/// What the perp has made, by settling nothing.
fn claim_with_positions(world: &mut World, trader: &Trader) -> i64 {
    equity(world, trader) - cash(world, trader)
}

/// I-26: a loss that profit bears does not come back: an account that is below its margin without its registered profit may not
/// withdraw on it.
#[test]
fn gated_profit_is_no_margin_for_a_withdrawal() {
    let Written { mut world, maker, carol, friend, .. } = Written::open();
    let sol = world.sol;
    world.register_profit(&maker, sol).unwrap();
    world.register_profit(&carol, sol).unwrap();
    // His profit of 3,250 dollars carries 165 SOL short at 22 dollars; he leaves with all he has put in.
    world.trade(&maker, &friend, 85 * SOL_LONG, LOW).unwrap();
    let outcome = world.withdraw(&maker, Token::Usdc, 100_000 * DOLLAR - 1);
    let health = world.accounts().value(&maker.margin_account, world.now()).unwrap().initial_health().micros();
    let before = claim(&world, &maker);
    later(&mut world, 601, LOW);
    world.share_loss(sol).unwrap();
    world.settle_pnl(&maker, sol, false).unwrap();
    let borne = before - claim(&world, &maker) - cash(&world, &maker);
    assert!(
        outcome.is_err() || health >= borne,
        "left with {health} above initial margin, of which {borne} is others'"
    );
}

/// I-28: what the sharing has not reached is not moved to another market: a loss made there on purpose against a friend is paid to him
/// at once from that market's pool, and backed by profit that is about to be taken.
#[test]
fn gated_profit_does_not_pay_a_friend_on_another_market() {
    let mut written = Written::prepare(0);
    let other = written.world.list_other_underlying("ETH").unwrap();
    written.ruin();
    let Written { mut world, maker, friend, carol, .. } = written;
    let sol = world.sol;
    let refresh = instruction::refresh_price(world.group, other, world.price_update);
    world.send(std::slice::from_ref(&refresh), &[]).unwrap();
    // Others have paid into the other market's pool.
    let (erin, frank) = (world.funded("erin", 50_000 * DOLLAR, 0), world.funded("frank", 50_000 * DOLLAR, 0));
    let hand = |world: &mut World, from: &Trader, to: &Trader, sol: i64| {
        let mut legs = [sol, -sol].map(|sol| world.leg(other, Instrument::PERP, sol * SOL_LONG));
        (legs[0].leg.price, legs[1].leg.price) = (LOW / 100 * 105, LOW / 100 * 95);
        world.trade_legs(from, to, &legs)
    };
    hand(&mut world, &erin, &frank, 2_000).unwrap();
    world.settle_pnl(&erin, other, false).unwrap();
    for trader in [&maker, &carol] {
        world.register_profit(trader, sol).unwrap();
    }
    // His profit secures nothing meanwhile, so that he cannot take out what is to bear his part.
    world.refuses(InitialMarginNotMet, |world| world.withdraw(&maker, Token::Usdc, 98_000 * DOLLAR));
    world.trade(&maker, &friend, 250 * SOL_LONG, LOW).unwrap();
    world.withdraw(&maker, Token::Usdc, 99_990 * DOLLAR).unwrap();
    // A flat account may leave with its deposit, and its profit secures nothing anywhere.
    let moved = (1..=40).rev().find(|step| hand(&mut world, &maker, &friend, step * 50).is_ok());
    assert_eq!(moved, None);
    check_books(&world).unwrap();
}

/// I-26: the first of the queue closes his position elsewhere; the queue must go on with the next.
#[test]
fn a_candidate_that_has_left_does_not_block_the_queue() {
    let Written { mut world, alice, maker, carol, friend, .. } = Written::prepare(0);
    let sol = world.sol;
    // The maker's rank is the higher one: he has taken out most of his deposit.
    world.withdraw(&maker, Token::Usdc, 90_000 * DOLLAR).unwrap();
    later(&mut world, 60, LOW);
    world.settle_pnl(&alice, sol, false).unwrap();
    world.flag(&alice).unwrap();
    later(&mut world, 120, LOW);
    world.nominate(&alice, &maker, sol, Instrument::PERP).unwrap();
    world.nominate(&alice, &carol, sol, Instrument::PERP).unwrap();
    world.trade(&maker, &friend, 250 * SOL_LONG, LOW).unwrap();
    later(&mut world, 30, LOW);
    for _ in 0..20 {
        let _ = world.nominate(&alice, &carol, sol, Instrument::PERP);
        let first = world.deleverage(&alice, &maker, sol, Instrument::PERP);
        let second = world.deleverage(&alice, &carol, sol, Instrument::PERP);
        if first.is_ok() || second.is_ok() {
            return;
        }
        later(&mut world, 600, LOW);
        let _ = world.flag(&alice);
    }
    panic!("three hours later nobody is deleveraged");
}

/// An account with every token it has room for and no dollars: no round ends before its profit is paid out.
#[test]
fn every_registered_account_can_settle() {
    let Written { mut world, alice, maker, keeper, .. } = Written::prepare(0);
    let sol = world.sol;
    let greta = world.funded("greta", 0, 1_000 * SOL);
    for _ in 0..6 {
        let mint = world.list_extra_bank().unwrap();
        let wallet = world.give_new(&greta, mint, SOL);
        let key = pda::bank(&world.group, &mint);
        let bank = world.load(&key);
        let deposit = instruction::deposit(greta.key(), greta.margin_account, (key, &bank), wallet, TOKEN_PROGRAM, SOL);
        world.send(&[deposit], &[&greta.keypair]).unwrap();
    }
    let rich = world.funded("rich", 100_000 * DOLLAR, 0);
    world.trade(&greta, &rich, -10 * SOL_LONG, PRICE).unwrap();
    let mut written = Written { world, alice, maker, keeper, carol: rich, friend: greta };
    written.ruin();
    let Written { mut world, maker, friend: greta, .. } = written;
    world.register_profit(&maker, sol).unwrap();
    world.register_profit(&greta, sol).unwrap();
    later(&mut world, 601, LOW);
    world.share_loss(sol).unwrap();
    world.settle_pnl(&maker, sol, false).unwrap();
    let settled = world.settle_pnl(&greta, sol, false);
    assert!(settled.is_ok(), "no later loss can ever be shared: {}", settled.unwrap_err());
    assert_eq!(world.underlying().losses.registered, 0);
}

/// I-26: a worthless option keeps nobody's loss from being shared. Nobody takes it over (it does not help), and where the other side
/// has made nothing on the underlying there is no claim and no candidate.
#[test]
fn the_other_side_of_a_worthless_option_is_a_candidate() {
    let mut desk = Desk::open();
    let (sol, call) = (desk.world.sol, desk.call(45));
    let (writer, keeper) =
        (desk.world.funded("writer", 10_000 * DOLLAR, 0), desk.world.funded("keeper", 1_000_000 * DOLLAR, 0));
    desk.alice_trades(&[desk.leg(Instrument::PERP, 500 * SOL_LONG)]).unwrap();
    let leg = desk.leg(call, SOL_LONG / 100);
    let Desk { world, alice, .. } = &mut desk;
    world.trade_legs(alice, &writer, &[leg]).unwrap();
    later(world, 60, LOW);
    world.liquidate(&keeper, alice, u64::MAX).unwrap();
    world.settle_pnl(alice, sol, false).unwrap();
    world.flag(alice).unwrap();
    later(world, 121, LOW);
    let legs = vec![LiquidationLeg { instrument: call, lots: 1 }];
    let taken = world.liquidate_legs(&keeper, alice, sol, legs, u64::MAX).map(drop).map_err(|refusal| refusal.code);
    let covered = world.cover_deficit(alice, sol).map(drop).map_err(|refusal| refusal.code);
    let named = world.nominate(alice, &writer, sol, call).map(drop).map_err(|refusal| refusal.code);
    assert!(taken.is_ok() || covered.is_ok() || named.is_ok(), "{taken:?} {covered:?} {named:?}");
}

/// A listed token of another market in an account's wallet and deposit.
fn deposit_other(world: &mut World, trader: &Trader, other: Pubkey, amount: u64) -> (Pubkey, Pubkey) {
    let mint = world.list_bank_on(other, u64::MAX).unwrap();
    let wallet = world.give_new(trader, mint, 1_000 * SOL);
    let key = pda::bank(&world.group, &mint);
    if amount > 0 {
        let bank = world.load(&key);
        let deposit =
            instruction::deposit(trader.key(), trader.margin_account, (key, &bank), wallet, TOKEN_PROGRAM, amount);
        world.send(&[deposit], &[&trader.keypair]).unwrap();
    }
    (key, wallet)
}

/// I-25, I-26: a few dollars of a token whose feed has died keep nobody's loss from being shared.
#[test]
fn collateral_on_a_dead_feed_does_not_block_the_waterfall() {
    let Written { mut world, alice, keeper, .. } = Written::prepare(0);
    let sol = world.sol;
    let other = world.list_other_underlying("ETH").unwrap();
    // 3.50 dollars at the last price there will ever be.
    let (bank, _) = deposit_other(&mut world, &alice, other, SOL / 10);
    later(&mut world, 3_600, LOW);
    world.liquidate(&keeper, &alice, u64::MAX).unwrap();
    world.settle_pnl(&alice, sol, false).unwrap();
    world.flag(&alice).unwrap();
    assert_eq!(world.account(&alice).status, Status::Bankrupt as u8);
    let bought = world.liquidate_collateral(&keeper, &alice, [bank, world.usdc_bank], u64::MAX);
    let covered = world.cover_deficit(&alice, sol);
    assert!(bought.is_ok() || covered.is_ok(), "{:?} {:?}", bought.unwrap_err().code, covered.unwrap_err().code);
}

/// I-26: a claim on a market whose pool is empty keeps nobody's loss from being shared. Its other side is solvent, and pays when it
/// likes: in another token.
#[test]
fn a_claim_that_nobody_pays_does_not_block_the_waterfall() {
    let Written { mut world, alice, keeper, .. } = Written::prepare(0);
    let sol = world.sol;
    let other = world.list_other_underlying("ETH").unwrap();
    let shell = world.funded("shell", 0, 1_000 * SOL);
    let mut legs = [1, -1].map(|sign| world.leg(other, Instrument::PERP, sign * 5 * SOL_LONG));
    (legs[0].leg.price, legs[1].leg.price) = (PRICE / 100 * 105, PRICE / 100 * 95);
    world.trade_legs(&shell, &alice, &legs).unwrap();
    later(&mut world, 60, LOW);
    let refresh = instruction::refresh_price(world.group, other, world.price_update);
    world.send(std::slice::from_ref(&refresh), &[]).unwrap();
    world.liquidate(&keeper, &alice, u64::MAX).unwrap();
    for (trader, underlying) in [(&alice, sol), (&shell, other), (&alice, other)] {
        world.settle_pnl(trader, underlying, false).unwrap();
    }
    world.flag(&alice).unwrap();
    assert_eq!(world.account(&alice).status, Status::Bankrupt as u8);
    let covered = world.cover_deficit(&alice, sol);
    assert!(covered.is_ok(), "{}", covered.unwrap_err().error);
}

/// Alice has borrowed dollars against SOL and is below her maintenance margin; a keeper with dollars and SOL in his wallet.
struct Bracketed {
    world: World,
    alice: Trader,
    keeper: Trader,
}

impl Bracketed {
    fn open() -> Self {
        let mut world = World::with_market(PRICE).unwrap();
        world.funded("lender", 100_000 * DOLLAR, 0);
        let alice = world.funded("alice", 0, 1_000 * SOL);
        let keeper = world.wallet("keeper");
        world.give(&keeper, Token::Usdc, 50_000 * DOLLAR);
        world.borrow(&alice, Token::Usdc, 20_000 * DOLLAR).unwrap();
        later(&mut world, 60, 255_000_000_000);
        Self { world, alice, keeper }
    }

    fn begin(&self, sol: u64) -> Instruction {
        let bank = self.world.load(&self.world.sol_bank);
        let bank = (self.world.sol_bank, &bank);
        instruction::begin_bracket(
            self.keeper.key(),
            self.alice.margin_account,
            bank,
            self.keeper.sol,
            TOKEN_PROGRAM,
            sol,
        )
    }

    fn end(&self, bank: Pubkey, source: Pubkey, amount: u64) -> Instruction {
        let account = self.world.account(&self.alice);
        let loaded = self.world.load(&bank);
        let from = (self.alice.margin_account, &account);
        instruction::end_bracket(self.keeper.key(), from, (bank, &loaded), source, TOKEN_PROGRAM, amount)
    }
}

/// I-21, I-23: a price that a keeper holds back and posts inside his bracket pays for what he has taken.
#[test]
fn a_price_inside_a_bracket_pays_nobody() {
    let mut this = Bracketed::open();
    // A minute passes within which the price was seen to rise by one per cent; he has not posted it yet.
    this.world.set_time(this.world.now() + 5);
    let price = this.world.good_price(257_500_000_000);
    this.world.post(&price, RECEIVER);
    let refresh = instruction::refresh_price(this.world.group, this.world.sol, this.world.price_update);
    let instructions = [this.begin(8 * SOL), refresh, this.end(this.world.usdc_bank, this.keeper.usdc, 1)];
    let outcome = this.world.send(&instructions, &[&this.keeper.keypair]);
    assert!(outcome.is_err(), "8 SOL, 204 dollars, for a millionth of a dollar");
}

/// I-23, P-25: what is paid in must have a price that is good enough to liquidate at, as what is taken out.
#[test]
fn a_bracket_does_not_end_with_a_token_on_a_dead_feed() {
    let mut this = Bracketed::open();
    let other = this.world.list_other_underlying("ETH").unwrap();
    let (bank, wallet) = deposit_other(&mut this.world, &this.keeper, other, 0);
    // A day later the feed of the token is dead, and it is worth nothing any more.
    later(&mut this.world, 86_400, 255_000_000_000);
    let instructions = [this.begin(200 * SOL), this.end(bank, wallet, 210 * SOL)];
    let outcome = this.world.send(&instructions, &[&this.keeper.keypair]);
    assert!(outcome.is_err(), "200 SOL for 210 tokens of a dead feed");
}

/// I-23: nor with a token whose price the transaction does not bring along.
#[test]
fn a_bracket_does_not_end_with_a_token_without_its_price() {
    let mut this = Bracketed::open();
    let other = this.world.list_other_underlying("ETH").unwrap();
    let (bank, wallet) = deposit_other(&mut this.world, &this.keeper, other, 0);
    later(&mut this.world, 60, 255_000_000_000);
    let end = without_account(this.end(bank, wallet, 210 * SOL), other);
    let instructions = [this.begin(200 * SOL), end];
    let keeper = this.keeper.keypair.insecure_clone();
    this.world.refuses(UnderlyingMissing, |world| world.send(&instructions, &[&keeper]));
}

/// A token's deposit cap is its risk limit: liquidators do not fill banks that take no deposits any more.
#[test]
fn a_bracket_keeps_to_the_deposit_cap() {
    let mut this = Bracketed::open();
    let other = this.world.list_other_underlying("ETH").unwrap();
    let (bank, wallet) = deposit_other(&mut this.world, &this.keeper, other, 0);
    let terms = BankTerms { deposit_cap: 0, ..this.world.load::<margrave::state::Bank>(&bank).terms };
    this.world.change(Change::Bank { bank, terms }, Some(other)).unwrap();
    let price = this.world.good_price(255_000_000_000);
    this.world.post(&price, RECEIVER);
    this.world.refresh().unwrap();
    let refresh = instruction::refresh_price(this.world.group, other, this.world.price_update);
    this.world.send(&[refresh], &[]).unwrap();
    let sol = 200 * SOL;
    let instructions = [this.begin(sol), this.end(bank, wallet, sol + sol / 100)];
    let outcome = this.world.send(&instructions, &[&this.keeper.keypair]);
    assert!(outcome.is_err(), "a bank with a deposit cap of zero has taken 200 tokens");
}

/// A bracket takes of what the account holds.
#[test]
fn a_bracket_begins_with_a_token_of_the_account() {
    let mut this = Bracketed::open();
    let other = this.world.list_other_underlying("ETH").unwrap();
    let (bank, wallet) = deposit_other(&mut this.world, &this.keeper, other, 0);
    let (alice, loaded) = (this.alice.margin_account, this.world.load(&bank));
    let begin = instruction::begin_bracket(this.keeper.key(), alice, (bank, &loaded), wallet, TOKEN_PROGRAM, SOL);
    let end = this.end(this.world.usdc_bank, this.keeper.usdc, 1);
    let keeper = this.keeper.keypair.insecure_clone();
    this.world.refuses(MargraveError::NothingToRepay, |world| world.send(&[begin, end], &[&keeper]));
}

/// I-24, P-39: as long as an account can pay what it owes, a liquidator's fee does not make it bankrupt.
#[test]
fn a_fee_makes_no_solvent_account_bankrupt() {
    let Written { mut world, alice, keeper, .. } = Written::prepare(0);
    // 5,000 dollars less fees are 9.98 dollars a SOL.
    later(&mut world, 60, 250_300_000_000);
    world.flag(&alice).unwrap();
    later(&mut world, 120, 250_300_000_000);
    let before = equity(&world, &alice);
    assert!(before > 0, "{before}");
    world.liquidate(&keeper, &alice, u64::MAX).unwrap();
    let after = equity(&world, &alice);
    assert!(after >= 0, "had {before}, owes {after}: others pay the keeper's fee");
}

/// I-24, P-39: nor does a bracket's bonus. The account owes nothing in any bank: its loss is in its position.
#[test]
fn a_bracket_s_bonus_makes_no_solvent_account_bankrupt() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 0, 1_000 * SOL);
    let keeper = world.wallet("keeper");
    world.give(&keeper, Token::Usdc, 50_000 * DOLLAR);
    world.trade(&alice, &maker, 1_600 * SOL_LONG, PRICE).unwrap();
    // Worth 1,000 P less 1,600 (35 - P) and fees: a hundred dollars.
    let price = 215_900_000_000;
    later(&mut world, 60, price);
    world.flag(&alice).unwrap();
    later(&mut world, 120, price);
    // The haircut is five per cent of 1,000 SOL, later of 100.
    let full = |world: &World| equity(world, &alice) + 50 * price / 10_000;
    let this = Bracketed { world, alice: Trader { name: String::new(), ..clone_of(&alice) }, keeper };
    let before = full(&this.world);
    let sold = 900 * SOL;
    let paid = 900 * u64::try_from(price / 10_000).unwrap() / 1_000 * 961;
    let instructions = [this.begin(sold), this.end(this.world.usdc_bank, this.keeper.usdc, paid)];
    let Bracketed { mut world, keeper, .. } = this;
    assert!(before > 50 * SIGNED, "{before}");
    let outcome = world.send(&instructions, &[&keeper.keypair]);
    let after = equity(&world, &alice) + 5 * price / 10_000;
    assert!(outcome.is_err() || after >= 0, "had {before}, has {after} with every balance at its price");
}

fn clone_of(trader: &Trader) -> Trader {
    Trader {
        name: trader.name.clone(),
        keypair: trader.keypair.insecure_clone(),
        margin_account: trader.margin_account,
        usdc: trader.usdc,
        sol: trader.sol,
    }
}

/// I-27: what a liquidator was paid for taking over a short option is no profit: he owes what he was paid for.
#[test]
fn a_keeper_s_payment_for_a_short_option_bears_no_loss() {
    let mut desk = Desk::open();
    let (sol, call) = (desk.world.sol, desk.call(40));
    desk.alice_trades(&[desk.leg(call, -400 * SOL_LONG)]).unwrap();
    let keeper = desk.world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let Desk { world, alice, .. } = &mut desk;
    later(world, 60, 600_000_000_000);
    let legs = vec![LiquidationLeg { instrument: call, lots: 1 }];
    world.liquidate_legs(&keeper, alice, sol, legs, u64::MAX).unwrap();
    world.settle_pnl(alice, sol, false).unwrap();
    world.flag(alice).unwrap();
    let loss = claim(world, alice);
    world.cover_deficit(alice, sol).unwrap();
    let before = equity(world, &keeper);
    if world.register_profit(&keeper, sol).is_ok() {
        later(world, 601, 600_000_000_000);
        world.share_loss(sol).unwrap();
        world.settle_pnl(&keeper, sol, false).unwrap();
    }
    let lost = before - equity(world, &keeper);
    assert!(lost < loss.abs() / 10, "the keeper bears {lost} of {loss} for having helped");
}

/// I-28: an account that was bankrupt once and has recovered draws no profit while others may not.
#[test]
fn a_recovered_account_is_not_ahead_of_the_others() {
    let Written { mut world, alice, keeper, .. } = Written::prepare(0);
    let sol = world.sol;
    let bob = world.funded("bob", 5_000 * DOLLAR, 0);
    world.trade(&bob, &keeper, -500 * SOL_LONG, PRICE).unwrap();
    later(&mut world, 60, LOW);
    world.flag(&alice).unwrap();
    assert_eq!(world.account(&alice).status, Status::Bankrupt as u8);
    later(&mut world, 60, 500_000_000_000);
    world.settle_pnl(&bob, sol, false).unwrap();
    world.flag(&bob).unwrap();
    draws_nothing(&mut world, &keeper);
    assert!(equity(&world, &alice) > 0);
    // She is as solvent as all the others.
    draws_nothing(&mut world, &alice);
}

/// Fees that nobody has paid do not go ahead of winners.
#[test]
fn winners_do_not_pay_a_bankrupt_account_s_fees() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 10_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let sol = world.sol;
    // 5,250 dollars of fees that stay in her claim.
    let there = world.leg(sol, Instrument::PERP, 30_000 * SOL_LONG);
    let back = world.leg(sol, Instrument::PERP, -30_000 * SOL_LONG);
    for _ in 0..5 {
        world.trade_legs(&alice, &maker, &[there, back]).unwrap();
    }
    world.trade(&alice, &maker, 450 * SOL_LONG, PRICE).unwrap();
    later(&mut world, 60, LOW);
    world.liquidate(&keeper, &alice, u64::MAX).unwrap();
    world.settle_pnl(&alice, sol, false).unwrap();
    world.flag(&alice).unwrap();
    let before = world.underlying().pool.unsettled_fees;
    world.cover_deficit(&alice, sol).unwrap();
    let grown = world.underlying().pool.unsettled_fees - before;
    let loss = i64::try_from(world.underlying().losses.unshared).unwrap();
    assert!(grown == 0 || loss == 0, "of {loss} that profit bears, {grown} are fees that nobody has paid");
}

/// I-28: who has a deposit in a bank with an open loss does not park it in a market's pool until others have borne the loss.
#[test]
fn a_deposit_is_not_parked_in_a_pool() {
    let mut world = World::with_market(PRICE).unwrap();
    let sol = world.sol;
    let [honest, sly] = ["honest", "sly"].map(|name| world.funded(name, 30_000 * DOLLAR, 0));
    let accomplice = world.funded("accomplice", 0, 3_000 * SOL);
    let alice = world.funded("alice", 0, 1_000 * SOL);
    let keeper = world.funded("keeper", 0, 0);
    world.borrow(&alice, Token::Usdc, 22_000 * DOLLAR).unwrap();
    later(&mut world, 60, 150_000_000_000);
    world.flag(&alice).unwrap();
    world.refuses(DeficitOpen, |world| world.withdraw(&sly, Token::Usdc, DOLLAR));
    hand_over(&mut world, &sly, &accomplice, 20_000 * SIGNED);
    world.refuses(DeficitOpen, |world| world.settle_pnl(&sly, sol, false));
    // A keeper buys all the collateral, and what is left is written off.
    world.give(&keeper, Token::Usdc, 20_000 * DOLLAR);
    world.deposit(&keeper, Token::Usdc, 20_000 * DOLLAR).unwrap();
    world.liquidate_collateral(&keeper, &alice, [world.sol_bank, world.usdc_bank], u64::MAX).unwrap();
    let index = |world: &World| {
        let bank = world.bank(Token::Usdc).1;
        bank.atoms_down(1 << 40).unwrap()
    };
    let before = index(&world);
    world.flag(&alice).unwrap();
    world.write_off_debt(&alice, world.usdc_bank).unwrap();
    let each = (before - index(&world)) * 1_000_000 / before;
    world.settle_pnl(&sly, sol, false).unwrap();
    world.settle_pnl(&accomplice, sol, false).unwrap();
    check_books(&world).unwrap();
    let held = |trader: &Trader| {
        let bank = world.bank(Token::Usdc).1;
        bank.atoms_down(world.account(trader).shares_in(&world.usdc_bank).max(0).unsigned_abs()).unwrap()
    };
    let (lost_honest, both) = (30_000 * DOLLAR - held(&honest), held(&sly) + held(&accomplice));
    let lost_sly = 30_000 * DOLLAR - both;
    assert!(lost_sly * 10 > lost_honest * 9, "honest loses {lost_honest} ({each} ppm), sly with the same {lost_sly}");
}

/// I-22: a flag is no step: an account above its maintenance margin that nobody has liquidated for hours is not liquidated.
#[test]
fn flags_do_not_keep_a_liquidation_alive() {
    let mut market = Market::long(500);
    let keeper = market.world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let Market { mut world, alice, .. } = market;
    later(&mut world, 60, 290_000_000_000);
    world.flag(&alice).unwrap();
    // Twice above maintenance margin and below the liquidation's end, which the rising scan range moves.
    let between = |world: &mut World, seconds: i64| {
        let before = world.svm.clone();
        let price = (2_900..3_400).rev().map(|price| price * 100_000_000).find(|price| {
            world.svm = before.clone();
            later(world, seconds, *price);
            world.accounts().value(&alice.margin_account, world.now()).unwrap().liquidation_end_health().is_negative()
        });
        let there = world.accounts().value(&alice.margin_account, world.now()).unwrap();
        assert!(!there.maintenance_health().is_negative(), "{price:?}");
    };
    between(&mut world, 300);
    world.flag(&alice).unwrap();
    assert_eq!(world.account(&alice).status, Status::InLiquidation as u8);
    between(&mut world, 301);
    world.refuses(AccountIsHealthy, |world| world.liquidate(&keeper, &alice, u64::MAX));
}

/// I-27: an account that has recovered is not deleveraged, nor anybody because of it.
#[test]
fn a_recovered_account_is_not_deleveraged() {
    let Written { mut world, alice, maker, .. } = Written::prepare(0);
    let sol = world.sol;
    later(&mut world, 60, LOW);
    world.settle_pnl(&alice, sol, false).unwrap();
    world.flag(&alice).unwrap();
    later(&mut world, 120, LOW);
    let fallen = world.svm.clone();
    later(&mut world, 30, 320_000_000_000);
    world.refuses(AccountIsSolvent, |world| world.nominate(&alice, &maker, sol, Instrument::PERP));
    world.svm = fallen;
    world.nominate(&alice, &maker, sol, Instrument::PERP).unwrap();
    later(&mut world, 30, 320_000_000_000);
    assert!(equity(&world, &alice) > 0);
    let outcome = world.deleverage(&alice, &maker, sol, Instrument::PERP);
    assert!(outcome.is_err(), "nobody owes anything, and both are closed");
}

/// I-11, I-23: an isolated account's collateral beside its market counts as nothing as margin; it is not given away for nothing.
#[test]
fn a_bracket_pays_for_collateral_that_counts_as_nothing() {
    let (mut this, other, bank) = isolated();
    let refresh = instruction::refresh_price(this.world.group, other, this.world.price_update);
    this.world.send(&[refresh], &[]).unwrap();
    let mint = this.world.load::<margrave::state::Bank>(&bank).mint;
    let wallet = this.world.give_new(&this.keeper, mint, 0);
    let (alice, loaded) = (this.alice.margin_account, this.world.load(&bank));
    let begin = instruction::begin_bracket(this.keeper.key(), alice, (bank, &loaded), wallet, TOKEN_PROGRAM, 100 * SOL);
    let end = this.end(this.world.usdc_bank, this.keeper.usdc, 1);
    let outcome = this.world.send(&[begin, end], &[&this.keeper.keypair]);
    assert!(outcome.is_err(), "tokens worth 2,800 dollars for a millionth of a dollar");
}

/// Alice isolated on SOL, long 500 at 35 dollars with 5,000 dollars, at 28; and 100 tokens of another market.
fn isolated() -> (Bracketed, Pubkey, Pubkey) {
    let mut world = World::with_market(PRICE).unwrap();
    let other = world.list_other_underlying("ETH").unwrap();
    let maker = world.funded("maker", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 5_000 * DOLLAR, 0);
    let keeper = world.wallet("keeper");
    world.give(&keeper, Token::Usdc, 50_000 * DOLLAR);
    let (bank, _) = deposit_other(&mut world, &alice, other, 100 * SOL);
    let account = world.account(&alice);
    let mode = instruction::set_mode((alice.margin_account, &account), margrave::state::Mode::Isolated);
    world.set_price(PRICE).unwrap();
    world.send(&[instruction::refresh_price(world.group, other, world.price_update)], &[]).unwrap();
    world.send(&[mode], &[&alice.keypair]).unwrap();
    world.trade(&alice, &maker, 500 * SOL_LONG, PRICE).unwrap();
    later(&mut world, 60, 280_000_000_000);
    (Bracketed { world, alice, keeper }, other, bank)
}

/// I-34: an account that could pay all it owes closes no bank: haircuts are margin, not loss.
#[test]
fn a_solvent_account_closes_no_bank() {
    let Bracketed { mut world, alice, .. } = Bracketed::open();
    let lender = world.funded("saver", 1_000 * DOLLAR, 0);
    // 20,500 dollars of SOL, and 20,000 dollars owed.
    later(&mut world, 60, 205_000_000_000);
    world.flag(&alice).unwrap();
    let outcome = world.withdraw(&lender, Token::Usdc, 1_000 * DOLLAR);
    assert!(outcome.is_ok(), "status {}: {}", world.account(&alice).status, outcome.unwrap_err().error);
}

/// I-24: a slice's discount is that of its auction: two per cent of what the part is worth when it begins, not the haircut too.
#[test]
fn a_slice_does_not_sell_the_haircut() {
    let Bracketed { mut world, alice, .. } = Bracketed::open();
    let buyer = world.funded("buyer", 100_000 * DOLLAR, 0);
    let worth = |world: &World, trader: &Trader| {
        let accounts = world.accounts();
        let mut arranged = margrave::portfolio::Arranged::new(&world.load(&world.group)).unwrap();
        let account = world.account(trader);
        arranged.read(&account, &accounts, margrave::oracle::Action::Reduce, world.now()).unwrap();
        let valuation = arranged.valuation().unwrap();
        arranged.full_equity_and_debts(valuation.equity).0
    };
    let before = (worth(&world, &alice), worth(&world, &buyer));
    let receipt = world.liquidate_slice(&buyer, &alice, 1 << 30).unwrap();
    let events = receipt.events();
    let [Event::SliceLiquidated(event)] = &events[..] else { panic!("one event") };
    let bought = i64::try_from((i128::from(before.0) * i128::from(event.share)) >> 30).unwrap();
    let gained = worth(&world, &buyer) - before.1;
    assert!(gained <= bought / 40, "gains {gained} of {bought} that the slice is worth");
}
