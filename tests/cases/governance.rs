//! I-33, I-34: who may change what, what waits, what is immediate, and what a guardian can and cannot do.

use crate::common::*;
use margrave::{constants::*, instructions::*, state::*};
use margrave_client::instruction;
use solana_keypair::Keypair;

const DAY: i64 = 86_400;
const TIMELOCK: i64 = 2 * DAY;
const TOKEN: Pubkey = anchor_lang::pubkey!("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");

fn world() -> World {
    let mut world = World::with_market(PRICE).unwrap();
    register_venue(&mut world);
    world
}

/// A venue of a program that has nothing to do with it.
fn register_venue(world: &mut World) {
    let register = instruction::register_venue(world.manager.pubkey(), world.group, TOKEN, 0);
    world.send(&[register], &[]).unwrap();
}

fn venue(world: &World) -> Pubkey {
    pda::venue(&world.group, &TOKEN, 0)
}

/// The standard underlying's terms as they stand.
fn underlying_change(world: &World) -> Change {
    let sheet = world.underlying();
    Change::Underlying { underlying: world.sol, oracle: sheet.oracle.terms, risk: sheet.risk, market: sheet.market }
}

fn bank_change(world: &World, terms: BankTerms) -> Change {
    Change::Bank { bank: world.sol_bank, terms }
}

fn sol_terms(world: &World) -> BankTerms {
    world.bank(Token::Sol).1.terms
}

fn group(world: &World) -> Group {
    world.load(&world.group)
}

fn signer(world: &World, proposer: Proposer) -> Keypair {
    match proposer {
        Proposer::Admin => world.admin.insecure_clone(),
        Proposer::Manager => world.manager.insecure_clone(),
    }
}

/// `change_now` by whoever may.
fn now(world: &mut World, change: &Change) -> Outcome {
    let by = signer(world, change.proposer());
    now_by(world, &by, change)
}

fn now_by(world: &mut World, by: &Keypair, change: &Change) -> Outcome {
    let change = instruction::change_now(by.pubkey(), world.group, change.clone(), Some(world.sol));
    world.send(&[change], &[by])
}

fn queue_by(world: &mut World, by: &Keypair, change: &Change) -> Outcome {
    let queue = instruction::queue_change(by.pubkey(), world.group, group(world).proposals, change.clone());
    world.send(&[queue], &[by])
}

fn execute(world: &mut World, key: &Pubkey) -> Outcome {
    let proposal = world.proposal(key);
    let execute = instruction::execute_change((*key, &proposal), Some(world.sol));
    world.send(&[execute], &[])
}

fn cancel_by(world: &mut World, by: &Keypair, key: &Pubkey) -> Outcome {
    let proposal = world.proposal(key);
    world.send(&[instruction::cancel_change(by.pubkey(), (*key, &proposal))], &[by])
}

fn pause(world: &mut World, bits: u32) -> Outcome {
    let pause = instruction::pause(world.guardian.pubkey(), world.group, None, bits, MAX_PAUSE_SECS);
    world.send(&[pause], &[])
}

fn stranger(world: &mut World) -> Keypair {
    world.wallet("stranger").keypair
}

/// One change of every variant that leaves a launched group valid, and whether it only tightens.
fn every_change(world: &World) -> Vec<(Change, bool)> {
    let (roles, terms) = (world.roles(), group(world).terms);
    let tighter = BankTerms { deposit_cap: 1, ..sol_terms(world) };
    let mut receivers = [Pubkey::default(); MAX_RECEIVERS];
    receivers[0] = RECEIVER;
    vec![
        (Change::Roles(roles), false),
        (Change::Group(GroupTerms { timelock_secs: MAX_TIMELOCK_SECS, ..terms }), true),
        (Change::Group(GroupTerms { outflow_cap: 1, ..terms }), false),
        (Change::Options(OptionParameters::STANDARD), false),
        (Change::Receivers(receivers), false),
        (Change::Unpause(Pause::ALL), false),
        (bank_change(world, tighter), true),
        (underlying_change(world), true),
        (Change::Resume { underlying: world.sol }, false),
        (Change::Venue { venue: venue(world), terms: VenueTerms::default() }, true),
        (Change::ResumeVenue { venue: venue(world) }, false),
    ]
}

/// I-33: who may propose each change, in either way. The admin may do what the manager may; nobody else may do anything.
#[test]
fn each_change_is_its_proposer_s() {
    let mut world = world();
    let stranger = stranger(&mut world);
    for (change, tightening) in every_change(&world) {
        let admins = change.proposer() == Proposer::Admin;
        let mut others = vec![&world.operator, &world.guardian, &stranger];
        if admins {
            others.push(&world.manager);
        }
        let error = if admins { SignerIsNotAdmin } else { SignerIsNotManager };
        for key in others.into_iter().map(Keypair::insecure_clone).collect::<Vec<_>>() {
            world.refuses(error, |world| now_by(world, &key, &change));
            world.refuses(error, |world| queue_by(world, &key, &change));
        }
        let mut owners = vec![world.admin.insecure_clone()];
        if !admins {
            owners.push(world.manager.insecure_clone());
        }
        for key in owners {
            queue_by(&mut world, &key, &change).unwrap();
            match tightening {
                true => drop(now_by(&mut world, &key, &change).unwrap()),
                false => world.refuses(ChangeMustBeQueued, |world| now_by(world, &key, &change)),
            }
        }
    }
    let variant = |change: &Change| std::mem::discriminant(change);
    let seen: std::collections::HashSet<_> = every_change(&world).iter().map(|(change, _)| variant(change)).collect();
    assert_eq!(seen.len(), 10, "a new change needs a line in every_change");
}

/// I-33: the manager alone lists banks and underlyings, the operator and he expiries; the guardian and the admin pause.
#[test]
fn the_operator_is_not_the_manager_and_the_guardian_is_neither() {
    let mut world = world();
    let (group, sol, mint) = (world.group, world.sol, world.create_mint(9));
    let keys = [&world.admin, &world.manager, &world.operator, &world.guardian].map(Keypair::insecure_clone);
    let [admin, manager, operator, guardian] = &keys;
    for key in [operator, guardian] {
        let bank = instruction::list_bank(key.pubkey(), group, mint, Some(sol), TOKEN);
        world.refuses(SignerIsNotManager, |world| world.send(&[bank], &[]));
        let grow = instruction::grow_underlying(key.pubkey(), group, pda::symbol("NEW"));
        world.refuses(SignerIsNotManager, |world| world.send(&[grow], &[]));
        let venue = instruction::register_venue(key.pubkey(), group, TOKEN, 1);
        world.refuses(SignerIsNotManager, |world| world.send(&[venue], &[]));
    }
    let args = ListExpiryArgs { time: world.now() + DAY, surface: flat_surface(60, DAY) };
    for key in [admin, guardian] {
        let list = instruction::list_expiry(key.pubkey(), group, sol, args.clone());
        world.refuses(SignerIsNotOperator, |world| world.send(&[list], &[]));
    }
    for (key, days) in [(manager, 1), (operator, 2)] {
        let args = ListExpiryArgs { time: world.now() + days * DAY, ..args.clone() };
        world.send(&[instruction::list_expiry(key.pubkey(), group, sol, args)], &[]).unwrap();
    }
    for key in [manager, operator] {
        let pause = instruction::pause(key.pubkey(), group, None, Pause::LISTING, 60);
        world.refuses(SignerIsNotGuardian, |world| world.send(&[pause], &[]));
    }
    for (key, bits) in [(admin, Pause::LISTING), (guardian, Pause::BORROW)] {
        world.send(&[instruction::pause(key.pubkey(), group, None, bits, 60)], &[]).unwrap();
    }
    assert_eq!(self::group(&world).paused_now(world.now()), Pause::LISTING | Pause::BORROW);
}

/// I-33: not a second early, not a second late, once, and the rent goes back to who paid it.
#[test]
fn a_queued_change_is_executed_once_between_its_times() {
    let mut world = world();
    let looser = BankTerms { borrow_cap: u64::MAX, ..sol_terms(&world) };
    let key = world.queue(bank_change(&world, looser)).unwrap();
    let proposal = world.proposal(&key);
    assert_eq!(proposal.executable_at, World::START + TIMELOCK);
    assert_eq!(proposal.expires_at, proposal.executable_at + EXECUTION_WINDOW_SECS);
    assert_eq!(proposal.proposer, world.manager.pubkey());
    let rent = world.svm.get_account(&key).unwrap().lamports;

    world.set_time(proposal.executable_at - 1);
    world.refuses(ChangeMustWait, |world| execute(world, &key));
    world.set_time(proposal.expires_at + 1);
    world.refuses(ChangeExpired, |world| execute(world, &key));
    // Not somebody else's rent.
    let mut robbed = proposal.clone();
    robbed.proposer = world.operator.pubkey();
    let robbery = instruction::execute_change((key, &robbed), Some(world.sol));
    world.refuses(ProposerMismatch, |world| world.send(&[robbery], &[]));

    world.set_time(proposal.expires_at);
    let before = world.svm.get_balance(&world.manager.pubkey()).unwrap();
    let again = instruction::execute_change((key, &proposal), Some(world.sol));
    execute(&mut world, &key).unwrap();
    assert_eq!(sol_terms(&world), looser);
    assert_eq!(world.svm.get_balance(&world.manager.pubkey()).unwrap(), before + rent);
    // The account is gone: there is nothing to be executed.
    refuses_with_code(&mut world, 3012, |world| world.send(&[again], &[]));
}

