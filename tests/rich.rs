//! A world rich in everything, and for every instruction of the program one that succeeds in it: `access` (cases) tries everything
//! else in the place of its accounts, `every` (cu) measures it.

use crate::venues;
use anyhow::{Context, Result};
use litesvm::{
    LiteSVM,
    types::{FailedTransactionMetadata, TransactionMetadata},
};
use margrave::{
    instructions::*,
    state::{self, Change, GroupTerms, Instrument, InstrumentKind, MarginAccount, Mode, Pause},
};
use margrave_client::{Instruction, Pubkey, Quote, SignedQuote, instruction, pda};
use margrave_sim::*;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_signer::Signer;
use solana_transaction::Transaction;

const TOKEN: Pubkey = TOKEN_PROGRAM;
const DOLLAR: u64 = 1_000_000;
const SOL: u64 = 1_000_000_000;
const SOL_LONG: i64 = 1_000_000_000;
const PRICE: i64 = 350_000_000_000;
const DAY: i64 = 86_400;

/// One group with everything listed.
#[derive(Clone, Copy)]
struct Place {
    group: Pubkey,
    usdc_bank: Pubkey,
    sol_bank: Pubkey,
    sol: Pubkey,
    eth: Pubkey,
    peg: Pubkey,
}

/// A valid instruction, what must come before and after it in its transaction, and which state of the world it is valid in.
pub struct Row {
    pub name: &'static str,
    pub first: Vec<Instruction>,
    pub main: Instruction,
    pub then: Vec<Instruction>,
    pub state: usize,
}

