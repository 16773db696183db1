use crate::common::*;
use margrave::{instructions::*, state::*};
use margrave_client::instruction;
use solana_account::Account;

/// Of a name that is not listed yet.
fn underlying_args() -> ListUnderlyingArgs {
    ListUnderlyingArgs {
        symbol: pda::symbol("ETH"),
        decimals: 9,
        oracle: terms::oracle_terms(SOL_FEED),
        risk: terms::risk_terms(),
    }
}

/// A group with the standard listings, in which every change is still made at once.
fn before_launch() -> World {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    world
}

/// Makes room for an underlying's sheet.
fn grow(world: &mut World, symbol: [u8; 16]) {
    let grow = instruction::grow_underlying(world.manager.pubkey(), world.group, symbol);
    world.send(&[grow.clone(), grow], &[]).unwrap();
}

#[test]
fn listings_are_numbered_and_tied_to_their_group() {
    let world = World::with_market(PRICE).unwrap();
    let group: Group = world.load(&world.group);
    assert_eq!((group.banks, group.underlyings, group.quote_bank), (2, 1, world.usdc_bank));
    let ((_, usdc), (_, sol)) = (world.bank(Token::Usdc), world.bank(Token::Sol));
    assert_eq!((usdc.index, sol.index, usdc.decimals, sol.decimals), (0, 1, 6, 9));
    assert_eq!((usdc.underlying, sol.underlying), (Pubkey::default(), world.sol));
    let underlying = world.underlying();
    assert_eq!((underlying.group, underlying.symbol), (world.group, pda::symbol("SOL")));
    // Terms are counted from the listing on; the one change of them opened the market.
    assert_eq!((underlying.risk.version, underlying.market.lot), (2, 10_000_000));
}

/// P-43: listing alone opens nothing.
#[test]
fn what_is_listed_has_all_caps_at_zero() {
    let mut world = before_launch();
    let (manager, group, mint) = (world.manager.pubkey(), world.group, world.create_mint(9));
    grow(&mut world, pda::symbol("ETH"));
    let list = instruction::list_underlying(manager, group, underlying_args());
    let underlying = pda::underlying(&group, &pda::symbol("ETH"));
    let bank = instruction::list_bank(manager, group, mint, Some(underlying), TOKEN_PROGRAM);
    world.send(&[list, bank], &[]).unwrap();

    let sheet = world.sheet(&underlying);
    assert_eq!((sheet.index, sheet.risk.version), (1, 1));
    assert!(sheet.market == NO_MARKET && sheet.oracle.price == 0);
    assert_eq!(world.load::<Bank>(&pda::bank(&group, &mint)).terms, BankTerms::default());
    world.launch().unwrap();
    let alice = world.trader("alice");
    let source = world.give_new(&alice, mint, SOL);
    let key = pda::bank(&group, &mint);
    let bank = world.load(&key);
    let deposit = instruction::deposit(alice.key(), alice.margin_account, (key, &bank), source, TOKEN_PROGRAM, 1);
    world.refuses(DepositCapExceeded, |world| world.send(&[deposit], &[&alice.keypair]));
}

const NO_MARKET: MarketTerms = MarketTerms {
    lot: 0,
    perp_interest_cap: 0,
    future_interest_cap: 0,
    option_interest_cap: 0,
    position_allowance: 0,
    concentration_ppm: 0,
    maker_fee_ppm: 0,
    taker_fee_ppm: 0,
    option_maker_fee_ppm: 0,
    option_taker_fee_ppm: 0,
    option_fee_cap_ppm: 0,
    max_trade_deviation_ppm: 0,
    max_option_deviation_ppm: 0,
    funding_cap_ppm: 0,
    padding: 0,
    funding_depth: 0,
    first_loss_target: 0,
    insurance_cap: 0,
};

#[test]
fn only_the_manager_and_the_admin_list() {
    let Market { mut world, alice, .. } = Market::open();
    let (group, sol) = (world.group, world.sol);
    let other = world.create_mint(9);
    grow(&mut world, pda::symbol("ETH"));
    for key in [alice.key(), world.operator.pubkey(), world.guardian.pubkey()] {
        for listing in [
            instruction::grow_underlying(key, group, pda::symbol("BTC")),
            instruction::list_underlying(key, group, underlying_args()),
            instruction::list_bank(key, group, other, Some(sol), TOKEN_PROGRAM),
        ] {
            world.refuses(SignerIsNotManager, |world| world.send(&[listing], &[&alice.keypair]));
        }
    }
    let admin = world.admin.pubkey();
    let by_the_admin = [
        instruction::list_underlying(admin, group, underlying_args()),
        instruction::list_bank(admin, group, other, Some(sol), TOKEN_PROGRAM),
    ];
    world.send(&by_the_admin, &[]).unwrap();
}