/// I-33: at the first second as well.
#[test]
fn a_queued_change_is_executable_as_soon_as_its_time_has_come() {
    let mut world = world();
    let key =
        world.queue(Change::Options(OptionParameters { vega_charge_ppm: 0, ..OptionParameters::STANDARD })).unwrap();
    world.set_time(World::START + TIMELOCK);
    execute(&mut world, &key).unwrap();
    assert_eq!(group(&world).options.vega_charge_ppm, 0);
}

/// I-33: the guardian and the admin cancel, and once a change is void everybody may clear it away. The rent is the proposer's.
#[test]
fn a_queued_change_can_be_cancelled() {
    let mut world = world();
    let stranger = stranger(&mut world);
    let keys = [&world.admin, &world.manager, &world.operator, &world.guardian].map(Keypair::insecure_clone);
    let [admin, manager, operator, guardian] = &keys;
    let change = underlying_change(&world);
    for by in [admin, guardian] {
        let key = world.queue(change.clone()).unwrap();
        for other in [manager, operator, &stranger] {
            world.refuses(SignerIsNotGuardian, |world| cancel_by(world, other, &key));
        }
        let before = world.svm.get_balance(&manager.pubkey()).unwrap();
        let rent = world.svm.get_account(&key).unwrap().lamports;
        cancel_by(&mut world, by, &key).unwrap();
        assert_eq!(world.svm.get_balance(&manager.pubkey()).unwrap(), before + rent);
        assert!(world.svm.get_account(&key).is_none_or(|account| account.lamports == 0));
    }
    let key = world.queue(change).unwrap();
    let proposal = world.proposal(&key);
    world.set_time(proposal.expires_at);
    world.refuses(SignerIsNotGuardian, |world| cancel_by(world, &stranger, &key));
    world.set_time(proposal.expires_at + 1);
    cancel_by(&mut world, &stranger, &key).unwrap();
}

/// A change names what it is of; nothing else is taken for it, neither at once nor from the queue.
#[test]
fn a_change_is_made_to_what_it_names() {
    let mut world = world();
    let mint = world.list_extra_bank().unwrap();
    let other_bank = pda::bank(&world.group, &mint);
    let other = world.list_other_underlying("ETH").unwrap();
    let (sol, sol_bank, group) = (world.sol, world.sol_bank, world.group);
    let bank = world.queue(bank_change(&world, sol_terms(&world))).unwrap();
    let sheet = world.queue(underlying_change(&world)).unwrap();
    let resume = world.queue(Change::Resume { underlying: sol }).unwrap();
    let venue = venue(&world);
    world.send(&[instruction::register_venue(world.manager.pubkey(), group, TOKEN, 1)], &[]).unwrap();
    let other_venue = pda::venue(&group, &TOKEN, 1);
    let terms = world.queue(Change::Venue { venue, terms: VenueTerms::default() }).unwrap();
    let start = world.queue(Change::ResumeVenue { venue }).unwrap();
    world.set_time(world.now() + TIMELOCK);
    let instruction = |world: &World, key: Pubkey| instruction::execute_change((key, &world.proposal(&key)), Some(sol));
    let swapped = [
        (with_account(instruction(&world, bank), sol_bank, other_bank), BankMissing),
        (with_account(instruction(&world, bank), sol_bank, margrave::ID), BankMissing),
        // The haircut must fit the underlying that prices the bank.
        (with_account(instruction(&world, bank), sol, other), UnderlyingMissing),
        (with_account(instruction(&world, bank), sol, margrave::ID), UnderlyingMissing),
        (with_account(instruction(&world, sheet), sol, other), UnderlyingMissing),
        (with_account(instruction(&world, resume), sol, other), UnderlyingMissing),
        (with_account(instruction(&world, terms), venue, other_venue), VenueMissing),
        (with_account(instruction(&world, terms), venue, margrave::ID), VenueMissing),
        (with_account(instruction(&world, start), venue, other_venue), VenueMissing),
    ];
    for (instruction, error) in swapped {
        world.refuses(error, |world| world.send(&[instruction], &[]));
    }
    let manager = world.manager.pubkey();
    let at_once = instruction::change_now(manager, group, bank_change(&world, sol_terms(&world)), Some(sol));
    let at_once = with_account(at_once, sol_bank, other_bank);
    world.refuses(BankMissing, |world| world.send(&[at_once], &[]));
}

/// Who governs one group changes nothing of another's, though a change names what it is of by its address alone.
#[test]
fn a_change_reaches_no_other_group() {
    let mut market = Market::open();
    register_venue(&mut market.world);
    let other = market.other_group();
    let Market { mut world, .. } = market;
    let home = world.group;
    let venue = venue(&world);
    // The same keys govern both; the other group names this one's venue.
    world.group = other.group;
    let change = Change::Venue { venue, terms: VenueTerms::default() };
    world.refuses(GroupMismatch, |world| now(world, &change));
    let queued = [change, Change::ResumeVenue { venue }].map(|change| world.queue(change).unwrap());
    world.set_time(world.now() + TIMELOCK);
    for key in queued {
        world.refuses(GroupMismatch, |world| execute(world, &key));
    }
    let stop = instruction::pause_venue(world.guardian.pubkey(), other.group, venue, 60);
    world.refuses(GroupMismatch, |world| world.send(&[stop], &[]));
    world.group = home;
    world.change(Change::ResumeVenue { venue }, None).unwrap();
}