impl Row {
    fn new(state: usize, (name, main): (&'static str, Instruction)) -> Self {
        Self { name, first: vec![], main, then: vec![], state }
    }
}

pub struct Rich {
    pub world: World,
    pub keys: Vec<Keypair>,
    pub payer: Keypair,
    pub stranger: Keypair,
    pub rows: Vec<Row>,
    /// The chain: with accounts to be liquidated, with losses nobody has borne, and when profit may be made to bear them.
    pub states: Vec<LiteSVM>,
}

/// Lists SOL, ETH and the quote token's own underlying, with a bank for each token.
fn list_everything(world: &mut World, id: u16, eth_mint: Pubkey) -> Place {
    world.create_group(id).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    let (oracle, risk, market) = (terms::oracle_terms(SOL_FEED), terms::risk_terms(), terms::market_terms());
    let eth = world.list_underlying("ETH", oracle, risk, market).unwrap();
    let peg = world.list_underlying("PEG", oracle, risk, market).unwrap();
    world.list_bank(eth_mint, Some(eth), terms::collateral_terms()).unwrap();
    world.change(Change::Group(GroupTerms { peg_underlying: peg, ..terms::group_terms() }), None).unwrap();
    // Without a target for insurance everything earned is a fee.
    let free = state::BankTerms { insurance_target: 0, ..terms::quote_terms() };
    world.change(Change::Bank { bank: world.usdc_bank, terms: free }, None).unwrap();
    // Before the launch it needs no delay.
    venues::register(world, margrave_venue::ID, 0, venues::ample_terms(2)).unwrap();
    world.launch().unwrap();
    let World { group, usdc_bank, sol_bank, sol, .. } = *world;
    Place { group, usdc_bank, sol_bank, sol, eth, peg }
}

fn point_to(world: &mut World, place: &Place) {
    (world.group, world.usdc_bank) = (place.group, place.usdc_bank);
    (world.sol_bank, world.sol) = (place.sol_bank, place.sol);
}

fn price_everywhere(world: &mut World, places: &[Place], price: i64) {
    world.post(&world.good_price(price), RECEIVER);
    for place in places {
        for underlying in [place.sol, place.eth, place.peg] {
            let refresh = instruction::refresh_price(place.group, underlying, world.price_update);
            world.send(&[refresh], &[]).unwrap();
        }
    }
}

pub fn rich() -> Rich {
    let mut world = World::empty(World::START).unwrap();
    venues::add_program(&mut world);
    let eth_mint = world.create_mint(9);
    let foreign = list_everything(&mut world, 1, eth_mint);
    let unlaunched = pda::group(2);
    world.create_group(2).unwrap();
    world.list_bank(world.usdc_mint, None, terms::quote_terms()).unwrap();
    let home = list_everything(&mut world, 0, eth_mint);
    let places = [home, foreign];
    price_everywhere(&mut world, &places, PRICE);

    let maker = world.funded("maker", 10_000_000 * DOLLAR, 1_000_000 * SOL);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let alice = world.funded("alice", 1_000_000 * DOLLAR, 1_000 * SOL);
    let victim = world.funded("victim", 12_000 * DOLLAR, 0);
    let borrower = world.funded("borrower", 0, 1_000 * SOL);
    world.borrow(&borrower, Token::Usdc, 1_000 * DOLLAR).unwrap();
    // To be liquidated: a borrower, a portfolio against one that stands opposite, and what 15 dollars a SOL will ruin.
    let debtor = world.funded("debtor", 0, 1_000 * SOL);
    world.borrow(&debtor, Token::Usdc, 21_500 * DOLLAR).unwrap();
    let sliced = world.funded("sliced", 11_900 * DOLLAR, 10 * SOL);
    let slicer = world.funded("slicer", 1_000_000 * DOLLAR, 0);
    world.borrow(&slicer, Token::Sol, SOL).unwrap();
    let lender = world.trader("lender");
    let eth_bank = pda::bank(&home.group, &eth_mint);
    let lent = world.give_new(&lender, eth_mint, 10 * SOL);
    let bank: state::Bank = world.load(&eth_bank);
    let deposit = instruction::deposit(lender.key(), lender.margin_account, (eth_bank, &bank), lent, TOKEN, 10 * SOL);
    world.send(&[deposit], &[&lender.keypair]).unwrap();
    let [fallen, lost, ruined] = ["fallen", "lost", "ruined"].map(|name| world.funded(name, 5_000 * DOLLAR, 0));
    let borrowed = world.give_new(&fallen, eth_mint, 1);
    let (account, bank) = (world.account(&fallen), world.load::<state::Bank>(&eth_bank));
    let holder = (fallen.margin_account, &account);
    let borrow = instruction::withdraw(holder, (eth_bank, &bank), borrowed, TOKEN, SOL / 100, true);
    world.send(&[borrow], &[&fallen.keypair]).unwrap();
    for number in [1, 9] {
        let open = instruction::open_margin_account(alice.key(), alice.key(), home.group, number);
        world.send(&[open], &[&alice.keypair]).unwrap();
    }
    // The same owner in the other group, with a deposit.
    point_to(&mut world, &foreign);
    let abroad = pda::margin_account(&foreign.group, &alice.key(), 0);
    let open = instruction::open_margin_account(alice.key(), alice.key(), foreign.group, 0);
    world.send(&[open], &[&alice.keypair]).unwrap();
    world.give(&alice, Token::Usdc, 1_000 * DOLLAR);
    let bank: state::Bank = world.load(&foreign.usdc_bank);
    let bank = (foreign.usdc_bank, &bank);
    let deposit = instruction::deposit(alice.key(), abroad, bank, alice.usdc, TOKEN, 500 * DOLLAR);
    world.send(&[deposit], &[&alice.keypair]).unwrap();
    let terms = state::BankTerms { deposit_cap: 1, ..terms::collateral_terms() };
    world.queue(Change::Bank { bank: foreign.sol_bank, terms }).unwrap();
    world.list_expiry(foreign.sol, 30, 60, &[PRICE]).unwrap();
    point_to(&mut world, &home);

    // One expiry to trade, one to settle, one to close.
    let (live, series) = world.list_expiry(home.sol, 30, 60, &[300_000_000_000, PRICE]).unwrap();
    let (settled, _) = world.list_expiry(home.sol, 2, 60, &[PRICE]).unwrap();
    let soon = World::START + 2 * DAY + 1;
    let args = ListExpiryArgs { time: soon, surface: flat_surface(60, 2 * DAY) };
    world.send(&[instruction::list_expiry(world.operator.pubkey(), home.group, home.sol, args)], &[]).unwrap();
    let empty =
        u8::try_from(world.sheet(&home.sol).expiries.iter().position(|slot| slot.time == soon).unwrap()).unwrap();

    let call = world.instrument(&home.sol, InstrumentKind::Call, live, PRICE);
    let put = world.instrument(&home.sol, InstrumentKind::Put, settled, PRICE);
    let future = world.instrument(&home.sol, InstrumentKind::Future, settled, 0);
    let legs = [
        world.leg(home.sol, Instrument::PERP, 100 * SOL_LONG),
        world.leg(home.sol, call, 10 * SOL_LONG),
        world.leg(home.sol, put, -10 * SOL_LONG),
        world.leg(home.sol, future, -5 * SOL_LONG),
        world.leg(home.eth, Instrument::PERP, 5 * SOL_LONG),
    ];
    world.trade_legs(&alice, &maker, &legs).unwrap();
    world.trade(&victim, &maker, 1_000 * SOL_LONG, PRICE).unwrap();
    world.trade(&borrower, &maker, 50 * SOL_LONG, PRICE).unwrap();
    for (trader, size) in
        [(&debtor, 10), (&sliced, 1_000), (&slicer, -100), (&fallen, 500), (&lost, 500), (&ruined, 500)]
    {
        world.trade(trader, &maker, size * SOL_LONG, PRICE).unwrap();
    }

    // Two changes whose time will have come, and room for an underlying.
    let terms = state::BankTerms { deposit_cap: 1, ..terms::collateral_terms() };
    let bank_change = world.queue(Change::Bank { bank: home.sol_bank, terms }).unwrap();
    let resume = world.queue(Change::Resume { underlying: home.sol }).unwrap();
    let grow = instruction::grow_underlying(world.manager.pubkey(), home.group, pda::symbol("GROWN"));
    world.send(&[grow.clone(), grow], &[]).unwrap();

    // Through the settlement window.
    for step in 0..21 {
        world.set_time(World::START + 2 * DAY - 1_800 + step * 100);
        price_everywhere(&mut world, &places, 340_000_000_000);
    }
    assert!(world.sheet(&home.sol).expiries[usize::from(settled)].is_settled());
    world.settle_pnl(&alice, home.sol, false).unwrap();
    world.send(&[instruction::sweep_fees(home.group, home.sol, home.usdc_bank)], &[]).unwrap();
    world.trade(&alice, &maker, 10 * SOL_LONG, 340_000_000_000).unwrap();
    world.set_time(world.now() + 60);
    price_everywhere(&mut world, &places, 270_000_000_000);
    world.settle_pnl(&alice, home.sol, false).unwrap();
    let left = World::START + 30 * DAY - world.now();
    let surface = flat_surface(60, left);
    let set = instruction::set_surface(world.operator.pubkey(), home.group, home.sol, (live, series), surface);
    world.send(&[set], &[]).unwrap();
    let waiting = world.queue(Change::Unpause(Pause::ALL)).unwrap();
    let venue = pda::venue(&home.group, &margrave_venue::ID, 0);
    for trader in [&alice, &maker, &keeper] {
        venues::consent(&mut world, trader, venue, World::START + 100 * DAY, u64::MAX).unwrap();
    }
    // Of another venue, and of another group's.
    let second = instruction::register_venue(world.manager.pubkey(), home.group, margrave_venue::ID, 1);
    world.send(&[second], &[]).unwrap();
    let second = pda::venue(&home.group, &margrave_venue::ID, 1);
    venues::consent(&mut world, &alice, second, World::START + 100 * DAY, u64::MAX).unwrap();
    for trader in [&alice, &maker, &keeper] {
        world.give(trader, Token::Usdc, 10_000 * DOLLAR);
    }
    world.set_time(world.now() + 5);
    world.post(&world.good_price(271_000_000_000), RECEIVER);
    let new_mint = world.create_mint(9);
    check_books(&world).unwrap();

    // The rows.
    let (admin, manager) = (world.admin.pubkey(), world.manager.pubkey());
    let (operator, guardian) = (world.operator.pubkey(), world.guardian.pubkey());
    let group = home.group;
    let account = |key: &Pubkey| world.load::<MarginAccount>(key);
    let bank = |key: &Pubkey| world.load::<state::Bank>(key);
    let (usdc, sol_bank) = (bank(&home.usdc_bank), bank(&home.sol_bank));
    let (usdc, sol_bank) = ((home.usdc_bank, &usdc), (home.sol_bank, &sol_bank));
    let (mine, indebted) = (account(&alice.margin_account), account(&borrower.margin_account));
    let held = (alice.margin_account, &mine);
    let second = pda::margin_account(&group, &alice.key(), 1);
    let proposal = |key: Pubkey| (key, world.proposal(&key));
    let (bank_change, resume, waiting) = (proposal(bank_change), proposal(resume), proposal(waiting));
    let tighter = state::BankTerms { deposit_cap: 1, ..sol_bank.1.terms };
    let no_terms = state::MarketTerms { perp_interest_cap: 0, ..terms::market_terms() };
    let tighten = Change::Underlying {
        underlying: home.eth,
        oracle: terms::oracle_terms(SOL_FEED),
        risk: terms::risk_terms(),
        market: no_terms,
    };
    let legs = [
        world.leg(home.sol, Instrument::PERP, SOL_LONG),
        world.leg(home.sol, call, SOL_LONG),
        world.leg(home.eth, Instrument::PERP, SOL_LONG),
    ];
    let quote = Quote {
        group,
        maker: maker.margin_account,
        quotes_since: account(&maker.margin_account).quotes_since,
        taker: Pubkey::default(),
        expires_at: world.now() + 60,
        nonce: 1,
        units: 1,
        legs: legs.iter().map(|placed| placed.leg).collect(),
    };
    let signed = SignedQuote::sign(quote, &maker.keypair);
    let [ed25519, fill] = world.fill_instructions(&alice, &maker, &signed, 1);
    let listing = ListUnderlyingArgs {
        symbol: pda::symbol("GROWN"),
        decimals: 9,
        oracle: terms::oracle_terms(SOL_FEED),
        risk: terms::risk_terms(),
    };
    let later = ListExpiryArgs { time: world.now() + 7 * DAY, surface: flat_surface(60, 7 * DAY) };
    let id = world.load::<state::Group>(&group).proposals;
    let pause = |underlying| instruction::pause(guardian, group, underlying, Pause::NEW_RISK, 60);
    let delegate = instruction::set_delegate(alice.key(), alice.margin_account, 0, keeper.key(), world.now() + DAY);
    let out = instruction::withdraw(held, usdc, alice.usdc, TOKEN, DOLLAR, false);
    let over = instruction::withdraw((borrower.margin_account, &indebted), usdc, borrower.usdc, TOKEN, DOLLAR, true);
    let place = instruction::deposit(alice.key(), alice.margin_account, usdc, alice.usdc, TOKEN, DOLLAR);
    let balances = [(home.usdc_bank, 5), (home.sol_bank, -5)];
    let (owing, split) = (account(&debtor.margin_account), account(&sliced.margin_account));
    let (owing, split) = ((debtor.margin_account, &owing), (sliced.margin_account, &split));
    let (liquidator, opposite) = (account(&keeper.margin_account), account(&slicer.margin_account));
    let (liquidator, opposite) = ((keeper.margin_account, &liquidator), (slicer.margin_account, &opposite));
    let proof = world.accounts().proof_of_breach(&victim.margin_account, world.now()).unwrap().unwrap();
    let buy = instruction::liquidate_collateral(liquidator, owing, home.sol_bank, home.usdc_bank, 1_000 * DOLLAR);
    let begin = instruction::begin_bracket(keeper.key(), owing.0, sol_bank, keeper.sol, TOKEN, 100 * SOL);
    let end = instruction::end_bracket(keeper.key(), owing, usdc, keeper.usdc, TOKEN, 2_680 * DOLLAR);
    let filled = venues::fill_instruction(&world, venue, &alice, &maker, &legs);
    let until = World::START + 50 * DAY;
    let grant = |to| instruction::grant_consent(keeper.key(), alice.key(), alice.margin_account, to, until, DOLLAR);
    let stop = Change::Venue { venue, terms: state::VenueTerms::default() };
    let mut rows = vec![
        ("create_group", instruction::create_group(admin, world.usdc_mint, terms::group_args(7, world.roles()))),
        ("launch", instruction::launch(admin, unlaunched)),
        ("list_bank", instruction::list_bank(manager, group, new_mint, Some(home.sol), TOKEN)),
        ("grow_underlying", instruction::grow_underlying(manager, group, pda::symbol("NEW"))),
        ("list_underlying", instruction::list_underlying(manager, group, listing)),
        ("list_expiry", instruction::list_expiry(operator, group, home.sol, later)),
        ("list_strikes", instruction::list_strikes(operator, group, home.sol, live, vec![360_000_000_000])),
        ("close_expiry", instruction::close_expiry(world.operator.pubkey(), group, home.sol, empty)),
        ("set_surface", instruction::set_surface(operator, group, home.sol, (live, series), surface)),
        ("queue_change", instruction::queue_change(manager, group, id, Change::Resume { underlying: home.sol })),
        ("execute_change", instruction::execute_change((bank_change.0, &bank_change.1), Some(home.sol))),
        ("execute_change", instruction::execute_change((resume.0, &resume.1), None)),
        ("cancel_change", instruction::cancel_change(guardian, (waiting.0, &waiting.1))),
        (
            "change_now",
            instruction::change_now(manager, group, Change::Bank { bank: sol_bank.0, terms: tighter }, Some(home.sol)),
        ),
        ("change_now", instruction::change_now(manager, group, tighten, None)),
        ("pause", pause(None)),
        ("pause", pause(Some(home.sol))),
        ("collect_fees", instruction::collect_fees(admin, usdc, alice.usdc, TOKEN, 1)),
        ("open_margin_account", instruction::open_margin_account(keeper.key(), alice.key(), group, 5)),
        (
            "close_margin_account",
            instruction::close_margin_account(alice.key(), pda::margin_account(&group, &alice.key(), 9)),
        ),
        ("set_delegate", delegate),
        ("set_mode", instruction::set_mode(held, Mode::Cross)),
        ("deposit", place),
        ("withdraw", out),
        ("withdraw", over),
        ("transfer_collateral", instruction::transfer_collateral(held, second, usdc, DOLLAR)),
        ("trade", world.trade_legs_instruction(&alice, &maker, &legs)),
        ("cancel_quotes", instruction::cancel_quotes(alice.key(), alice.margin_account, 5, false)),
        ("refresh_price", instruction::refresh_price(group, home.sol, world.price_update)),
        ("accrue_interest", instruction::accrue_interest(sol_bank)),
        ("accrue_interest", instruction::accrue_interest(usdc)),
        ("update_depeg", instruction::update_depeg(group, home.peg)),
        ("settle_pnl", instruction::settle_pnl(held, home.sol, home.usdc_bank, false)),
        ("settle_pnl", instruction::settle_pnl((borrower.margin_account, &indebted), home.sol, home.usdc_bank, true)),
        ("settle_expiry", instruction::settle_expiry(alice.margin_account, home.sol, settled)),
        ("sweep_fees", instruction::sweep_fees(group, home.sol, home.usdc_bank)),
        ("flag_account", instruction::flag_account((victim.margin_account, &account(&victim.margin_account)))),
        ("prove_breach", instruction::prove_breach((victim.margin_account, &account(&victim.margin_account)), proof)),
        ("liquidate", world.liquidate_instruction(&keeper, &victim, 100 * SOL)),
        ("liquidate_collateral", buy),
        ("liquidate_slice", instruction::liquidate_slice(opposite, split, home.usdc_bank, 1 << 26)),
        ("preview", instruction::preview(held, &legs, &balances)),
        ("explain", instruction::explain(held, 0)),
        ("health_check", instruction::health_check(held, Level::Initial, 0)),
        ("sequence_check", instruction::sequence_check(alice.margin_account, mine.sequence)),
        ("solvency", instruction::solvency(usdc)),
        ("register_venue", instruction::register_venue(manager, group, margrave_venue::ID, 7)),
        ("change_now", instruction::change_now(manager, group, stop, None)),
        ("pause", instruction::pause_venue(guardian, group, venue, 60)),
        ("grant_consent", grant(venue)),
        ("revoke_consent", instruction::revoke_consent(alice.key(), alice.margin_account, venue)),
        ("venue_fill", venues::by_venue(filled)),
    ]
    .into_iter()
    .map(|row| Row::new(0, row))
    .collect::<Vec<_>>();
    rows.push(Row { first: vec![ed25519], ..Row::new(0, ("fill_quote", fill)) });
    rows.push(Row { then: vec![end.clone()], ..Row::new(0, ("begin_bracket", begin.clone())) });
    rows.push(Row { first: vec![begin], ..Row::new(0, ("end_bracket", end)) });
    let mut states = vec![world.svm.clone()];

    // Bankrupt: one owes a trifle besides, one has its loss written off, one has its position left, one is not flagged yet.
    world.set_time(world.now() + 60);
    price_everywhere(&mut world, &places, 150_000_000_000);
    for trader in [&fallen, &lost] {
        world.liquidate(&keeper, trader, u64::MAX).unwrap();
    }
    for trader in [&fallen, &lost, &ruined] {
        world.settle_pnl(trader, home.sol, false).unwrap();
        world.flag(trader).unwrap();
    }
    world.cover_deficit(&lost, home.sol).unwrap();
    world.set_time(world.now() + 120);
    price_everywhere(&mut world, &places, 150_000_000_000);
    world.nominate(&ruined, &maker, home.sol, Instrument::PERP).unwrap();
    world.set_time(world.now() + 30);
    price_everywhere(&mut world, &places, 150_000_000_000);
    check_books(&world).unwrap();
    states.push(world.svm.clone());
    let account = |trader: &Trader| world.account(trader);
    let (owing, opposite) = (account(&debtor), account(&slicer));
    let (empty, held) = (account(&fallen), account(&ruined));
    let (empty, held) = ((fallen.margin_account, &empty), (ruined.margin_account, &held));
    let opposite = (slicer.margin_account, &opposite);
    let close = instruction::deleverage(held, maker.margin_account, home.sol, home.usdc_bank, Instrument::PERP);
    let bankrupt = [
        ("flag_account", instruction::flag_account((debtor.margin_account, &owing))),
        ("cover_deficit", instruction::cover_deficit(empty, home.sol, home.usdc_bank)),
        ("write_off_debt", instruction::write_off_debt(empty, eth_bank)),
        ("nominate_candidate", instruction::nominate_candidate(held, opposite, home.sol, Instrument::PERP)),
        ("deleverage", close),
        ("register_profit", instruction::register_profit(maker.margin_account, home.sol)),
    ];
    rows.extend(bankrupt.map(|row| Row::new(1, row)));

    world.register_profit(&maker, home.sol).unwrap();
    world.set_time(world.now() + 600);
    price_everywhere(&mut world, &places, 150_000_000_000);
    states.push(world.svm.clone());
    rows.push(Row::new(2, ("share_loss", instruction::share_loss(group, home.sol))));

    let (payer, stranger) = (keypair(50_001), keypair(50_002));
    for svm in &mut states {
        for key in [&payer, &stranger] {
            svm.airdrop(&key.pubkey(), 1_000_000_000_000).unwrap();
        }
    }
    world.svm = states[0].clone();
    let mut keys: Vec<Keypair> =
        [&maker, &keeper, &alice, &victim, &borrower].map(|trader| trader.keypair.insecure_clone()).into();
    keys.extend(
        [&world.admin, &world.manager, &world.operator, &world.guardian, &stranger].map(Keypair::insecure_clone),
    );
    keys.push(slicer.keypair.insecure_clone());
    Rich { world, keys, payer, stranger, rows, states }
}

impl Rich {
    /// Sends a transaction that a bystander pays for, so that nobody else signs but who must.
    /// The answer is the return data, the error a number or the runtime's name for it.
    pub fn send(&mut self, main: &Instruction) -> Result<Vec<u8>, String> {
        self.send_all(std::slice::from_ref(main))
    }