#[test]
fn a_bank_has_a_price_or_is_the_quote_token() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    let (oracle, market) = (terms::oracle_terms(SOL_FEED), terms::market_terms());
    world.sol = world.list_underlying("SOL", oracle, terms::risk_terms(), market).unwrap();
    let (manager, group) = (world.manager.pubkey(), world.group);
    let unpriced = instruction::list_bank(manager, group, world.sol_mint, None, TOKEN_PROGRAM);
    world.refuses(ParameterOutOfBounds, |world| world.send(&[unpriced], &[]));
    let priced = instruction::list_bank(manager, group, world.usdc_mint, Some(world.sol), TOKEN_PROGRAM);
    world.refuses(ParameterOutOfBounds, |world| world.send(&[priced], &[]));
}

/// I-12: a haircut leaves what margin asks for the token itself, or a deposit would lower health.
#[test]
fn a_haircut_has_its_bound() {
    let mut world = before_launch();
    let (usdc, bank, sol) = (world.usdc_bank, world.sol_bank, world.sol);
    let good = terms::collateral_terms();
    // The scan range may rise to 54 %: an edge of 72 %, 2 % net charge and 2 % confidence leave 24 % for a haircut.
    for bad in [
        BankTerms { haircut_initial_ppm: 240_001, ..good },
        BankTerms { haircut_maintenance_ppm: 100_001, ..good },
        BankTerms { liability_maintenance_ppm: 100_001, ..good },
        BankTerms { liability_initial_ppm: 1_000_001, ..good },
        BankTerms { rate_base_ppm: 60_001, ..good },
        BankTerms { rate_optimal_ppm: 1_000_001, ..good },
        BankTerms { rate_max_ppm: 4_000_001, ..good },
        BankTerms { utilisation_optimal_ppm: 1_000_001, ..good },
        BankTerms { interest_fee_ppm: 500_001, ..good },
        BankTerms { liquidation_fee_ppm: 250_001, ..good },
    ] {
        let change = Change::Bank { bank, terms: bad };
        world.refuses(ParameterOutOfBounds, |world| world.change(change, Some(sol)));
    }
    // The quote token counts in full.
    for bad in [
        BankTerms { haircut_initial_ppm: 1, ..terms::quote_terms() },
        BankTerms { liability_initial_ppm: 1, ..terms::quote_terms() },
    ] {
        world.refuses(ParameterOutOfBounds, |world| world.change(Change::Bank { bank: usdc, terms: bad }, None));
    }
    let most = BankTerms { haircut_initial_ppm: 240_000, ..good };
    world.change(Change::Bank { bank, terms: most }, Some(sol)).unwrap();
}

#[test]
fn a_bank_takes_no_other_group_s_price() {
    let mut market = Market::open();
    let other = market.other_group();
    let world = &mut market.world;
    let (manager, group, mint) = (world.manager.pubkey(), world.group, world.create_mint(9));
    let listing = instruction::list_bank(manager, group, mint, Some(other.sol), TOKEN_PROGRAM);
    world.refuses(GroupMismatch, |world| world.send(&[listing], &[]));
    // Nor does a change of its terms believe another underlying than its own.
    let (sol, eth) = (world.sol, world.list_other_underlying("ETH").unwrap());
    let change = Change::Bank { bank: world.sol_bank, terms: terms::collateral_terms() };
    for (underlying, error) in [(other.sol, GroupMismatch), (eth, UnderlyingMissing)] {
        let change = instruction::change_now(manager, group, change.clone(), Some(underlying));
        world.refuses(error, |world| world.send(&[change], &[]));
    }
    world.send(&[instruction::change_now(manager, group, change, Some(sol))], &[]).unwrap();
}