/// The table of docs/governance.md: which fields may be moved at once after the launch, and in which direction. What is not in it
/// waits, up or down.
const AT_ONCE: &[(&str, Direction)] = &[
    ("group.timelock_secs", Direction::Up),
    ("bank.deposit_cap", Direction::Down),
    ("bank.borrow_cap", Direction::Down),
    ("bank.haircut_initial_ppm", Direction::Up),
    ("bank.liability_initial_ppm", Direction::Up),
    ("risk.profit_haircut_initial_ppm", Direction::Up),
    ("risk.liquidation_volume_cap", Direction::Down),
    ("risk.gap_ppm", Direction::Down),
    ("risk.gap_pause_secs", Direction::Up),
    ("market.perp_interest_cap", Direction::Down),
    ("market.future_interest_cap", Direction::Down),
    ("market.option_interest_cap", Direction::Down),
    ("market.position_allowance", Direction::Down),
    ("market.concentration_ppm", Direction::Down),
    ("venue.exposure_cap", Direction::Down),
    ("venue.enabled", Direction::Down),
    ("venue market.fill_cap", Direction::Down),
    // From 5 to 4: futures are kept, perps are not.
    ("venue market.kinds", Direction::Down),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// Every numeric field of some terms: its name, and the terms with it moved by one unit of `step`.
macro_rules! moved {
    ($prefix:literal, $type:ident, $terms:expr, $wrap:expr, [$($field:ident),* $(,)?], not [$($other:ident),*]) => {{
        let terms = $terms;
        // Names every field, so that a new one is not forgotten.
        let $type { $($field: _,)* $($other: _),* } = terms;
        let mut all = Vec::new();
        $(
            for direction in [Direction::Up, Direction::Down] {
                let mut moved = terms;
                moved.$field = match direction {
                    Direction::Up => moved.$field.saturating_add(1),
                    Direction::Down => moved.$field.saturating_sub(1),
                };
                if moved.$field != terms.$field {
                    all.push((concat!($prefix, ".", stringify!($field)), direction, $wrap(moved)));
                }
            }
        )*
        all
    }};
}

/// Every field of every terms by one up and by one down.
fn every_move(world: &World) -> Vec<(&'static str, Direction, Change)> {
    let Change::Underlying { underlying, oracle, risk, market } = underlying_change(world) else { unreachable!() };
    let bank = |terms| bank_change(world, terms);
    let mut all = moved!(
        "group",
        GroupTerms,
        group(world).terms,
        Change::Group,
        [
            outflow_cap,
            maintenance_scan_ppm,
            liquidation_buffer_ppm,
            timelock_secs,
            peg_threshold_ppm,
            peg_factor_ppm,
            liquidation_start_ppm,
            liquidation_ramp_secs,
            liquidation_insurance_ppm,
            auction_start_ppm,
            auction_cut_ppm,
            auction_fast_secs,
            auction_slow_secs,
            deleverage_notice_secs,
            loss_notice_secs
        ],
        not[peg_underlying]
    );
    all.extend(moved!(
        "bank",
        BankTerms,
        sol_terms(world),
        bank,
        [
            deposit_cap,
            borrow_cap,
            outflow_cap,
            weight_scale_start,
            insurance_target,
            haircut_maintenance_ppm,
            haircut_initial_ppm,
            liability_maintenance_ppm,
            liability_initial_ppm,
            rate_base_ppm,
            rate_optimal_ppm,
            rate_max_ppm,
            utilisation_optimal_ppm,
            interest_fee_ppm,
            liquidation_fee_ppm,
        ],
        not[]
    ));
    all.extend(moved!(
        "oracle",
        OracleTerms,
        oracle,
        |oracle| Change::Underlying { underlying, oracle, risk, market },
        [kind, max_confidence_ppm, max_age_secs, max_future_secs, liquidation_max_age_secs, stable_rate_ppm],
        not[feed_id]
    ));
    all.extend(moved!(
        "risk",
        RiskTerms,
        risk,
        |risk| Change::Underlying { underlying, oracle, risk, market },
        [
            size_depth,
            profit_cap,
            scan_range_ppm,
            scan_range_max_ppm,
            range_multiple_ppm,
            volatility_memory_secs,
            net_charge_ppm,
            hedged_charge_ppm,
            size_slope_ppm,
            size_cap_ppm,
            profit_haircut_maintenance_ppm,
            profit_haircut_initial_ppm,
            correlation_group,
            kappa_ppm,
            discount_ppm,
            liquidation_fee_ppm,
            vol_rate_ppm,
            carry_rate_ppm,
            max_surface_age_secs,
            liquidation_volume_cap,
            volume_window_secs,
            max_jump_ppm,
            gap_ppm,
            gap_pause_secs,
            halt_secs,
            grace_secs,
        ],
        not[version]
    ));
    all.extend(moved!(
        "market",
        MarketTerms,
        market,
        |market| Change::Underlying { underlying, oracle, risk, market },
        [
            lot,
            perp_interest_cap,
            future_interest_cap,
            option_interest_cap,
            position_allowance,
            concentration_ppm,
            maker_fee_ppm,
            taker_fee_ppm,
            option_maker_fee_ppm,
            option_taker_fee_ppm,
            option_fee_cap_ppm,
            max_trade_deviation_ppm,
            max_option_deviation_ppm,
            funding_cap_ppm,
            funding_depth,
            first_loss_target,
            insurance_cap,
        ],
        not[padding]
    ));
    let (venue, terms) = (venue(world), world.load::<Venue>(&venue(world)).terms);
    all.extend(moved!(
        "venue",
        VenueTerms,
        terms,
        |terms| Change::Venue { venue, terms },
        [exposure_cap, enabled],
        not[padding, markets]
    ));
    let with_market = |market| {
        let mut terms = terms;
        terms.markets[0] = market;
        Change::Venue { venue, terms }
    };
    all.extend(moved!(
        "venue market",
        VenueMarket,
        terms.markets[0],
        with_market,
        [fill_cap, underlying, kinds],
        not[padding]
    ));
    all
}

/// A world in which every field has room in both directions.
fn roomy() -> World {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    let risk = RiskTerms {
        size_depth: 10,
        profit_cap: 10,
        profit_haircut_maintenance_ppm: 10,
        correlation_group: 1,
        kappa_ppm: 10,
        discount_ppm: 10,
        liquidation_volume_cap: 10,
        max_jump_ppm: 2_000_000,
        gap_pause_secs: 10,
        ..terms::risk_terms()
    };
    world.list_sol(risk).unwrap();
    let market = MarketTerms { concentration_ppm: 10, ..terms::market_terms() };
    let oracle = OracleTerms { kind: 0, ..terms::oracle_terms(SOL_FEED) };
    world.change(Change::Underlying { underlying: world.sol, oracle, risk, market }, None).unwrap();
    let bank = BankTerms {
        deposit_cap: 10,
        outflow_cap: 10,
        weight_scale_start: 10,
        rate_base_ppm: 10,
        ..terms::collateral_terms()
    };
    world.change(bank_change(&world, bank), Some(world.sol)).unwrap();
    let terms = GroupTerms { outflow_cap: 10, ..terms::group_terms() };
    world.change(Change::Group(terms), None).unwrap();
    let (oracle, risk, market) = (terms::oracle_terms(SOL_FEED), terms::risk_terms(), terms::market_terms());
    for symbol in ["ETH", "BTC"] {
        world.list_underlying(symbol, oracle, risk, market).unwrap();
    }
    register_venue(&mut world);
    let market = VenueMarket { fill_cap: 10, underlying: 1, kinds: 5, padding: 0 };
    let mut terms = VenueTerms { exposure_cap: 10, enabled: 1, ..VenueTerms::default() };
    terms.markets[0] = market;
    world.change(Change::Venue { venue: venue(&world), terms }, None).unwrap();
    world.launch().unwrap();
    world
}

/// I-33: what tightens works at once; what loosens, and what could make a healthy account liquidatable, must be queued, field by
/// field in both directions.
#[test]
fn only_what_tightens_works_at_once() {
    let mut world = roomy();
    let untouched = world.svm.clone();
    let moves = every_move(&world);
    for (field, direction) in AT_ONCE {
        assert!(moves.iter().any(|(name, way, _)| name == field && way == direction), "{field} {direction:?}");
    }
    for (field, direction, change) in moves {
        world.svm = untouched.clone();
        let immediate = AT_ONCE.contains(&(field, direction));
        let outcome = now(&mut world, &change);
        match outcome {
            Ok(_) => assert!(immediate, "{field} {direction:?} worked at once"),
            Err(refusal) => {
                assert!(!immediate, "{field} {direction:?}: {refusal}");
                assert!(refusal.is(ChangeMustBeQueued), "{field} {direction:?}: {refusal}");
            }
        }
    }
}

/// I-33: markets may go and stand in another order at once, and not come.
#[test]
fn a_venue_s_markets_come_with_a_delay() {
    let mut world = roomy();
    let venue = venue(&world);
    let first = world.load::<Venue>(&venue).terms;
    let with = |change: fn(&mut VenueTerms)| {
        let mut terms = first;
        change(&mut terms);
        Change::Venue { venue, terms }
    };
    let untouched = world.svm.clone();
    for at_once in [with(|terms| terms.markets.swap(0, 5)), with(|terms| terms.markets[0] = VenueMarket::default())] {
        now(&mut world, &at_once).unwrap();
        world.svm = untouched.clone();
    }
    let one_more = |terms: &mut VenueTerms| terms.markets[1] = VenueMarket { underlying: 0, ..terms.markets[0] };
    let swapped = |terms: &mut VenueTerms| terms.markets[0].kinds = 10;
    for waits in [with(one_more), with(swapped)] {
        world.refuses(ChangeMustBeQueued, |world| now(world, &waits));
    }
}

/// Two fields of which one tightens and the other loosens: a change is as loose as its loosest field.
#[test]
fn a_tightening_does_not_carry_a_loosening() {
    let mut world = world();
    let terms = sol_terms(&world);
    let mixed = BankTerms { deposit_cap: 1, rate_base_ppm: 1, ..terms };
    world.refuses(ChangeMustBeQueued, |world| now(world, &bank_change(world, mixed)));
    let Change::Underlying { underlying, oracle, risk, market } = underlying_change(&world) else { unreachable!() };
    let other_feed = OracleTerms { feed_id: [1; 32], ..oracle };
    let market = MarketTerms { perp_interest_cap: 0, ..market };
    let mixed = Change::Underlying { underlying, oracle: other_feed, risk, market };
    world.refuses(ChangeMustBeQueued, |world| now(world, &mixed));
    let terms = group(&world).terms;
    let mixed = GroupTerms { timelock_secs: MAX_TIMELOCK_SECS, peg_underlying: world.sol, ..terms };
    world.refuses(ChangeMustBeQueued, |world| now(world, &Change::Group(mixed)));
}

/// Terms with one field set, and whether they are within bounds.
type Bound<T> = (fn(&mut T), bool);

/// Tries each setting at once, in a group that is not launched yet, starting from the same terms.
fn check_bounds<T: Copy>(world: &mut World, terms: T, bounds: &[Bound<T>], wrap: impl Fn(&World, T) -> Change) {
    let untouched = world.svm.clone();
    for (index, (set, fits)) in bounds.iter().enumerate() {
        let mut moved = terms;
        set(&mut moved);
        let change = wrap(world, moved);
        if *fits {
            now(world, &change).unwrap_or_else(|refusal| panic!("bound {index} is refused: {refusal}"));
            world.svm = untouched.clone();
        } else {
            world.refuses(ParameterOutOfBounds, |world| now(world, &change));
        }
    }
}

fn unlaunched() -> World {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    world
}

#[test]
fn group_terms_stay_within_their_bounds() {
    let mut world = unlaunched();
    let bounds: &[Bound<GroupTerms>] = &[
        (|t| t.maintenance_scan_ppm = 500_000, true),
        (|t| t.maintenance_scan_ppm = 499_999, false),
        (|t| t.maintenance_scan_ppm = 1_000_000, true),
        (|t| t.maintenance_scan_ppm = 1_000_001, false),
        (|t| t.liquidation_buffer_ppm = 1_000_000, true),
        (|t| t.liquidation_buffer_ppm = 1_000_001, false),
        (|t| t.timelock_secs = 3_600, true),
        (|t| t.timelock_secs = 3_599, false),
        (|t| t.timelock_secs = 30 * 86_400, true),
        (|t| t.timelock_secs = 30 * 86_400 + 1, false),
        (|t| t.peg_threshold_ppm = 1_000_000, true),
        (|t| t.peg_threshold_ppm = 1_000_001, false),
        (|t| t.peg_factor_ppm = 7_999_999, true),
        (|t| t.peg_factor_ppm = 8_000_000, false),
        (|t| t.liquidation_start_ppm = 1_000_000, true),
        (|t| t.liquidation_start_ppm = 1_000_001, false),
        (|t| t.liquidation_insurance_ppm = 1_000_000, true),
        (|t| t.liquidation_insurance_ppm = 1_000_001, false),
        (|t| t.liquidation_ramp_secs = 86_400, true),
        (|t| t.liquidation_ramp_secs = 86_401, false),
        (|t| t.liquidation_ramp_secs = 0, false),
        (|t| t.auction_start_ppm = 1_000_000, true),
        (|t| t.auction_start_ppm = 1_000_001, false),
        (|t| t.auction_cut_ppm = t.auction_start_ppm, true),
        (|t| t.auction_cut_ppm = t.auction_start_ppm + 1, false),
        (|t| t.auction_fast_secs = 0, false),
        (|t| t.auction_slow_secs = 0, false),
        (|t| t.deleverage_notice_secs = 10, true),
        (|t| t.deleverage_notice_secs = 9, false),
        (|t| t.loss_notice_secs = 10, true),
        (|t| t.loss_notice_secs = 9, false),
        (|t| t.loss_notice_secs = 86_401, false),
        (|t| t.outflow_cap = u64::MAX, true),
    ];
    check_bounds(&mut world, terms::group_terms(), bounds, |_, terms| Change::Group(terms));
}

#[test]
fn bank_terms_stay_within_their_bounds() {
    let mut world = unlaunched();
    // 4/3 of the highest range, 54 %, and 2 % each for net value and confidence leave 24 %.
    let bounds: &[Bound<BankTerms>] = &[
        (|t| t.haircut_initial_ppm = 240_000, true),
        (|t| t.haircut_initial_ppm = 240_001, false),
        (|t| (t.haircut_initial_ppm, t.deposit_cap) = (1_000_000, 0), true),
        (|t| (t.haircut_initial_ppm, t.deposit_cap) = (1_000_001, 0), false),
        (|t| t.haircut_maintenance_ppm = t.haircut_initial_ppm, true),
        (|t| t.haircut_maintenance_ppm = t.haircut_initial_ppm + 1, false),
        (|t| t.liability_initial_ppm = 1_000_000, true),
        (|t| t.liability_initial_ppm = 1_000_001, false),
        (|t| t.liability_maintenance_ppm = t.liability_initial_ppm, true),
        (|t| t.liability_maintenance_ppm = t.liability_initial_ppm + 1, false),
        (|t| t.rate_max_ppm = 4_000_000, true),
        (|t| t.rate_max_ppm = 4_000_001, false),
        (|t| t.rate_optimal_ppm = t.rate_max_ppm, true),
        (|t| t.rate_optimal_ppm = t.rate_max_ppm + 1, false),
        (|t| t.rate_base_ppm = t.rate_optimal_ppm, true),
        (|t| t.rate_base_ppm = t.rate_optimal_ppm + 1, false),
        (|t| t.utilisation_optimal_ppm = 0, true),
        (|t| t.utilisation_optimal_ppm = 1_000_000, true),
        (|t| t.utilisation_optimal_ppm = 1_000_001, false),
        (|t| t.interest_fee_ppm = 500_000, true),
        (|t| t.interest_fee_ppm = 500_001, false),
        (|t| t.liquidation_fee_ppm = 250_000, true),
        (|t| t.liquidation_fee_ppm = 250_001, false),
    ];
    check_bounds(&mut world, terms::collateral_terms(), bounds, bank_change);
    // The quote token is cash: it counts for what it is.
    let cash: &[Bound<BankTerms>] = &[
        (|t| t.haircut_initial_ppm = 0, true),
        (|t| t.haircut_initial_ppm = 1, false),
        (|t| t.liability_initial_ppm = 1, false),
    ];
    check_bounds(&mut world, terms::quote_terms(), cash, |world, terms| Change::Bank { bank: world.usdc_bank, terms });
}

#[test]
fn terms_of_an_underlying_stay_within_their_bounds() {
    let mut world = unlaunched();
    // One that prices no bank: beside haircuts there is less room.
    let (oracle, risk, market) = (terms::oracle_terms(SOL_FEED), terms::risk_terms(), terms::market_terms());
    let underlying = world.list_underlying("ETH", oracle, risk, market).unwrap();
    let bounds: &[Bound<OracleTerms>] = &[
        (|t| t.feed_id = [0; 32], false),
        (|t| t.kind = 1, true),
        (|t| t.kind = 2, false),
        (|t| t.max_confidence_ppm = 1, true),
        (|t| t.max_confidence_ppm = 0, false),
        (|t| t.max_confidence_ppm = 200_000, true),
        (|t| t.max_confidence_ppm = 200_001, false),
        (|t| (t.max_age_secs, t.liquidation_max_age_secs) = (1, 1), true),
        (|t| (t.max_age_secs, t.liquidation_max_age_secs) = (0, 0), false),
        (|t| t.max_age_secs = 86_400, true),
        (|t| t.max_age_secs = 86_401, false),
        (|t| t.max_future_secs = 60, true),
        (|t| t.max_future_secs = 61, false),
        (|t| t.liquidation_max_age_secs = t.max_age_secs, true),
        (|t| t.liquidation_max_age_secs = t.max_age_secs + 1, false),
        (|t| t.liquidation_max_age_secs = 0, false),
        (|t| t.stable_rate_ppm = 10_000, true),
        (|t| t.stable_rate_ppm = 9_999, false),
        (|t| t.stable_rate_ppm = 10_000_000, true),
        (|t| t.stable_rate_ppm = 10_000_001, false),
    ];
    check_bounds(&mut world, oracle, bounds, |_, oracle| Change::Underlying { underlying, oracle, risk, market });
    let bounds: &[Bound<RiskTerms>] = &[
        // The liquidation fee is at most half the range.
        (|t| (t.scan_range_ppm, t.liquidation_fee_ppm) = (10_000, 5_000), true),
        (|t| (t.scan_range_ppm, t.liquidation_fee_ppm) = (9_999, 0), false),
        (|t| t.scan_range_ppm = t.scan_range_max_ppm, true),
        (|t| t.scan_range_ppm = t.scan_range_max_ppm + 1, false),
        (|t| t.scan_range_max_ppm = 750_000, true),
        (|t| t.scan_range_max_ppm = 750_001, false),
        (|t| t.range_multiple_ppm = 1_000_000, true),
        (|t| t.range_multiple_ppm = 999_999, false),
        (|t| t.range_multiple_ppm = 7_000_000, true),
        (|t| t.range_multiple_ppm = 7_000_001, false),
        (|t| t.volatility_memory_secs = 3_600, true),
        (|t| t.volatility_memory_secs = 3_599, false),
        (|t| t.volatility_memory_secs = 31_536_000, true),
        (|t| t.volatility_memory_secs = 31_536_001, false),
        (|t| t.net_charge_ppm = 200_000, true),
        (|t| t.net_charge_ppm = 200_001, false),
        (|t| t.hedged_charge_ppm = 2 * t.net_charge_ppm, true),
        (|t| t.hedged_charge_ppm = 2 * t.net_charge_ppm + 1, false),
        (|t| t.size_slope_ppm = 1_000_000, true),
        (|t| t.size_slope_ppm = 1_000_001, false),
        (|t| t.size_cap_ppm = 1_000_000, true),
        (|t| t.size_cap_ppm = 1_000_001, false),
        (|t| t.size_depth = 1 << 50, true),
        (|t| t.size_depth = (1 << 50) + 1, false),
        (|t| t.profit_haircut_maintenance_ppm = t.profit_haircut_initial_ppm, true),
        (|t| t.profit_haircut_maintenance_ppm = t.profit_haircut_initial_ppm + 1, false),
        (|t| t.profit_haircut_initial_ppm = 1_000_000, true),
        (|t| t.profit_haircut_initial_ppm = 1_000_001, false),
        (|t| t.correlation_group = 63, true),
        (|t| t.correlation_group = 64, false),
        (|t| t.kappa_ppm = 800_000, true),
        (|t| t.kappa_ppm = 800_001, false),
        (|t| t.discount_ppm = 1_000_000, true),
        (|t| t.discount_ppm = 1_000_001, false),
        (|t| t.liquidation_fee_ppm = t.scan_range_ppm / 2, true),
        (|t| t.liquidation_fee_ppm = t.scan_range_ppm / 2 + 1, false),
        (|t| t.vol_rate_ppm = 1, true),
        (|t| t.vol_rate_ppm = 0, false),
        (|t| t.vol_rate_ppm = 1_000_000, true),
        (|t| t.vol_rate_ppm = 1_000_001, false),
        (|t| t.carry_rate_ppm = 1, true),
        (|t| t.carry_rate_ppm = 0, false),
        (|t| t.carry_rate_ppm = 1_000_000, true),
        (|t| t.carry_rate_ppm = 1_000_001, false),
        (|t| t.max_surface_age_secs = 60, true),
        (|t| t.max_surface_age_secs = 59, false),
        (|t| t.max_surface_age_secs = 30 * 86_400, true),
        (|t| t.max_surface_age_secs = 30 * 86_400 + 1, false),
        (|t| t.liquidation_volume_cap = 0, true),
        (|t| t.volume_window_secs = 60, true),
        (|t| t.volume_window_secs = 59, false),
        (|t| t.volume_window_secs = 86_400, true),
        (|t| t.volume_window_secs = 86_401, false),
        (|t| t.max_jump_ppm = 1_000_000, true),
        (|t| t.max_jump_ppm = 999_999, false),
        (|t| t.gap_ppm = 20_000, true),
        (|t| t.gap_ppm = 19_999, false),
        (|t| t.gap_pause_secs = 3_600, true),
        (|t| t.gap_pause_secs = 3_601, false),
        (|t| t.halt_secs = 60, true),
        (|t| t.halt_secs = 59, false),
        (|t| t.halt_secs = 86_400, true),
        (|t| t.halt_secs = 86_401, false),
        (|t| t.grace_secs = 3_600, true),
        (|t| t.grace_secs = 3_601, false),
    ];
    check_bounds(&mut world, risk, bounds, |_, risk| Change::Underlying { underlying, oracle, risk, market });
    let bounds: &[Bound<MarketTerms>] = &[
        // A position in old lots must stay closable in new ones.
        (|t| t.lot = 1, true),
        (|t| t.lot = 5_000_000, true),
        (|t| t.lot = 0, false),
        (|t| t.lot = 20_000_000, false),
        (|t| t.lot = 3_000_000, false),
        (|t| t.perp_interest_cap = 1 << 61, true),
        (|t| t.perp_interest_cap = (1 << 61) + 1, false),
        (|t| t.future_interest_cap = (1 << 61) + 1, false),
        (|t| t.option_interest_cap = (1 << 61) + 1, false),
        (|t| t.concentration_ppm = 1_000_000, true),
        (|t| t.concentration_ppm = 1_000_001, false),
        (|t| t.maker_fee_ppm = 10_000, true),
        (|t| t.maker_fee_ppm = 10_001, false),
        (|t| t.taker_fee_ppm = 10_001, false),
        (|t| t.option_maker_fee_ppm = 10_001, false),
        (|t| t.option_taker_fee_ppm = 10_001, false),
        (|t| t.option_fee_cap_ppm = 500_000, true),
        (|t| t.option_fee_cap_ppm = 500_001, false),
        (|t| t.max_trade_deviation_ppm = 500_000, true),
        (|t| t.max_trade_deviation_ppm = 500_001, false),
        (|t| t.max_option_deviation_ppm = 500_000, true),
        (|t| t.max_option_deviation_ppm = 500_001, false),
        (|t| t.funding_cap_ppm = 50_000, true),
        (|t| t.funding_cap_ppm = 50_001, false),
        (|t| t.padding = 1, false),
    ];
    check_bounds(&mut world, market, bounds, |_, market| Change::Underlying { underlying, oracle, risk, market });
    // The first lot is bound by no older one.
    let (manager, group, symbol) = (world.manager.pubkey(), world.group, pda::symbol("JUP"));
    let grow = instruction::grow_underlying(manager, group, symbol);
    let list = instruction::list_underlying(manager, group, ListUnderlyingArgs { symbol, decimals: 9, oracle, risk });
    world.send(&[grow.clone(), grow, list], &[]).unwrap();
    let underlying = pda::underlying(&group, &symbol);
    let bounds: &[Bound<MarketTerms>] = &[(|t| t.lot = 1 << 61, true), (|t| t.lot = (1 << 61) + 1, false)];
    check_bounds(&mut world, market, bounds, |_, market| Change::Underlying { underlying, oracle, risk, market });
}

#[test]
fn terms_of_a_venue_stay_within_their_bounds() {
    let mut world = unlaunched();
    register_venue(&mut world);
    // SOL is listed, as number 0, and nothing else.
    let sol = VenueMarket { fill_cap: 10, underlying: 0, kinds: 1, padding: 0 };
    let mut terms = VenueTerms::default();
    terms.markets[2] = sol;
    let bounds: &[Bound<VenueTerms>] = &[
        (|t| t.enabled = 1, true),
        (|t| t.enabled = 2, false),
        (|t| t.padding = 1, false),
        (|t| (t.exposure_cap, t.markets[2].fill_cap) = (u64::MAX, u64::MAX), true),
        (|t| t.markets[2].kinds = 15, true),
        (|t| t.markets[2].kinds = 16, false),
        (|t| t.markets[2].underlying = 1, false),
        (|t| t.markets[2].padding = 1, false),
        (|t| t.markets[2] = VenueMarket::default(), true),
        (|t| t.markets[2].kinds = 0, false),
        (|t| t.markets[0].fill_cap = 1, false),
        (|t| t.markets[0].underlying = 1, false),
        (|t| t.markets[0].padding = 1, false),
        // One underlying, one market.
        (|t| t.markets[7] = t.markets[2], false),
    ];
    check_bounds(&mut world, terms, bounds, |world, terms| Change::Venue { venue: venue(world), terms });
}

/// P-43: a venue that is only registered is worth nothing to whoever registered it, and what signs for it is no key.
#[test]
fn a_new_venue_fills_nothing() {
    let mut world = world();
    let (manager, group) = (world.manager.pubkey(), world.group);
    let register = |program| instruction::register_venue(manager, group, program, 3);
    for not_a_program in [world.sol_mint, manager, world.sol] {
        world.refuses(NotAProgram, |world| world.send(&[register(not_a_program)], &[]));
    }
    let receipt = world.send(&[register(margrave::ID)], &[]).unwrap();
    let key = pda::venue(&group, &margrave::ID, 3);
    let [Event::VenueRegistered(event)] = &receipt.events()[..] else { panic!("one event") };
    assert_eq!((event.venue, event.program, event.number), (key, margrave::ID, 3));
    let venue: Venue = world.load(&key);
    assert_eq!((venue.group, venue.program, venue.number), (group, margrave::ID, 3));
    assert_eq!((venue.authority, event.authority), (pda::venue_authority(&key, &margrave::ID), venue.authority));
    assert!(!venue.authority.is_on_curve());
    assert_eq!((venue.terms, venue.exposure.net, venue.paused_until), (VenueTerms::default(), 0, 0));
    assert!(venue.require_running(world.now()).is_err());
}

/// I-12: what margin asks of a token and the haircut of its bank together leave something of a deposit, whichever of the two is
/// changed. 4/3 of a range of 54 % and 2 % each for net value and confidence leave 24 %; a haircut of 10 % leaves 14 % more.
#[test]
fn an_underlying_leaves_room_for_the_haircuts_of_its_banks() {
    let mut world = unlaunched();
    let Change::Underlying { underlying, oracle, risk, market } = underlying_change(&world) else { unreachable!() };
    let bounds: &[Bound<RiskTerms>] = &[
        (|t| t.net_charge_ppm += 140_000, true),
        (|t| t.net_charge_ppm += 140_001, false),
        (|t| t.scan_range_max_ppm += 105_000, true),
        (|t| t.scan_range_max_ppm += 105_001, false),
    ];
    check_bounds(&mut world, risk, bounds, |_, risk| Change::Underlying { underlying, oracle, risk, market });
    let bounds: &[Bound<OracleTerms>] =
        &[(|t| t.max_confidence_ppm += 140_000, true), (|t| t.max_confidence_ppm += 140_001, false)];
    check_bounds(&mut world, oracle, bounds, |_, oracle| Change::Underlying { underlying, oracle, risk, market });
}

#[test]
fn roles_receivers_and_pause_bits_stay_within_their_bounds() {
    let mut world = unlaunched();
    let roles: &[Bound<Roles>] = &[
        (|roles| roles.admin = Pubkey::default(), false),
        (|roles| roles.manager = Pubkey::default(), false),
        (|roles| roles.operator = Pubkey::default(), false),
        (|roles| roles.guardian = Pubkey::default(), false),
    ];
    let terms = world.roles();
    check_bounds(&mut world, terms, roles, |_, roles| Change::Roles(roles));
    let receivers: &[Bound<[Pubkey; MAX_RECEIVERS]>] =
        &[(|all| *all = [Pubkey::default(); MAX_RECEIVERS], false), (|all| all[3] = RECEIVER, true)];
    check_bounds(&mut world, [Pubkey::default(); MAX_RECEIVERS], receivers, |_, all| Change::Receivers(all));
    let bits: &[Bound<u32>] = &[(|bits| *bits = 63, true), (|bits| *bits = 64, false)];
    check_bounds(&mut world, 0, bits, |_, bits| Change::Unpause(bits));
    world.refuses(ParameterOutOfBounds, |world| pause(world, 64));
    // An underlying knows one bit only.
    let (guardian, group, sol) = (world.guardian.pubkey(), world.group, world.sol);
    for bits in [0, Pause::BORROW, Pause::ALL] {
        let pause = instruction::pause(guardian, group, Some(sol), bits, 60);
        world.refuses(ParameterOutOfBounds, |world| world.send(&[pause], &[]));
    }
    // Long options never count for more than they are worth, short ones never for less.
    for options in [
        OptionParameters { long_factor_ppm: 1_000_001, ..OptionParameters::STANDARD },
        OptionParameters { short_factor_ppm: 999_999, ..OptionParameters::STANDARD },
        OptionParameters { short_factor_ppm: 2_000_001, ..OptionParameters::STANDARD },
        OptionParameters { vol_down_ppm: 1_000_001, ..OptionParameters::STANDARD },
        OptionParameters { skew_cap_ppm: 1_000_001, ..OptionParameters::STANDARD },
        OptionParameters { vol_power_short_ppm: 2_000_001, ..OptionParameters::STANDARD },
        // Below 1/1024.
        OptionParameters { skew_min_width_ppm: 976, ..OptionParameters::STANDARD },
    ] {
        world.refuses(ParameterOutOfBounds, |world| now(world, &Change::Options(options)));
    }
}

/// A change that would leave the bounds is refused when it is executed, however long it has waited.
#[test]
fn a_queued_change_is_held_to_the_bounds_when_it_is_executed() {
    let mut world = world();
    let bad = BankTerms { interest_fee_ppm: 500_001, ..sol_terms(&world) };
    let key = world.queue(bank_change(&world, bad)).unwrap();
    world.set_time(world.now() + TIMELOCK);
    world.refuses(ParameterOutOfBounds, |world| execute(world, &key));
}

/// Before the launch everything works at once and nobody can deposit; after it there is no way back.
#[test]
fn a_group_is_launched_once_and_with_a_quote_bank() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.refuses(BankMissing, World::launch);
    let risk = terms::risk_terms();
    world.list_sol(risk).unwrap();
    let alice = world.trader("alice");
    world.give(&alice, Token::Usdc, DOLLAR);
    world.refuses(NotLaunched, |world| world.deposit(&alice, Token::Usdc, DOLLAR));
    let looser = BankTerms { borrow_cap: u64::MAX, ..sol_terms(&world) };
    let change = bank_change(&world, looser);
    now(&mut world, &change).unwrap();
    world.launch().unwrap();
    world.refuses(AlreadyLaunched, World::launch);
    world.deposit(&alice, Token::Usdc, DOLLAR).unwrap();
    let looser = BankTerms { rate_base_ppm: 1, ..looser };
    world.refuses(ChangeMustBeQueued, |world| now(world, &bank_change(world, looser)));
}