    /// The same with what the row has before and after.
    pub fn send_as(&mut self, row: &Row, main: &Instruction) -> Result<Vec<u8>, String> {
        let all: Vec<Instruction> = row.first.iter().chain([main]).chain(&row.then).cloned().collect();
        self.send_all(&all)
    }

    fn send_all(&mut self, all: &[Instruction]) -> Result<Vec<u8>, String> {
        match self.transact(all) {
            Ok(meta) => Ok(meta.return_data.data),
            Err(failed) => {
                record_refusals(&failed.meta.logs);
                // InstructionError(0, Custom(6003)), InstructionError(0, MissingAccount).
                let text = format!("{:?}", failed.err);
                let inner = text.split_once(", ").map_or(text.as_str(), |(_, inner)| &inner[..inner.len() - 1]);
                Err(inner.strip_prefix("Custom(").map_or(inner, |code| &code[..code.len() - 1]).to_owned())
            }
        }
    }

    fn transact(&mut self, all: &[Instruction]) -> Result<TransactionMetadata, Box<FailedTransactionMetadata>> {
        self.world.svm.expire_blockhash();
        let message = Message::new(all, Some(&self.payer.pubkey()));
        let mut transaction = Transaction::new_unsigned(message);
        let needed = usize::from(transaction.message.header.num_required_signatures);
        let needed = transaction.message.account_keys[..needed].to_vec();
        let signers: Vec<&Keypair> =
            self.keys.iter().chain([&self.payer]).filter(|key| needed.contains(&key.pubkey())).collect();
        transaction.partial_sign(&signers, self.world.svm.latest_blockhash());
        self.world.svm.send_transaction(transaction).map_err(Box::new)
    }

