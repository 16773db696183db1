use crate::common::*;

#[test]
fn what_was_deposited_can_be_withdrawn_to_the_unit() {
    let mut world = World::with_market(PRICE).unwrap();
    let alice = world.funded("alice", 100 * DOLLAR, 3 * SOL);
    world.withdraw(&alice, Token::Usdc, 40 * DOLLAR).unwrap();
    let receipt = world.withdraw(&alice, Token::Usdc, u64::MAX).unwrap();
    let events = receipt.events();
    let [Event::Withdrawn(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.bank, event.amount, event.sequence), (world.usdc_bank, 60 * DOLLAR, 4));
    world.withdraw(&alice, Token::Sol, 3 * SOL).unwrap();

    assert_eq!((world.tokens(&alice.usdc), world.tokens(&alice.sol)), (100 * DOLLAR, 3 * SOL));
    let account = world.account(&alice);
    assert!(account.collateral.iter().all(|slot| slot.is_empty() && slot.bank == Pubkey::default()));
    assert!(account.risk.iter().all(|slot| slot.is_empty() && slot.underlying == Pubkey::default()));
    check_books(&world).unwrap();
}

/// I-07, P-20: no number of small round trips gains anything.
#[test]
fn round_trips_gain_nothing() {
    let mut world = World::with_market(PRICE).unwrap();
    let alice = world.funded("alice", DOLLAR, 0);
    world.give(&alice, Token::Usdc, 1_000);
    for amount in 1..40 {
        world.deposit(&alice, Token::Usdc, amount).unwrap();
        world.withdraw(&alice, Token::Usdc, amount).unwrap();
    }
    assert_eq!(world.tokens(&alice.usdc), 1_000);
    check_books(&world).unwrap();
}

#[test]
fn zero_and_overdrafts_are_refused() {
    let Market { mut world, alice, .. } = Market::open();
    world.refuses(AmountMustBePositive, |world| world.withdraw(&alice, Token::Usdc, 0));
    world.refuses(BalanceExceeded, |world| world.withdraw(&alice, Token::Usdc, 5_000 * DOLLAR + 1));
    world.refuses(BalanceExceeded, |world| world.withdraw(&alice, Token::Sol, 1));
    world.refuses(BalanceExceeded, |world| world.withdraw(&alice, Token::Sol, u64::MAX));
    world.withdraw(&alice, Token::Usdc, 5_000 * DOLLAR).unwrap();
}

/// I-15: a position's margin stays. At the limit it passes, one unit further it does not.
#[test]
fn initial_margin_cannot_be_withdrawn() {
    let Market { mut world, alice, .. } = Market::long(100);
    let key = alice.margin_account;
    let free = world.accounts().value(&key, world.now()).unwrap().initial_health().micros();
    let free = u64::try_from(free).unwrap();
    world.refuses(InitialMarginNotMet, |world| world.withdraw(&alice, Token::Usdc, free + 1));
    world.withdraw(&alice, Token::Usdc, free).unwrap();
    assert_eq!(world.accounts().value(&key, world.now()).unwrap().initial_health().micros(), 0);
}

/// P-23: a profit on paper is nobody's money until a loser has paid.
#[test]
fn paper_profit_cannot_be_withdrawn() {
    let mut market = Market::long(100);
    market.price_moves_to(10 * PRICE);
    let Market { mut world, alice, .. } = market;
    assert!(world.accounts().value(&alice.margin_account, world.now()).unwrap().equity.micros() > 30_000_000_000);
    world.refuses(BalanceExceeded, |world| world.withdraw(&alice, Token::Usdc, 5_000 * DOLLAR + 1));
}

/// I-34: an account without positions needs no price to leave.
#[test]
fn a_flat_account_leaves_without_a_price() {
    let mut world = World::with_market(PRICE).unwrap();
    let alice = world.funded("alice", 100 * DOLLAR, 3 * SOL);
    world.set_time(world.now() + 86_400);
    world.withdraw(&alice, Token::Sol, u64::MAX).unwrap();
    world.withdraw(&alice, Token::Usdc, u64::MAX).unwrap();
}

/// I-34: so does one whose positions are closed with a profit that is not settled yet.
#[test]
fn a_closed_winner_leaves_without_a_price() {
    let mut market = Market::long(100);
    market.price_moves_to(400_000_000_000);
    market.alice_buys(-100).unwrap();
    let Market { mut world, alice, .. } = market;
    world.set_time(world.now() + 86_400);
    world.withdraw(&alice, Token::Usdc, u64::MAX).unwrap();
    assert!(world.account(&alice).risk[0].claim > 0, "the claim stays");
    check_books(&world).unwrap();
}

