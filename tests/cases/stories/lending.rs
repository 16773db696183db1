use crate::{
    common::*,
    token_2022::{Listed, create_mint_2022},
};
use margrave::state::{BankTerms, Change};
use margrave_client::instruction;
use margrave_sim::terms::quote_terms;

const DAY: i64 = 86_400;

/// A lender, a borrower and a month of interest. The bank asks 6 % a year while four fifths are lent, rising to 100 %
/// when everything is; a tenth of the interest is a fee, of which insurance gets the first two dollars.
#[test]
fn a_lender_earns_a_month_of_interest_and_everybody_leaves() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    let usdc = BankTerms { insurance_target: 2 * DOLLAR, ..quote_terms() };
    world.change(Change::Bank { bank: world.usdc_bank, terms: usdc }, None).unwrap();
    world.launch().unwrap();
    world.set_price(PRICE).unwrap();

    // Linda lends 10,000 dollars by depositing them. Boris has 1,000 SOL, which he does not want to sell, and takes
    // 8,000 dollars.
    let linda = world.funded("linda", 10_000 * DOLLAR, 0);
    let boris = world.funded("boris", 0, 1_000 * SOL);
    world.borrow(&boris, Token::Usdc, 8_000 * DOLLAR).unwrap();
    let (_, bank) = world.bank(Token::Usdc);
    // Utilisation is the optimal 80 %: 6 % in 2^-30, rounded up.
    assert_eq!(bank.borrow_rate, 64_424_510);
    check_books(&world).unwrap();

    // Thirty days later, and nobody has touched the bank. Interest is compounded at every moment:
    // 8,000 (e^(0.06 x 30/365) - 1) = 8,000 x 0.004943686786 = 39.549494 dollars.
    world.set_time(world.now() + 30 * DAY);
    world.set_price(PRICE).unwrap();
    let unseen = bank.debt_up_at(8_000 * DOLLAR, world.now()).unwrap();
    assert_eq!(unseen, 8_039_549_495, "it is owed before anybody adds it");
    accrue(&mut world);
    let (_, bank) = world.bank(Token::Usdc);
    assert_eq!(bank.debts_down().unwrap(), 8_039_549_494);
    // A tenth is 3.954949: two dollars for insurance, the rest is fees. Linda has the other 35.594545.
    assert_eq!((bank.insurance, bank.fees), (2_000_000, 1_954_949));
    assert_eq!(bank.claims_up().unwrap(), 10_035_594_545);
    check_books(&world).unwrap();

    // Boris takes 1,500 more. 9,539.549494 of 10,035.594545 are lent, 95.0571 %, so the rate is
    // 6 % + 94 % x (95.0571 - 80) / 20 = 76.7683 % a year.
    world.borrow(&boris, Token::Usdc, 1_500 * DOLLAR).unwrap();
    assert_eq!(world.bank(Token::Usdc).1.borrow_rate, 824_293_345);
    // What is left in the vault, 500 dollars, is what Linda can have today, and insurance and fees are not lent to
    // Boris.
    world.refuses(VaultIlliquid, |world| world.withdraw(&linda, Token::Usdc, 500 * DOLLAR + 1));
    world.refuses(VaultIlliquid, |world| world.borrow(&boris, Token::Usdc, 497 * DOLLAR));
    check_books(&world).unwrap();

    // A day at that rate: 9,539.549494 (e^(0.767683/365) - 1) = 9,539.549494 x 0.002105454460 = 20.085087 dollars.
    world.set_time(world.now() + DAY);
    world.set_price(PRICE).unwrap();
    accrue(&mut world);
    let (_, bank) = world.bank(Token::Usdc);
    assert_eq!(bank.debts_down().unwrap(), 9_559_634_581);
    assert_eq!((bank.insurance, bank.fees), (2_000_000, 3_963_457));
    check_books(&world).unwrap();

    // Boris brings back all of it, and a dollar too much, which is a deposit then: less than a unit is lost to
    // rounding.
    world.give(&boris, Token::Usdc, 60_634_582);
    let debt = bank.debt_up_at(bank.borrow_shares, world.now()).unwrap();
    assert_eq!(debt, 9_559_634_582);
    world.deposit(&boris, Token::Usdc, debt + DOLLAR).unwrap();
    let (_, bank) = world.bank(Token::Usdc);
    assert_eq!((bank.borrow_shares, bank.borrow_rate), (0, 0));
    check_books(&world).unwrap();
    world.withdraw(&boris, Token::Usdc, u64::MAX).unwrap();
    world.withdraw(&boris, Token::Sol, u64::MAX).unwrap();
    assert_eq!((world.tokens(&boris.usdc), world.tokens(&boris.sol)), (999_999, 1_000 * SOL));
    check_books(&world).unwrap();

    // Linda leaves with 35.594545 and nine tenths of 20.085087 more than she brought.
    world.withdraw(&linda, Token::Usdc, u64::MAX).unwrap();
    assert_eq!(world.tokens(&linda.usdc), 10_053_671_123);
    check_books(&world).unwrap();

    // The admin takes the fees. Insurance stays, and three units that were rounded away and are nobody's.
    let (key, bank) = world.bank(Token::Usdc);
    let treasury = world.wallet("treasury").usdc;
    let collect = instruction::collect_fees(world.admin.pubkey(), (key, &bank), treasury, TOKEN_PROGRAM, bank.fees);
    world.send(&[collect], &[]).unwrap();
    let (_, bank) = world.bank(Token::Usdc);
    assert_eq!((bank.deposit_shares, bank.insurance, bank.fees), (0, 2_000_000, 0));
    assert_eq!(world.tokens(&bank.vault), 2_000_003);
    for trader in [&boris, &linda] {
        let close = instruction::close_margin_account(trader.key(), trader.margin_account);
        world.send(&[close], &[&trader.keypair]).unwrap();
    }
    check_books(&world).unwrap();
}