#[test]
fn a_symbol_is_printable_and_padded_with_zeros() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    let (manager, group) = (world.manager.pubkey(), world.group);
    let mut after_zero = pda::symbol("A");
    after_zero[2] = b'B';
    for (symbol, good) in [
        (*b"SIXTEENLETTERS-X", true),
        (pda::symbol("!"), true),
        (pda::symbol(""), false),
        (pda::symbol("A B"), false),
        (pda::symbol("A\u{7f}"), false),
        (pda::symbol("\u{e4}"), false),
        (after_zero, false),
    ] {
        let grow = instruction::grow_underlying(manager, group, symbol);
        world.send(&[grow.clone(), grow.clone()], &[]).unwrap();
        world.refuses(AlreadyGrown, |world| world.send(&[grow], &[]));
        let (oracle, risk) = (terms::oracle_terms(SOL_FEED), terms::risk_terms());
        let list =
            instruction::list_underlying(manager, group, ListUnderlyingArgs { symbol, decimals: 9, oracle, risk });
        match good {
            true => drop(world.send(&[list], &[]).unwrap()),
            false => world.refuses(ParameterOutOfBounds, |world| world.send(&[list], &[])),
        }
    }
    // Decimals beyond the engine's.
    let symbol = pda::symbol("FINE");
    let grow = instruction::grow_underlying(manager, group, symbol);
    world.send(&[grow.clone(), grow], &[]).unwrap();
    let (oracle, risk) = (terms::oracle_terms(SOL_FEED), terms::risk_terms());
    let list =
        |decimals| instruction::list_underlying(manager, group, ListUnderlyingArgs { symbol, decimals, oracle, risk });
    world.refuses(ParameterOutOfBounds, |world| world.send(&[list(19)], &[]));
    world.send(&[list(18)], &[]).unwrap();
}