#[test]
fn with_a_position_a_stale_price_holds_the_withdrawal() {
    let Market { mut world, alice, .. } = Market::long(10);
    world.set_time(world.now() + 60);
    world.withdraw(&alice, Token::Usdc, DOLLAR).unwrap();
    world.set_time(world.now() + 1);
    world.refuses(PriceTooOld, |world| world.withdraw(&alice, Token::Usdc, DOLLAR));
}

/// I-22 of the other side: a closed position's unpaid loss is a debt that holds the collateral.
#[test]
fn an_unsettled_loss_holds_the_collateral() {
    let mut market = Market::long(100);
    market.price_moves_to(300_000_000_000);
    market.alice_buys(-100).unwrap();
    let Market { mut world, alice, .. } = market;
    // 100 SOL fell by 5 dollars; fees took about 3.25.
    world.refuses(InitialMarginNotMet, |world| world.withdraw(&alice, Token::Usdc, 4_500 * DOLLAR));
    world.withdraw(&alice, Token::Usdc, 4_496 * DOLLAR).unwrap();
}

/// P-01.
#[test]
fn only_the_signing_owner_withdraws() {
    let Market { mut world, alice, maker } = Market::open();
    let own = world.withdraw_instruction(&alice, Token::Usdc, DOLLAR);
    let stolen = with_account(own.clone(), alice.key(), maker.key());
    world.refuses(SignerIsNotOwner, |world| world.send(&[stolen], &[&maker.keypair]));
    refuses_with_code(&mut world, NOT_A_SIGNER, |world| world.send(&[unsigned(own, alice.key())], &[]));
}

/// P-04.
#[test]
fn a_foreign_vault_mint_or_bank_is_refused() {
    let mut market = Market::open();
    let other = market.other_group();
    let Market { world, alice, maker } = &mut market;
    let withdraw = world.withdraw_instruction(alice, Token::Usdc, DOLLAR);
    let (bank, details) = world.bank(Token::Usdc);
    let cases = [
        (details.vault, maker.usdc, VaultMismatch),
        (details.vault, pda::vault(&other.usdc_bank), VaultMismatch),
        (details.mint, world.sol_mint, MintMismatch),
        (alice.usdc, alice.sol, MintMismatch),
        (bank, other.usdc_bank, GroupMismatch),
        (world.group, other.group, GroupMismatch),
    ];
    for (from, to, error) in cases {
        let withdraw = with_account(withdraw.clone(), from, to);
        world.refuses(error, |world| world.send(&[withdraw], &[&alice.keypair]));
    }
    // Each on its own: mint and destination that agree with each other, an account that agrees with neither group nor bank.
    let other_token = with_account(with_account(withdraw, details.mint, world.sol_mint), alice.usdc, alice.sol);
    world.refuses(MintMismatch, |world| world.send(&[other_token], &[&alice.keypair]));
    let foreign = world.withdraw_instruction(&other.trader, Token::Usdc, DOLLAR);
    let foreign = with_account(foreign, other.group, world.group);
    world.refuses(GroupMismatch, |world| world.send(&[foreign], &[&other.trader.keypair]));
}

/// I-11, P-07, P-08: whatever is left out, repeated or slipped in, the account is valued whole or not at all.
#[test]
fn the_list_of_other_accounts_is_complete_and_extras_change_nothing() {
    let Market { mut world, alice, maker } = Market::long(10);
    world.give(&alice, Token::Sol, SOL);
    world.deposit(&alice, Token::Sol, SOL).unwrap();
    let withdraw = world.withdraw_instruction(&alice, Token::Usdc, DOLLAR);
    let (sol, sol_bank, usdc_bank) = (world.sol, world.sol_bank, world.usdc_bank);
    for (missing, error) in [(sol, UnderlyingMissing), (sol_bank, BankMissing)] {
        let withdraw = without_account(withdraw.clone(), missing);
        world.refuses(error, |world| world.send(&[withdraw], &[&alice.keypair]));
    }

    let plain = aftermath(&mut world, withdraw.clone(), &[&alice.keypair]);
    assert!(plain != world.snapshot());
    // The named bank again, the underlying and a bank again, an account of the program that has nothing to do with it, and one
    // of another program. Then all of them, in the other order.
    let mut all = withdraw.clone();
    for extra in [usdc_bank, sol, sol_bank, maker.margin_account, alice.usdc] {
        assert!(plain == aftermath(&mut world, and_account(withdraw.clone(), extra), &[&alice.keypair]));
        all = and_account(all, extra);
    }
    // Eleven accounts are named.
    all.accounts[11..].reverse();
    assert!(plain == aftermath(&mut world, all, &[&alice.keypair]));
}