    /// The compute units that the row's instruction takes in its state, without what comes before and after it and without a
    /// program that calls it, and those of them that the token program takes.
    pub fn units(&mut self, row: &Row) -> Result<(u64, u64)> {
        self.world.svm = self.states[row.state].clone();
        let all: Vec<Instruction> = row.first.iter().chain([&row.main]).chain(&row.then).cloned().collect();
        let sent = self.transact(&all).map_err(|failed| failed.meta.logs.join("\n"));
        let logs = sent.map_err(anyhow::Error::msg).context(row.name)?.logs;
        let before = row.first.iter().filter(|other| other.program_id == margrave::ID).count();
        calls(&logs).into_iter().nth(before).with_context(|| format!("{}: the log does not say", row.name))
    }
}

/// Of every call of the program by another, or by a transaction: its compute units, and those of the token program in it.
fn calls(logs: &[String]) -> Vec<(u64, u64)> {
    let program = margrave::ID.to_string();
    let (mut running, mut token, mut calls) = (Vec::<&str>::new(), 0, Vec::new());
    for words in logs.iter().map(|line| line.split(' ').collect::<Vec<_>>()) {
        match words[..] {
            ["Program", callee, "invoke", _] => running.push(callee),
            ["Program", callee, "consumed", units, ..] => {
                let units = units.parse().unwrap_or(0);
                let outermost = running.iter().position(|other| *other == program) == Some(running.len() - 1);
                if callee == TOKEN.to_string() {
                    token += units;
                } else if callee == program && outermost {
                    calls.push((units, std::mem::take(&mut token)));
                }
            }
            ["Program", _, "success"] => drop(running.pop()),
            _ => {}
        }
    }
    calls
}