/// An underlying is listed when it has its whole size, and lamports that somebody has sent to its address are not in the way.
#[test]
fn an_underlying_grows_before_it_is_listed() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    let (manager, group, symbol) = (world.manager.pubkey(), world.group, pda::symbol("SOL"));
    let address = pda::underlying(&group, &symbol);
    world.svm.airdrop(&address, 5_000_000_000).unwrap();
    let grow = instruction::grow_underlying(manager, group, symbol);
    let (oracle, risk) = (terms::oracle_terms(SOL_FEED), terms::risk_terms());
    let list = instruction::list_underlying(manager, group, ListUnderlyingArgs { symbol, decimals: 9, oracle, risk });
    world.send(std::slice::from_ref(&grow), &[]).unwrap();
    // Half a sheet cannot be read as one: AccountDidNotDeserialize, or the slice that does not fit.
    let before = world.snapshot();
    assert!(world.send(std::slice::from_ref(&list), &[]).is_err());
    assert!(before == world.snapshot());
    world.send(&[grow], &[]).unwrap();
    world.send(&[list], &[]).unwrap();
    assert_eq!(world.sheet(&address).symbol, symbol);
}

/// The quote token is cash and has no underlying; every other token has one.
#[test]
fn a_bank_has_an_underlying_unless_it_is_cash() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    let (oracle, risk, market) = (terms::oracle_terms(SOL_FEED), terms::risk_terms(), terms::market_terms());
    let sol = world.list_underlying("SOL", oracle, risk, market).unwrap();
    let (manager, group, usdc, mint) = (world.manager.pubkey(), world.group, world.usdc_mint, world.sol_mint);
    let nineteen = world.create_mint(19);
    for (mint, underlying) in [(usdc, Some(sol)), (mint, None), (nineteen, Some(sol))] {
        let list = instruction::list_bank(manager, group, mint, underlying, TOKEN);
        world.refuses(ParameterOutOfBounds, |world| world.send(&[list], &[]));
    }
    assert_eq!(self::group(&world).quote_bank, Pubkey::default());
    world.send(&[instruction::list_bank(manager, group, usdc, None, TOKEN)], &[]).unwrap();
    assert_eq!(self::group(&world).quote_bank, pda::bank(&group, &usdc));
}