#[test]
fn every_term_has_its_bound() {
    let mut world = before_launch();
    let (manager, group) = (world.manager.pubkey(), world.group);
    let good = underlying_args;
    let oracle = |change: fn(&mut OracleTerms)| {
        let mut args = good();
        change(&mut args.oracle);
        args
    };
    let risk = |change: fn(&mut RiskTerms)| {
        let mut args = good();
        change(&mut args.risk);
        args
    };
    let named = |symbol| ListUnderlyingArgs { symbol, ..good() };
    let symbols = [[0; 16], pda::symbol("A B"), *b"ETH\0X\0\0\0\0\0\0\0\0\0\0\0"];
    for symbol in symbols.into_iter().chain([good().symbol]) {
        grow(&mut world, symbol);
    }
    let bad = symbols.map(named).into_iter().chain([
        ListUnderlyingArgs { decimals: 19, ..good() },
        oracle(|terms| terms.feed_id = [0; 32]),
        oracle(|terms| terms.kind = 2),
        oracle(|terms| terms.max_confidence_ppm = 0),
        oracle(|terms| terms.max_confidence_ppm = 200_001),
        oracle(|terms| terms.max_age_secs = 0),
        oracle(|terms| terms.max_age_secs = 86_401),
        oracle(|terms| terms.max_future_secs = 61),
        oracle(|terms| terms.liquidation_max_age_secs = 0),
        oracle(|terms| terms.liquidation_max_age_secs = 61),
        oracle(|terms| terms.stable_rate_ppm = 9_999),
        oracle(|terms| terms.stable_rate_ppm = 10_000_001),
        risk(|terms| terms.size_depth = (1 << 50) + 1),
        risk(|terms| terms.scan_range_ppm = 9_999),
        risk(|terms| terms.scan_range_ppm = 540_001),
        risk(|terms| terms.scan_range_max_ppm = 750_001),
        risk(|terms| terms.range_multiple_ppm = 999_999),
        risk(|terms| terms.range_multiple_ppm = 7_000_001),
        risk(|terms| terms.volatility_memory_secs = 3_599),
        risk(|terms| terms.volatility_memory_secs = 31_536_001),
        risk(|terms| terms.net_charge_ppm = 200_001),
        risk(|terms| terms.hedged_charge_ppm = 2 * terms.net_charge_ppm + 1),
        risk(|terms| terms.size_slope_ppm = 1_000_001),
        risk(|terms| terms.size_cap_ppm = 1_000_001),
        risk(|terms| terms.profit_haircut_maintenance_ppm = 100_001),
        risk(|terms| terms.profit_haircut_initial_ppm = 1_000_001),
        risk(|terms| terms.correlation_group = 64),
        risk(|terms| terms.kappa_ppm = 800_001),
        risk(|terms| terms.discount_ppm = 1_000_001),
        risk(|terms| terms.liquidation_fee_ppm = 90_001),
        risk(|terms| terms.vol_rate_ppm = 0),
        risk(|terms| terms.vol_rate_ppm = 1_000_001),
        risk(|terms| terms.carry_rate_ppm = 0),
        risk(|terms| terms.carry_rate_ppm = 1_000_001),
        risk(|terms| terms.max_surface_age_secs = 59),
        risk(|terms| terms.max_surface_age_secs = 30 * 86_400 + 1),
    ]);
    for bad in bad {
        let listing = instruction::list_underlying(manager, group, bad);
        world.refuses(ParameterOutOfBounds, |world| world.send(&[listing], &[]));
    }
    world.send(&[instruction::list_underlying(manager, group, good())], &[]).unwrap();
}