fn accrue(world: &mut World) {
    let (key, bank) = world.bank(Token::Usdc);
    world.send(&[instruction::accrue_interest((key, &bank))], &[]).unwrap();
}

/// The life of a token that keeps 1 % of every transfer: what the bank counts is what it has, and every fee is paid by
/// who moves the tokens.
#[test]
fn a_token_with_a_transfer_fee_is_deposited_borrowed_and_withdrawn() {
    let mut world = World::with_market(PRICE).unwrap();
    let mint = create_mint_2022(&mut world, 0, 9, Some((100, u64::MAX)));
    let token = Listed::new(&mut world, mint, 9);
    let (olga, paul) = (world.trader("olga"), world.funded("paul", 10_000 * DOLLAR, 0));
    let olgas = token.wallet(&mut world, &olga, 100 * SOL);
    let pauls = token.wallet(&mut world, &paul, 0);

    // Olga sends 100 tokens, and 99 arrive: she owns 99, worth 35 dollars each, 5 % less as margin.
    token.deposit(&mut world, &olga, olgas, 100 * SOL).unwrap();
    assert_eq!(token.shares(&world, &olga), 99 * SOL_LONG);
    let equity = world.accounts().value(&olga.margin_account, world.now()).unwrap().equity.micros();
    assert!((3_291_749_990..=3_291_750_000).contains(&equity), "{equity}");
    check_books(&world).unwrap();

    // Paul borrows 50 and gets 49.5; he owes 50.
    token.withdraw(&mut world, &paul, pauls, 50 * SOL, true).unwrap();
    assert_eq!((token.shares(&world, &paul), world.tokens(&pauls)), (-50 * SOL_LONG, 49_500_000_000));
    check_books(&world).unwrap();

    // The mint's owner doubles the fee. Two epochs later Paul sends 40, and 39.2 repay his debt.
    token.set_fee(&mut world, 200);
    token.deposit(&mut world, &paul, pauls, 40 * SOL).unwrap();
    assert_eq!(token.shares(&world, &paul), -10_800_000_000);
    check_books(&world).unwrap();

    // Olga takes what is there: 49 that were left, and 39.2. The bank owes her the other 10.8, and Paul owes them to
    // it.
    world.refuses(VaultIlliquid, |world| token.withdraw(world, &olga, olgas, 88_200_000_001, false));
    token.withdraw(&mut world, &olga, olgas, 88_200_000_000, false).unwrap();
    assert_eq!(world.tokens(&olgas), 86_436_000_000);
    assert_eq!(token.shares(&world, &olga), 10_800_000_000);
    check_books(&world).unwrap();

    // 10.8 arrive when 11.020408164 are sent, the fee rounded up to a unit. Paul has 9.5, and buys the rest of Olga.
    let rest = 1_600_000_000;
    let program = &spl_token_2022_interface::ID;
    let sell = spl_token_2022_interface::instruction::transfer_checked;
    let sell = sell(program, &olgas, &mint, &pauls, &olga.key(), &[], rest, 9).unwrap();
    world.send(&[sell], &[&olga.keypair]).unwrap();
    token.deposit(&mut world, &paul, pauls, 11_020_408_164).unwrap();
    assert_eq!(token.shares(&world, &paul), 0);
    token.withdraw(&mut world, &olga, olgas, u64::MAX, false).unwrap();
    let bank = token.bank(&world);
    assert_eq!((bank.deposit_shares, bank.borrow_shares, world.tokens(&bank.vault)), (0, 0, 0));
    assert!(world.account(&olga).is_empty() && world.account(&paul).is_flat());
    check_books(&world).unwrap();
}