/// P-43: what has only been listed takes no deposit and lends nothing.
#[test]
fn a_listed_bank_is_closed_until_its_caps_are_raised() {
    let mut world = world();
    let (manager, group, sol) = (world.manager.pubkey(), world.group, world.sol);
    let mint = world.create_mint(9);
    world.send(&[instruction::list_bank(manager, group, mint, Some(sol), TOKEN)], &[]).unwrap();
    let alice = world.funded("alice", 1_000 * DOLLAR, 0);
    let wallet = world.give_new(&alice, mint, SOL);
    let key = pda::bank(&group, &mint);
    let bank: Bank = world.load(&key);
    assert_eq!(bank.terms, BankTerms::default());
    let deposit = instruction::deposit(alice.key(), alice.margin_account, (key, &bank), wallet, TOKEN, 1);
    world.refuses(DepositCapExceeded, |world| world.send(&[deposit], &[&alice.keypair]));
    // Nobody has deposited any; a donation to the vault does not make it lendable.
    let mut data = vec![3];
    data.extend((SOL / 2).to_le_bytes());
    let accounts = vec![
        AccountMeta::new(wallet, false),
        AccountMeta::new(bank.vault, false),
        AccountMeta::new_readonly(alice.key(), true),
    ];
    world.send(&[Instruction { program_id: TOKEN, accounts, data }], &[&alice.keypair]).unwrap();
    let account = world.account(&alice);
    let borrow = instruction::withdraw((alice.margin_account, &account), (key, &bank), wallet, TOKEN, 1, true);
    world.refuses(BorrowCapExceeded, |world| world.send(&[borrow], &[&alice.keypair]));
}

