use crate::common::*;
use margrave::{instructions::*, state::*};
use margrave_client::instruction;

fn underlying_args() -> ListUnderlyingArgs {
    sol_listing(pda::symbol("ETH"), default_terms())
}

fn perp_args() -> ListPerpArgs {
    ListPerpArgs { lot: 1, maker_fee_ppm: 0, taker_fee_ppm: 0, open_interest_cap: 1 }
}

fn bank_args() -> ListBankArgs {
    ListBankArgs { deposit_cap: 1, haircut_maintenance_ppm: 0, haircut_initial_ppm: 0 }
}

#[test]
fn listings_are_numbered_and_tied_to_their_group() {
    let world = World::with_market(PRICE).unwrap();
    let group: Group = world.load(&world.group);
    assert_eq!((group.banks, group.underlyings), (2, 1));
    let ((_, usdc), (_, sol)) = (world.bank(Token::Usdc), world.bank(Token::Sol));
    assert_eq!((usdc.index, sol.index, usdc.decimals, sol.decimals), (0, 1, 6, 9));
    assert_eq!((usdc.underlying, sol.underlying), (Pubkey::default(), world.sol));
    let underlying = world.underlying();
    assert_eq!((underlying.group, underlying.symbol), (world.group, pda::symbol("SOL")));
    assert_eq!((underlying.terms.version, underlying.perp.lot), (1, 10_000_000));
}

#[test]
fn only_the_admin_lists() {
    let Market { mut world, alice, .. } = Market::open();
    let (group, sol) = (world.group, world.sol);
    for listing in [
        instruction::list_underlying(alice.key(), group, underlying_args()),
        instruction::list_perp(alice.key(), group, sol, perp_args()),
    ] {
        world.refuses(SignerIsNotAdmin, |world| world.send(&[listing], &[&alice.keypair]));
    }
    // A bank for a mint that has none yet.
    let other = world.create_mint(9);
    let listing = instruction::list_bank(alice.key(), group, other, Some(sol), bank_args());
    world.refuses(SignerIsNotAdmin, |world| world.send(&[listing], &[&alice.keypair]));
}

#[test]
fn a_bank_has_a_price_or_is_the_quote_token() {
    let mut world = World::with_market(PRICE).unwrap();
    let (admin, group, mint) = (world.admin.pubkey(), world.group, world.create_mint(9));
    let unpriced = instruction::list_bank(admin, group, mint, None, bank_args());
    world.refuses(ParameterOutOfBounds, |world| world.send(&[unpriced], &[]));
    // 24 % edge, 2 % net charge and 2 % confidence leave 72 % for a haircut.
    let too_much = ListBankArgs { haircut_initial_ppm: 720_001, ..bank_args() };
    let listing = instruction::list_bank(admin, group, mint, Some(world.sol), too_much);
    world.refuses(ParameterOutOfBounds, |world| world.send(&[listing], &[]));
    let more_maintenance = ListBankArgs { haircut_maintenance_ppm: 2, haircut_initial_ppm: 1, ..bank_args() };
    let listing = instruction::list_bank(admin, group, mint, Some(world.sol), more_maintenance);
    world.refuses(ParameterOutOfBounds, |world| world.send(&[listing], &[]));
}

#[test]
fn a_bank_takes_no_other_group_s_price() {
    let mut market = Market::open();
    let other = market.other_group();
    let world = &mut market.world;
    let (admin, group, mint) = (world.admin.pubkey(), world.group, world.create_mint(9));
    let listing = instruction::list_bank(admin, group, mint, Some(other.sol), bank_args());
    world.refuses(GroupMismatch, |world| world.send(&[listing], &[]));
    let listing = instruction::list_perp(admin, group, other.sol, perp_args());
    world.refuses(GroupMismatch, |world| world.send(&[listing], &[]));
}

#[test]
fn every_term_has_its_bound() {
    let mut world = World::with_market(PRICE).unwrap();
    let (admin, group) = (world.admin.pubkey(), world.group);
    let good = underlying_args;
    let terms = |change: fn(&mut RiskTerms)| {
        let mut args = good();
        change(&mut args.terms);
        args
    };
    for bad in [
        ListUnderlyingArgs { decimals: 19, ..good() },
        ListUnderlyingArgs { feed_id: [0; 32], ..good() },
        ListUnderlyingArgs { max_confidence_ppm: 0, ..good() },
        ListUnderlyingArgs { max_confidence_ppm: 200_001, ..good() },
        ListUnderlyingArgs { max_age_secs: 0, ..good() },
        ListUnderlyingArgs { max_age_secs: 86_401, ..good() },
        ListUnderlyingArgs { max_future_secs: 61, ..good() },
        ListUnderlyingArgs { liquidation_max_age_secs: 0, ..good() },
        ListUnderlyingArgs { liquidation_max_age_secs: 61, ..good() },
        ListUnderlyingArgs { symbol: [0; 16], ..good() },
        ListUnderlyingArgs { symbol: pda::symbol("A B"), ..good() },
        ListUnderlyingArgs { symbol: *b"ETH\0X\0\0\0\0\0\0\0\0\0\0\0", ..good() },
        terms(|terms| terms.scan_range_ppm = 9_999),
        terms(|terms| terms.scan_range_ppm = 750_001),
        terms(|terms| terms.net_charge_ppm = 200_001),
        terms(|terms| terms.hedged_charge_ppm = 2 * terms.net_charge_ppm + 1),
        terms(|terms| terms.profit_haircut_maintenance_ppm = 100_001),
        terms(|terms| terms.profit_haircut_initial_ppm = 1_000_001),
        terms(|terms| terms.max_trade_deviation_ppm = 500_001),
        terms(|terms| terms.liquidation_fee_ppm = 90_001),
    ] {
        let listing = instruction::list_underlying(admin, group, bad);
        world.refuses(ParameterOutOfBounds, |world| world.send(&[listing], &[]));
    }
    world.send(&[instruction::list_underlying(admin, group, good())], &[]).unwrap();
}

#[test]
fn a_perp_is_listed_once_and_with_a_lot() {
    let mut world = World::with_market(PRICE).unwrap();
    let (admin, group, sol) = (world.admin.pubkey(), world.group, world.sol);
    let again = instruction::list_perp(admin, group, sol, perp_args());
    world.refuses(AlreadyListed, |world| world.send(&[again], &[]));

    let underlying = pda::underlying(&group, &pda::symbol("ETH"));
    world.send(&[instruction::list_underlying(admin, group, underlying_args())], &[]).unwrap();
    for bad in [
        ListPerpArgs { lot: 0, ..perp_args() },
        ListPerpArgs { maker_fee_ppm: 10_001, ..perp_args() },
        ListPerpArgs { taker_fee_ppm: 10_001, ..perp_args() },
    ] {
        let listing = instruction::list_perp(admin, group, underlying, bad);
        world.refuses(ParameterOutOfBounds, |world| world.send(&[listing], &[]));
    }
}

/// Token-2022 waits for its extension allow-list.
#[test]
fn only_plain_spl_tokens_are_listed() {
    let mut world = World::with_market(PRICE).unwrap();
    let token_2022 = anchor_lang::pubkey!("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
    let token = anchor_lang::pubkey!("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
    let mint = world.create_mint(9);
    let mut account = world.svm.get_account(&mint).unwrap();
    account.owner = token_2022;
    world.svm.set_account(mint, account).unwrap();
    let listing = instruction::list_bank(world.admin.pubkey(), world.group, mint, Some(world.sol), bank_args());
    let listing = with_account(listing, token, token_2022);
    world.refuses(TokenNotAllowed, |world| world.send(&[listing], &[]));
}