#[test]
fn a_market_s_terms_have_their_bounds() {
    let mut world = before_launch();
    let (underlying, good) = (world.sol, terms::market_terms());
    let (oracle, risk) = (terms::oracle_terms(SOL_FEED), terms::risk_terms());
    let change = |market| Change::Underlying { underlying, oracle, risk, market };
    let most = 1 << 61;
    for bad in [
        MarketTerms { lot: most + 1, ..good },
        MarketTerms { perp_interest_cap: most + 1, ..good },
        MarketTerms { future_interest_cap: most + 1, ..good },
        MarketTerms { option_interest_cap: most + 1, ..good },
        MarketTerms { concentration_ppm: 1_000_001, ..good },
        MarketTerms { maker_fee_ppm: 10_001, ..good },
        MarketTerms { taker_fee_ppm: 10_001, ..good },
        MarketTerms { option_maker_fee_ppm: 10_001, ..good },
        MarketTerms { option_taker_fee_ppm: 10_001, ..good },
        MarketTerms { option_fee_cap_ppm: 500_001, ..good },
        MarketTerms { max_trade_deviation_ppm: 500_001, ..good },
        MarketTerms { max_option_deviation_ppm: 500_001, ..good },
        MarketTerms { funding_cap_ppm: 50_001, ..good },
        MarketTerms { padding: 1, ..good },
        // A position in old lots must stay closable in new ones.
        MarketTerms { lot: 0, ..good },
        MarketTerms { lot: 3_000_000, ..good },
        MarketTerms { lot: 20_000_000, ..good },
    ] {
        world.refuses(ParameterOutOfBounds, |world| world.change(change(bad), None));
    }
    world.change(change(MarketTerms { lot: 5_000_000, ..good }), None).unwrap();
    assert_eq!(world.underlying().market.lot, 5_000_000);
}

/// P-10: an account is initialised once.
#[test]
fn everything_is_listed_once() {
    let mut world = World::with_market(PRICE).unwrap();
    let (manager, group, sol) = (world.manager.pubkey(), world.group, world.sol);
    let grow = instruction::grow_underlying(manager, group, pda::symbol("SOL"));
    world.refuses(AlreadyGrown, |world| world.send(&[grow], &[]));
    let again = ListUnderlyingArgs { symbol: pda::symbol("SOL"), ..underlying_args() };
    let again = instruction::list_underlying(manager, group, again);
    refuses_with_code(&mut world, NOT_ZERO, |world| world.send(&[again], &[]));
    // The system program: an account is in use.
    let again = instruction::list_bank(manager, group, world.sol_mint, Some(sol), TOKEN_PROGRAM);
    refuses_with_code(&mut world, 0, |world| world.send(&[again], &[]));
}

/// Anchor: an account that should be empty is not.
const NOT_ZERO: u32 = 2013;

const TOKEN_2022: Pubkey = Pubkey::from_str_const("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");

/// A mint of Token-2022 with one extension, written as that program lays it out: the mint, padding, the type of account, then
/// the extension's number, length and content.
fn mint_2022(world: &mut World, extension: Option<(u16, &[u8])>) -> Pubkey {
    let mint = world.create_mint(9);
    let mut account = world.svm.get_account(&mint).unwrap();
    if let Some((number, content)) = extension {
        account.data.resize(165, 0);
        account.data.push(1);
        account.data.extend(number.to_le_bytes());
        account.data.extend(u16::try_from(content.len()).unwrap().to_le_bytes());
        account.data.extend(content);
    }
    world.svm.set_account(mint, Account { owner: TOKEN_2022, ..account }).unwrap();
    mint
}

/// P-13: a token that somebody could take out of the vault, freeze in it or hide there is not listed.
#[test]
fn tokens_are_listed_by_their_extensions() {
    let mut world = World::with_market(PRICE).unwrap();
    let (manager, group, sol) = (world.manager.pubkey(), world.group, world.sol);
    let bad: [(&str, u16, &[u8]); 7] = [
        ("mint close authority", 3, &[0; 32]),
        ("confidential transfer", 4, &[0; 65]),
        ("accounts begin frozen", 6, &[2]),
        ("non-transferable", 9, &[]),
        ("interest-bearing", 10, &[0; 52]),
        ("permanent delegate", 12, &[0; 32]),
        ("transfer hook", 14, &[0; 64]),
    ];
    for (name, number, content) in bad {
        let mint = mint_2022(&mut world, Some((number, content)));
        let listing = instruction::list_bank(manager, group, mint, Some(sol), TOKEN_2022);
        let before = world.snapshot();
        let refusal = world.send(&[listing], &[]).expect_err(name);
        assert!(refusal.is(TokenNotAllowed), "{name}: {refusal}");
        assert!(before == world.snapshot());
    }
    let good: [Option<(u16, &[u8])>; 3] = [None, Some((1, &[0; 108])), Some((18, &[0; 64]))];
    // No extension, a transfer fee, a metadata pointer.
    for extension in good {
        let mint = mint_2022(&mut world, extension);
        let listing = instruction::list_bank(manager, group, mint, Some(sol), TOKEN_2022);
        world.send(&[listing], &[]).unwrap();
    }
}