#[test]
fn expiries_and_strikes_are_listed_once_and_while_there_is_room() {
    let mut world = world();
    let (operator, group, sol) = (world.operator.pubkey(), world.group, world.sol);
    let list = |world: &World, time: i64| {
        let args = ListExpiryArgs { time, surface: flat_surface(60, time - world.now()) };
        instruction::list_expiry(operator, group, sol, args)
    };
    let now = world.now();
    for time in [now + 1_799, now + MAX_EXPIRY_SECS + 1, now, i64::MIN, i64::MAX / 2] {
        let args = ListExpiryArgs { time, surface: flat_surface(60, DAY) };
        let list = instruction::list_expiry(operator, group, sol, args);
        world.refuses(ParameterOutOfBounds, |world| world.send(&[list], &[]));
    }
    for day in 0..MAX_EXPIRIES {
        let time = if day == 0 { now + 1_800 } else { now + i64::try_from(day).unwrap() * DAY };
        let list = list(&world, time);
        world.send(std::slice::from_ref(&list), &[]).unwrap();
        world.refuses(AlreadyListed, |world| world.send(&[list], &[]));
    }
    let thirteenth = list(&world, now + 100 * DAY);
    world.refuses(NoFreeSlot, |world| world.send(&[thirteenth], &[]));

    let strikes = |expiry, prices: &[i64]| instruction::list_strikes(operator, group, sol, expiry, prices.to_vec());
    world.send(&[strikes(3, &[PRICE])], &[]).unwrap();
    world.refuses(AlreadyListed, |world| world.send(&[strikes(3, &[PRICE])], &[]));
    // Twice in one list; and on an expiry that is not there.
    world.refuses(AlreadyListed, |world| world.send(&[strikes(4, &[PRICE, PRICE])], &[]));
    world.refuses(InstrumentNotListed, |world| world.send(&[strikes(12, &[PRICE])], &[]));
    world.refuses(PriceOutOfRange, |world| world.send(&[strikes(3, &[0])], &[]));
    world.refuses(PriceOutOfRange, |world| world.send(&[strikes(3, &[-PRICE])], &[]));
    // 255 more, sixteen at a time.
    let prices: Vec<i64> = (1..256).map(|step| PRICE + step * 1_000_000_000).collect();
    for some in prices.chunks(16) {
        world.send(&[strikes(11, some)], &[]).unwrap();
    }
    world.refuses(NoFreeSlot, |world| world.send(&[strikes(11, &[PRICE])], &[]));
    // After its time an expiry takes no strikes and no surface.
    world.set_time(now + 1_800);
    world.refuses(ExpiryHasPassed, |world| world.send(&[strikes(0, &[PRICE])], &[]));
    let surface = flat_surface(60, DAY);
    let set = |expiry, series| instruction::set_surface(operator, group, sol, (expiry, series), surface);
    world.refuses(ExpiryHasPassed, |world| world.send(&[set(0, 1)], &[]));
    // And not that of another series.
    world.refuses(InstrumentNotListed, |world| world.send(&[set(1, 1)], &[]));
    // Once it has passed and is empty it makes room.
    let close = |expiry| instruction::close_expiry(operator, group, sol, expiry);
    // Before, only the manager does it.
    world.refuses(SignerIsNotManager, |world| world.send(&[close(1)], &[]));
    world.send(&[close(0)], &[]).unwrap();
    world.refuses(InstrumentNotListed, |world| world.send(&[close(0)], &[]));
    let again = list(&world, now + 100 * DAY);
    world.send(&[again], &[]).unwrap();
    assert_eq!(world.underlying().expiries[0].series, 13);
}

/// P-42: a guardian who sees what an operator or a manager should not list stops every kind of it.
#[test]
fn a_pause_of_listing_stops_every_listing() {
    let mut world = world();
    let (manager, operator, group, sol) = (world.manager.pubkey(), world.operator.pubkey(), world.group, world.sol);
    let (expiry, _) = world.list_expiry(sol, 7, 60, &[]).unwrap();
    let mint = world.create_mint(9);
    let symbol = pda::symbol("ETH");
    let grow = instruction::grow_underlying(manager, group, symbol);
    world.send(&[grow.clone(), grow], &[]).unwrap();
    let args =
        ListUnderlyingArgs { symbol, decimals: 9, oracle: terms::oracle_terms(SOL_FEED), risk: terms::risk_terms() };
    let (time, surface) = (world.now() + 14 * DAY, flat_surface(60, 14 * DAY));
    let listings = [
        instruction::list_bank(manager, group, mint, Some(sol), TOKEN),
        instruction::list_underlying(manager, group, args),
        instruction::list_expiry(operator, group, sol, ListExpiryArgs { time, surface }),
        instruction::list_strikes(operator, group, sol, expiry, vec![PRICE]),
        instruction::register_venue(manager, group, TOKEN, 5),
    ];
    let running = world.svm.clone();
    pause(&mut world, Pause::LISTING).unwrap();
    for listing in &listings {
        world.refuses(Paused, |world| world.send(std::slice::from_ref(listing), &[]));
    }
    world.svm = running;
    world.send(&listings, &[]).unwrap();
}

/// The surcharge is the gap below the threshold times the factor, on initial margin only.
#[test]
fn the_surcharge_follows_the_quote_token_s_price() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    let (oracle, risk, market) = (terms::oracle_terms(SOL_FEED), terms::risk_terms(), terms::market_terms());
    let peg = world.list_underlying("USDC", oracle, risk, market).unwrap();
    let (group, sol) = (world.group, world.sol);
    let update = |underlying| instruction::update_depeg(group, underlying);
    // Nothing prices the quote token yet.
    world.refuses(UnderlyingMissing, |world| world.send(&[update(peg)], &[]));
    now(&mut world, &Change::Group(GroupTerms { peg_underlying: peg, ..terms::group_terms() })).unwrap();
    world.refuses(PriceNotInitialized, |world| world.send(&[update(peg)], &[]));
    world.refuses(UnderlyingMissing, |world| world.send(&[update(sol)], &[]));
    // At 99 cents and above nothing; two cents below, four times two per cent.
    let one = 1i64 << 30;
    for (price, surcharge) in
        [(10_000_000_000, 0), (9_900_000_000, 0), (9_700_000_000, one * 8 / 100 + 1), (10_100_000_000, 0)]
    {
        world.set_time(world.now() + 1);
        world.post(&world.good_price(price), RECEIVER);
        let refresh = instruction::refresh_price(group, peg, world.price_update);
        world.send(&[refresh, update(peg)], &[]).unwrap();
        assert_eq!(self::group(&world).depeg, surcharge, "at {price}");
    }
    // An old price says nothing.
    world.set_time(world.now() + 61);
    world.refuses(PriceTooOld, |world| world.send(&[update(peg)], &[]));
}

