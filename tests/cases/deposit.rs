use crate::common::*;
use margrave_client::instruction;

#[test]
fn a_deposit_moves_tokens_and_credits_shares() {
    let mut world = World::with_market(PRICE).unwrap();
    let alice = world.trader("alice");
    world.give(&alice, Token::Usdc, 500 * DOLLAR);
    let receipt = world.deposit(&alice, Token::Usdc, 300 * DOLLAR).unwrap();

    let (key, bank) = world.bank(Token::Usdc);
    let slot = *world.account(&alice).collateral_in(&key).unwrap();
    assert_eq!(slot.shares, 300_000_000);
    assert_eq!((bank.deposit_shares, world.tokens(&bank.vault)), (300 * DOLLAR, 300 * DOLLAR));
    assert_eq!(world.tokens(&alice.usdc), 200 * DOLLAR);
    let events = receipt.events();
    let [Event::Deposited(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.margin_account, event.bank, event.amount), (alice.margin_account, key, 300 * DOLLAR));
    assert_eq!((event.shares, event.sequence), (300_000_000, 1));
    check_books(&world).unwrap();
}

#[test]
fn deposits_of_both_tokens_share_no_slot() {
    let mut world = World::with_market(PRICE).unwrap();
    let alice = world.funded("alice", 10 * DOLLAR, 2 * SOL);
    world.give(&alice, Token::Sol, SOL);
    world.deposit(&alice, Token::Sol, SOL).unwrap();
    let account = world.account(&alice);
    assert_eq!(account.collateral.iter().filter(|slot| !slot.is_empty()).count(), 2);
    assert_eq!(account.collateral_in(&world.sol_bank).unwrap().shares, 3 * SOL_LONG);
    // SOL carries the risk of its underlying, dollars carry none.
    assert_eq!(account.risk.iter().filter(|slot| !slot.is_empty()).count(), 1);
    check_books(&world).unwrap();
}

/// I-06, P-18: tokens sent straight to the vault credit nobody and change no share.
#[test]
fn a_donation_to_the_vault_is_nobody_s() {
    let mut world = World::with_market(PRICE).unwrap();
    let alice = world.funded("alice", 100 * DOLLAR, 0);
    let (_, before) = world.bank(Token::Usdc);
    let thief = Trader { usdc: before.vault, ..world.wallet("donor") };
    world.give(&thief, Token::Usdc, 1_000_000 * DOLLAR);
    let bob = world.funded("bob", 1, 0);

    let (key, bank) = world.bank(Token::Usdc);
    assert_eq!(bank.deposit_index, before.deposit_index);
    assert_eq!(world.account(&bob).collateral_in(&key).unwrap().shares, 1);
    assert_eq!(world.account(&alice).collateral_in(&key).unwrap().shares, 100_000_000);
    check_books(&world).unwrap();
}

#[test]
fn zero_and_more_than_the_wallet_are_refused() {
    let Market { mut world, alice, .. } = Market::open();
    world.refuses(AmountMustBePositive, |world| world.deposit(&alice, Token::Usdc, 0));
    world.give(&alice, Token::Usdc, DOLLAR);
    let before = world.snapshot();
    let refusal = world.deposit(&alice, Token::Usdc, DOLLAR + 1).unwrap_err();
    assert_eq!(refusal.code, Some(1), "the token program's insufficient funds: {refusal}");
    assert!(before == world.snapshot());
}

/// P-01.
#[test]
fn only_the_signing_owner_deposits() {
    let Market { mut world, alice, maker } = Market::open();
    world.give(&alice, Token::Usdc, DOLLAR);
    world.give(&maker, Token::Usdc, DOLLAR);
    let (key, bank) = world.bank(Token::Usdc);
    let into_alice =
        instruction::deposit(maker.key(), alice.margin_account, (key, &bank), maker.usdc, TOKEN_PROGRAM, DOLLAR);
    world.refuses(SignerIsNotOwner, |world| world.send(&[into_alice], &[&maker.keypair]));
    let own = instruction::deposit(alice.key(), alice.margin_account, (key, &bank), alice.usdc, TOKEN_PROGRAM, DOLLAR);
    refuses_with_code(&mut world, NOT_A_SIGNER, |world| world.send(&[unsigned(own, alice.key())], &[]));
}

/// P-04: the vault is the bank's own, whatever else it looks like.
#[test]
fn a_foreign_vault_is_refused() {
    let mut market = Market::open();
    let other = market.other_group();
    let Market { world, alice, maker } = &mut market;
    world.give(alice, Token::Usdc, DOLLAR);
    let (key, bank) = world.bank(Token::Usdc);
    let deposit =
        instruction::deposit(alice.key(), alice.margin_account, (key, &bank), alice.usdc, TOKEN_PROGRAM, DOLLAR);
    for vault in [maker.usdc, pda::vault(&world.sol_bank), pda::vault(&other.usdc_bank)] {
        let deposit = with_account(deposit.clone(), bank.vault, vault);
        world.refuses(VaultMismatch, |world| world.send(&[deposit], &[&alice.keypair]));
    }
}

#[test]
fn a_foreign_mint_or_bank_is_refused() {
    let mut market = Market::open();
    let other = market.other_group();
    let Market { world, alice, .. } = &mut market;
    world.give(alice, Token::Usdc, DOLLAR);
    let (key, bank) = world.bank(Token::Usdc);
    let deposit =
        instruction::deposit(alice.key(), alice.margin_account, (key, &bank), alice.usdc, TOKEN_PROGRAM, DOLLAR);
    let (usdc, sol) = (world.usdc_mint, world.sol_mint);
    let wrong_mint = with_account(deposit.clone(), usdc, sol);
    world.refuses(MintMismatch, |world| world.send(&[wrong_mint], &[&alice.keypair]));
    let elsewhere = with_account(deposit, key, other.usdc_bank);
    let elsewhere = with_account(elsewhere, bank.vault, pda::vault(&other.usdc_bank));
    world.refuses(GroupMismatch, |world| world.send(&[elsewhere], &[&alice.keypair]));
}

#[test]
fn the_eighth_token_beside_cash_and_a_full_bank_are_refused() {
    let mut world = World::with_market(PRICE).unwrap();
    let alice = world.trader("alice");
    for number in 0..8 {
        let mint = world.list_bank_on(world.sol, 1_000).unwrap();
        let source = world.give_new(&alice, mint, SOL);
        let key = pda::bank(&world.group, &mint);
        let bank = world.load(&key);
        let deposit = |amount| {
            instruction::deposit(alice.key(), alice.margin_account, (key, &bank), source, TOKEN_PROGRAM, amount)
        };
        if number == 7 {
            world.refuses(CollateralLimitExceeded, |world| world.send(&[deposit(1_000)], &[&alice.keypair]));
        } else {
            world.refuses(DepositCapExceeded, |world| world.send(&[deposit(1_001)], &[&alice.keypair]));
            world.send(&[deposit(1_000)], &[&alice.keypair]).unwrap();
        }
    }
    // The quote token's place is kept.
    world.give(&alice, Token::Usdc, DOLLAR);
    world.deposit(&alice, Token::Usdc, DOLLAR).unwrap();
    check_books(&world).unwrap();
}

/// P-43: what is listed takes no tokens before the launch.
#[test]
fn nobody_deposits_before_the_launch() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    let alice = world.trader("alice");
    world.give(&alice, Token::Usdc, DOLLAR);
    world.refuses(NotLaunched, |world| world.deposit(&alice, Token::Usdc, DOLLAR));
    world.launch().unwrap();
    world.deposit(&alice, Token::Usdc, DOLLAR).unwrap();
}