/// I-34, P-44: with everything paused that a guardian can pause, everybody can still deposit, repay, reduce, cancel, settle, be
/// liquidated, and leave when flat; nobody can add risk.
#[test]
fn a_pause_stops_nobody_from_leaving() {
    let Market { mut world, maker, alice } = Market::open();
    let borrower = world.funded("borrower", 0, 1_000 * SOL);
    world.borrow(&borrower, Token::Usdc, 1_000 * DOLLAR).unwrap();
    world.trade(&alice, &maker, 100 * SOL_LONG, PRICE).unwrap();
    let flat = world.funded("flat", 10 * DOLLAR, 0);
    world.give(&flat, Token::Usdc, DOLLAR);
    pause(&mut world, Pause::ALL).unwrap();
    let one = world.guardian.pubkey();
    world.send(&[instruction::pause(one, world.group, Some(world.sol), Pause::NEW_RISK, MAX_PAUSE_SECS)], &[]).unwrap();

    // Stopped.
    let bank =
        instruction::list_bank(world.manager.pubkey(), world.group, world.create_mint(9), Some(world.sol), TOKEN);
    world.refuses(Paused, |world| world.send(&[bank], &[]));
    world.refuses(Paused, |world| world.trade(&alice, &maker, SOL_LONG, PRICE));
    world.refuses(Paused, |world| world.borrow(&borrower, Token::Usdc, DOLLAR));
    world.refuses(Paused, |world| world.withdraw(&borrower, Token::Sol, SOL));
    world.refuses(Paused, |world| world.withdraw(&alice, Token::Usdc, DOLLAR));
    // Going through zero is no reduction.
    world.refuses(Paused, |world| world.trade(&alice, &maker, -101 * SOL_LONG, PRICE));

    // Not stopped.
    world.give(&borrower, Token::Usdc, 2_000 * DOLLAR);
    world.deposit(&flat, Token::Usdc, DOLLAR).unwrap();
    world.deposit(&borrower, Token::Usdc, 2_000 * DOLLAR).unwrap();
    world.withdraw(&borrower, Token::Sol, 1_000 * SOL).unwrap();
    world.withdraw(&flat, Token::Usdc, u64::MAX).unwrap();
    let cancel = instruction::cancel_quotes(alice.key(), alice.margin_account, 7, true);
    world.send(&[cancel], &[&alice.keypair]).unwrap();
    world.trade(&alice, &maker, -50 * SOL_LONG, PRICE).unwrap();
    world.trade(&alice, &maker, -50 * SOL_LONG, PRICE).unwrap();
    let sol = world.sol;
    world.settle_pnl(&alice, sol, false).unwrap();
    world.settle_pnl(&maker, sol, false).unwrap();
    world.withdraw(&alice, Token::Usdc, u64::MAX).unwrap();
    check_books(&world).unwrap();
}

/// I-34: a pause of execution would be for ever if it stopped the change that ends it. That one waits like every other.
#[test]
fn a_pause_of_execution_can_be_ended() {
    let mut world = world();
    pause(&mut world, Pause::ALL).unwrap();
    let other = world.queue(Change::Resume { underlying: world.sol }).unwrap();
    let end = world.queue(Change::Unpause(Pause::EXECUTE)).unwrap();
    world.refuses(ChangeMustWait, |world| execute(world, &end));
    world.set_time(world.now() + TIMELOCK);
    world.refuses(Paused, |world| execute(world, &other));
    execute(&mut world, &end).unwrap();
    assert_eq!(group(&world).paused_now(world.now()), Pause::ALL & !Pause::EXECUTE);
    execute(&mut world, &other).unwrap();
}

/// I-33: neither the guardian nor anybody else clears a bit without the delay; setting no bit clears none.
#[test]
fn a_guardian_cannot_clear_what_he_has_paused() {
    let mut world = world();
    let guardian = world.guardian.insecure_clone();
    pause(&mut world, Pause::NEW_RISK | Pause::BORROW).unwrap();
    pause(&mut world, 0).unwrap();
    pause(&mut world, Pause::LISTING).unwrap();
    let all = Pause::NEW_RISK | Pause::BORROW | Pause::LISTING;
    assert_eq!(group(&world).paused_now(world.now()), all);
    world.refuses(SignerIsNotManager, |world| now_by(world, &guardian, &Change::Unpause(all)));
    world.refuses(SignerIsNotManager, |world| queue_by(world, &guardian, &Change::Unpause(all)));
    world.refuses(ChangeMustBeQueued, |world| now(world, &Change::Unpause(all)));
    world.change(Change::Unpause(Pause::BORROW), None).unwrap();
    assert_eq!(group(&world).paused_now(world.now()), Pause::NEW_RISK | Pause::LISTING);
    // The same for one underlying.
    let stop = instruction::pause(guardian.pubkey(), world.group, Some(world.sol), Pause::NEW_RISK, MAX_PAUSE_SECS);
    world.send(&[stop], &[]).unwrap();
    let resume = Change::Resume { underlying: world.sol };
    world.refuses(ChangeMustBeQueued, |world| now(world, &resume));
    world.change(resume, None).unwrap();
    assert_eq!(world.underlying().breaker.paused_until, 0);
}

/// I-34: caps of zero, which a manager may set at once, stop growth and nothing else: what is open can be closed.
#[test]
fn caps_of_zero_lock_nobody_in() {
    let Market { mut world, maker, alice } = Market::long(10);
    let (expiry, _) = world.list_expiry(world.sol, 30, 60, &[PRICE]).unwrap();
    let call = world.instrument(&world.sol, InstrumentKind::Call, expiry, PRICE);
    let future = world.instrument(&world.sol, InstrumentKind::Future, expiry, 0);
    let both = |world: &World, size: i64| [world.leg(world.sol, call, size), world.leg(world.sol, future, size)];
    let legs = both(&world, SOL_LONG);
    world.trade_legs(&alice, &maker, &legs).unwrap();

    let Change::Underlying { underlying, oracle, risk, market } = underlying_change(&world) else { unreachable!() };
    let market = MarketTerms {
        perp_interest_cap: 0,
        future_interest_cap: 0,
        option_interest_cap: 0,
        position_allowance: 0,
        concentration_ppm: 0,
        ..market
    };
    now(&mut world, &Change::Underlying { underlying, oracle, risk, market }).unwrap();
    world.refuses(OpenInterestCapExceeded, |world| world.trade(&alice, &maker, SOL_LONG, PRICE));
    let legs = both(&world, SOL_LONG);
    world.refuses(OpenInterestCapExceeded, |world| world.trade_legs(&alice, &maker, &legs));
    // Nor does a position pass on to somebody else.
    let bob = world.funded("bob", 5_000 * DOLLAR, 0);
    world.refuses(PositionTooConcentrated, |world| world.trade(&bob, &alice, SOL_LONG, PRICE));

    let mut legs = both(&world, -SOL_LONG).to_vec();
    legs.push(world.leg(world.sol, Instrument::PERP, -10 * SOL_LONG));
    world.trade_legs(&alice, &maker, &legs).unwrap();
    assert!(world.account(&alice).positions[0].is_empty());
    // And when nothing is open, nothing is listed.
    world.refuses(InstrumentNotListed, |world| world.trade(&alice, &maker, SOL_LONG, PRICE));
    check_books(&world).unwrap();
}

/// I-33: what a manager may tighten at once makes no healthy account liquidatable. Initial margin may rise out of reach, maintenance
/// margin does not move, and the account can still repay and leave.
#[test]
fn tightening_at_once_liquidates_nobody() {
    let mut world = world();
    let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
    let alice = world.funded("alice", 0, 100 * SOL);
    world.borrow(&alice, Token::Usdc, 1_000 * DOLLAR).unwrap();
    world.trade(&alice, &maker, 10 * SOL_LONG, PRICE).unwrap();
    let before = world.accounts().value(&alice.margin_account, world.now()).unwrap();
    assert!(!before.initial_health().is_negative());

    let strict = BankTerms {
        deposit_cap: 0,
        borrow_cap: 0,
        haircut_initial_ppm: 1_000_000,
        liability_initial_ppm: 1_000_000,
        ..sol_terms(&world)
    };
    let strict = bank_change(&world, strict);
    now(&mut world, &strict).unwrap();
    let cash = BankTerms { deposit_cap: 0, borrow_cap: 0, ..world.bank(Token::Usdc).1.terms };
    let cash = Change::Bank { bank: world.usdc_bank, terms: cash };
    now(&mut world, &cash).unwrap();
    let Change::Underlying { underlying, oracle, risk, market } = underlying_change(&world) else { unreachable!() };
    let risk = RiskTerms { profit_haircut_initial_ppm: 1_000_000, ..risk };
    now(&mut world, &Change::Underlying { underlying, oracle, risk, market }).unwrap();
    let longest = GroupTerms { timelock_secs: MAX_TIMELOCK_SECS, ..group(&world).terms };
    now(&mut world, &Change::Group(longest)).unwrap();

    let after = world.accounts().value(&alice.margin_account, world.now()).unwrap();
    assert!(after.initial_health().is_negative(), "initial margin is out of reach");
    assert_eq!(after.maintenance_health(), before.maintenance_health());
    world.refuses(AccountIsHealthy, |world| world.liquidate(&maker, &alice, u64::MAX));

    // The way out: reduce, repay, withdraw.
    world.trade(&alice, &maker, -10 * SOL_LONG, PRICE).unwrap();
    world.give(&alice, Token::Usdc, 100 * DOLLAR);
    world.deposit(&alice, Token::Usdc, 1_000 * DOLLAR).unwrap();
    let sol = world.sol;
    world.settle_pnl(&alice, sol, false).unwrap();
    check_books(&world).unwrap();
}
