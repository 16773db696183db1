//! What the screens show, against what the compiled program says of the same accounts.

use anchor_lang::AnchorDeserialize;
use margrave::{instructions::*, state::*};
use margrave_cli::{
    amount::Amount,
    commands::{admin::change_of, export},
    market::{Market, maintenance_health_at},
    view::{
        View,
        account::{AccountList, AccountView, PreviewView},
        governance::{Fields, GroupView, Proposals, VenueView, differences},
        liquidation::{health_after, liquidation},
        oracle::OracleStatus,
        positions::Positions,
        risk::{ExplainView, RiskView},
    },
};
use margrave_client::{Hypothesis, Instrument, Pubkey, instruction};
use margrave_sim::{Token, Trader, World};
use serde_json::json;

const DOLLAR: u64 = 1_000_000;
const SOL: u64 = 1_000_000_000;
const PRICE: i64 = 350_000_000_000;
const DOLLARS: i64 = 10_000_000_000;

fn market(world: &World) -> Market {
    Market::new(world.group, world.accounts(), world.now(), 7).unwrap()
}

/// Two traders; alice has both tokens, a perp, a future, a spread of calls and a short put.
struct Desk {
    world: World,
    alice: Trader,
    maker: Trader,
    expiry: u8,
}

impl Desk {
    fn open() -> Self {
        let mut world = World::with_market(PRICE).unwrap();
        let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
        let alice = world.funded("alice", 5_000 * DOLLAR, 20 * SOL);
        let (expiry, _) = world.list_expiry(world.sol, 30, 80, &[30, 35, 40].map(|strike| strike * DOLLARS)).unwrap();
        world.set_price(PRICE).unwrap();
        Self { world, alice, maker, expiry }
    }

    fn busy() -> Self {
        let mut desk = Self::open();
        desk.world.trade(&desk.alice, &desk.maker, 12_340_000_000, PRICE + 1_000_003).unwrap();
        desk.trades(InstrumentKind::Future, 0, -5_000_000_000);
        desk.trades(InstrumentKind::Call, 35, 10_000_000_000);
        desk.trades(InstrumentKind::Call, 40, -10_000_000_000);
        desk.trades(InstrumentKind::Put, 30, -7_000_000_000);
        desk
    }

    fn trades(&mut self, kind: InstrumentKind, strike: i64, quantity: i64) {
        let instrument = self.world.instrument(&self.world.sol, kind, self.expiry, strike * DOLLARS);
        let leg = self.world.leg(self.world.sol, instrument, quantity);
        self.world.trade_legs(&self.alice, &self.maker, &[leg]).unwrap();
    }

    fn explained_by_chain(&mut self, slot: u8) -> Explanation {
        let account = self.world.account(&self.alice);
        let explain = instruction::explain((self.alice.margin_account, &account), slot);
        let receipt = self.world.send(&[explain], &[]).unwrap();
        Explanation::deserialize(&mut &receipt.return_data[..]).unwrap()
    }
}

#[test]
fn health_cells_components_and_greeks_are_what_the_chain_explains() {
    let mut desk = Desk::busy();
    let key = desk.alice.margin_account;
    let chain = desk.explained_by_chain(0);
    let market = market(&desk.world);
    let account = AccountView::of(&market, &key).unwrap();
    assert_eq!(account.health.equity, Amount::usd(chain.numbers.equity));
    assert_eq!(account.health.initial_margin, Amount::usd(chain.numbers.initial_margin));
    assert_eq!(account.health.maintenance_margin, Amount::usd(chain.numbers.maintenance_margin));
    assert_eq!(account.health.liquidation_end, Amount::usd(chain.numbers.liquidation_end));
    assert_eq!(account.health.worst_underlying.as_deref(), Some("SOL"));
    assert_eq!(account.health.worst_cell, Some(chain.numbers.worst_cell));
    assert_eq!((account.slot, account.status, account.mode), (7, "healthy", "portfolio"));

    let risk = RiskView::of(&market, &key).unwrap();
    let [sol] = &risk.underlyings[..] else { panic!("one underlying") };
    let shown: Vec<i128> = sol.cells.iter().map(|cell| cell.profit.base).collect();
    assert_eq!(shown, chain.cells.map(i128::from));
    assert_eq!(sol.cells.iter().filter(|cell| cell.is_worst).count(), 1);
    let worst = sol.cells.iter().find(|cell| cell.is_worst).unwrap();
    assert_eq!(Some(worst.cell), sol.worst_cell);
    assert_eq!(worst.profit.base, shown.iter().copied().min().unwrap());
    assert_eq!(sol.worst_loss.base, -worst.profit.base);
    assert_eq!(sol.greeks.delta, Amount::usd(chain.greeks.delta));
    assert_eq!(sol.greeks.vega, Amount::usd(chain.greeks.vega / 100));
    assert_eq!(sol.greeks.theta, Amount::usd(chain.greeks.theta / 365));

    // The components are the margin, to the unit.
    let total = |of: fn(&margrave_cli::view::risk::Component) -> bool| {
        risk.components.iter().filter(|part| of(part)).map(|part| part.amount.base).sum::<i128>()
    };
    assert_eq!(total(|part| part.in_initial), i128::from(chain.numbers.initial_margin));
    assert_eq!(total(|part| part.in_maintenance), i128::from(chain.numbers.maintenance_margin));
    let explained = ExplainView::of(&market, &key).unwrap();
    assert_eq!((explained.scan, explained.refusal), (Amount::usd(chain.scan), chain.refusal));
    assert_eq!(explained.basis, Amount::usd(chain.charges[0]));

    // What the table says is what the numbers say, and the worst cell has its mark.
    let text = risk.text(false);
    assert!(text.contains(&format!("{} *", worst.profit.grouped(2))), "{text}");
    assert!(text.contains(&worst.name) && !text.contains('\u{1b}'), "{text}");
    assert!(risk.text(true).contains('\u{1b}'));
    assert!(explained.text(false).contains("delta"));
}

#[test]
fn a_stale_price_is_told_and_does_not_hide_the_numbers() {
    let mut desk = Desk::busy();
    desk.world.set_time(desk.world.now() + 120);
    let market = market(&desk.world);
    let account = AccountView::of(&market, &desk.alice.margin_account).unwrap();
    let refusal = account.refusal.expect("the price is too old for new risk");
    assert!(refusal.starts_with("PriceTooOld"), "{refusal}");
    let status = OracleStatus::of(&market);
    assert_eq!(status.underlyings[0].quality, "stale");
    assert_eq!(status.underlyings[0].good_for, ["reduce"]);
    assert_eq!(status.underlyings[0].age_secs, Some(120));
    assert!(status.text(false).contains("120 s"));
}

#[test]
fn oracle_status_shows_each_quality_and_what_is_paused() {
    let mut desk = Desk::open();
    let quality = |world: &World| {
        let line = OracleStatus::of(&market(world)).underlyings.remove(0);
        (line.quality, line.good_for)
    };
    assert_eq!(quality(&desk.world), ("fresh", vec!["add risk, settle", "liquidate", "reduce"]));
    desk.world.set_time(desk.world.now() + 16);
    assert_eq!(quality(&desk.world), ("recent", vec!["add risk, settle", "reduce"]));
    let guardian = solana_signer::Signer::pubkey(&desk.world.guardian);
    let pause = instruction::pause(guardian, desk.world.group, None, Pause::BORROW | Pause::SURFACE, 600);
    desk.world.send(&[pause], &[]).unwrap();
    let status = OracleStatus::of(&market(&desk.world));
    let paused: Vec<&str> = status.paused.iter().map(|it| it.what.as_str()).collect();
    assert_eq!(paused, ["borrow", "surface"]);
    assert_eq!(status.paused[0].until, desk.world.now() + 600);
    assert!(status.text(false).contains("borrow for 10 min 0 s"));
}

#[test]
fn a_preview_is_the_chains_own() {
    let mut desk = Desk::busy();
    let account = desk.world.account(&desk.alice);
    let call = desk.world.instrument(&desk.world.sol, InstrumentKind::Call, desk.expiry, 40 * DOLLARS);
    let leg = desk.world.leg(desk.world.sol, call, -3_000_000_000);
    let bank = desk.world.usdc_bank;
    let preview = instruction::preview((desk.alice.margin_account, &account), &[leg], &[(bank, 1_000_000)]);
    let receipt = desk.world.send(&[preview], &[]).unwrap();
    let chain = PreviewAnswer::deserialize(&mut &receipt.return_data[..]).unwrap();
    let change = Hypothesis { legs: vec![(desk.world.sol, leg.leg)], balances: vec![(bank, 1_000_000)] };
    let view = PreviewView::of(&market(&desk.world), &desk.alice.margin_account, &change).unwrap();
    assert_eq!(view.before.initial_margin, Amount::usd(chain.before.initial_margin));
    assert_eq!(view.after.equity, Amount::usd(chain.after.equity));
    assert_eq!(view.after.initial_margin, Amount::usd(chain.after.initial_margin));
    assert_eq!(view.after.maintenance_margin, Amount::usd(chain.after.maintenance_margin));
    assert_eq!(view.after.worst_cell, Some(chain.after.worst_cell));
    assert_eq!(view.premium, Amount::usd(chain.premium));
    assert_eq!(view.is_allowed, chain.after.equity >= chain.after.initial_margin);
    assert!(view.text(false).contains("Premium paid $ -"));
}

#[test]
fn positions_add_up_to_the_account() {
    let desk = Desk::busy();
    let key = desk.alice.margin_account;
    let market = market(&desk.world);
    let view = Positions::of(&market, &key).unwrap();
    let names: Vec<&str> = view.positions.iter().map(|it| it.instrument.as_str()).collect();
    let date = "20221206";
    let expected = ["SOL-PERP", "F", "P-30", "C-35", "C-40"];
    for (name, expected) in names.iter().zip(expected) {
        let expected = if expected == "SOL-PERP" { expected.to_owned() } else { format!("SOL-{date}-{expected}") };
        assert_eq!(*name, expected);
    }
    let sides: Vec<&str> = view.positions.iter().map(|it| it.side).collect();
    assert_eq!(sides, ["long", "short", "short", "long", "short"]);
    assert_eq!(view.positions[0].quantity.to_string(), "12.34");
    assert_eq!(view.positions[0].mark, Some(Amount::price(PRICE)));
    assert_eq!(view.positions[0].entry.unwrap().grouped(4), "35.0001");
    // 12.34 x 35 dollars, and 12.34 x 0.0001000003 that was paid too much, up to the micro-dollar.
    assert_eq!(view.positions[0].notional, Some(Amount::usd(431_900_000)));
    assert_eq!(view.positions[0].unrealised, Some(Amount::usd(-1_235)));
    assert_eq!(view.positions[1].unrealised, Some(Amount::usd(0)));
    assert_eq!(view.positions[3].expires_in_secs, Some(30 * 86_400));

    // Positions, claims and cash are the account's equity, and their greeks are its greeks, each but for what rounds.
    let account = market.account(&key).unwrap();
    let positions: i128 =
        view.positions.iter().flat_map(|it| [it.unrealised, it.value]).flatten().map(|it| it.base).sum();
    let bank = market.bank(&desk.world.usdc_bank).unwrap();
    let cash = bank.atoms_down(account.shares_in(&desk.world.usdc_bank).unsigned_abs()).unwrap();
    let collateral = 20 * 35 * 950_000;
    let equity = i128::from(cash) + collateral + i128::from(account.risk[0].claim) + positions;
    let shown = AccountView::of(&market, &key).unwrap().health.equity.base;
    assert!((equity - shown).abs() <= 10, "{equity} and {shown}");
    let greeks = RiskView::of(&market, &key).unwrap().underlyings[0].greeks;
    let of = |pick: fn(&margrave_cli::view::positions::Greeks) -> Amount| {
        view.positions.iter().map(|it| pick(it.greeks.as_ref().unwrap()).base).sum::<i128>()
    };
    assert!((of(|it| it.delta) + 20 * 35_000_000 - greeks.delta.base).abs() <= 5);
    assert!((of(|it| it.gamma) - greeks.gamma.base).abs() <= 5);
    assert!((of(|it| it.vega) - greeks.vega.base).abs() <= 5);
    assert!((of(|it| it.theta) - greeks.theta.base).abs() <= 5);
    assert!(view.positions[3].greeks.unwrap().vega.base > 0 && view.positions[4].greeks.unwrap().vega.base < 0);

    // Text and CSV carry the same.
    assert!(view.text(false).contains("SOL-20221206-C-40"));
    let rows = export::positions(&market, &[key]).unwrap();
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row.len() == export::POSITIONS.len()));
    assert_eq!((rows[0][5].as_str(), rows[0][6].as_str()), ("12.34", "12340000000"));
    let rows = export::risk(&market, &[key]).unwrap();
    assert_eq!(rows.len(), 31);
    assert!(rows.iter().all(|row| row.len() == export::RISK.len()));
}

#[test]
fn a_long_perp_has_one_liquidation_price_where_it_must_be() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
    let alice = world.funded("alice", 1_000 * DOLLAR, 0);
    world.trade(&alice, &maker, 100_000_000_000, PRICE).unwrap();
    let market = market(&world);
    let risk = RiskView::of(&market, &alice.margin_account).unwrap();
    let [root] = &risk.underlyings[0].curve.roots[..] else {
        panic!("one root: {:?}", risk.underlyings[0].curve.roots)
    };
    assert!(root.below);
    assert_eq!(root.healthy.base, root.liquidatable.base + 1);
    // cash - fee + 100 (p - 35) = 100 p (0.8 x 0.24 + 0.02): fee 1.75 of 3,500.
    let expected = (3_500.0 - 1_000.0 + 1.75) / (100.0 * (1.0 - 0.212)) * 1e10;
    let found = root.healthy.base;
    assert!((found - expected as i128).abs() < 1_000_000, "{found} instead of {expected}");
    let sentence = risk.underlyings[0].curve.sentence("SOL");
    assert!(sentence.contains("at or below 31.74"), "{sentence}");
    assert_at_price_now_is_the_engines(&market, &alice);
}

#[track_caller]
fn assert_at_price_now_is_the_engines(market: &Market, trader: &Trader) {
    let (key, underlying) = (trader.margin_account, *market.underlyings()[0].0);
    let mut alone = market.alone(&key).unwrap();
    let now = maintenance_health_at(&mut alone, &key, &underlying, PRICE).unwrap();
    let engine = market.accounts.value_to_liquidate(&key, market.now).unwrap().maintenance_health().micros();
    assert_eq!(now, engine);
    // A root is where the sign changes, by the same evaluation.
    for root in RiskView::of(market, &key).unwrap().underlyings[0].curve.roots.iter() {
        let mut at = |price: Amount| {
            maintenance_health_at(&mut alone, &key, &underlying, i64::try_from(price.base).unwrap()).unwrap()
        };
        assert!(at(root.healthy) >= 0 && at(root.liquidatable) < 0);
        assert_eq!((root.healthy.base - root.liquidatable.base).abs(), 1);
    }
}

#[test]
fn a_short_strangle_has_two_liquidation_prices_and_cash_has_none() {
    let mut desk = Desk::open();
    let market_before = market(&desk.world);
    let none = RiskView::of(&market_before, &desk.maker.margin_account).unwrap();
    assert!(none.underlyings.is_empty());
    // 20 SOL and cash, no debt: no price makes it liquidatable.
    let held = RiskView::of(&market_before, &desk.alice.margin_account).unwrap();
    assert!(held.underlyings[0].curve.roots.is_empty());
    assert!(held.underlyings[0].curve.sentence("SOL").contains("no liquidation price between 0.35"));

    let carol = desk.world.funded("carol", 2_000 * DOLLAR, 0);
    for (kind, strike) in [(InstrumentKind::Call, 40), (InstrumentKind::Put, 30)] {
        let instrument = desk.world.instrument(&desk.world.sol, kind, desk.expiry, strike * DOLLARS);
        let leg = desk.world.leg(desk.world.sol, instrument, -120_000_000_000);
        desk.world.trade_legs(&carol, &desk.maker, &[leg]).unwrap();
    }
    let market = market(&desk.world);
    let curve = &RiskView::of(&market, &carol.margin_account).unwrap().underlyings[0].curve;
    let [low, high] = &curve.roots[..] else { panic!("two roots: {:?}", curve.roots) };
    assert!(low.below && !high.below);
    assert!(low.healthy.base < i128::from(PRICE) && high.healthy.base > i128::from(PRICE));
    assert!(curve.sentence("SOL").contains(" and at or above "));
    assert_at_price_now_is_the_engines(&market, &carol);
}

#[test]
fn names_of_instruments_come_back_and_tell_expiries_of_a_day_apart() {
    let mut desk = Desk::open();
    let alone = market(&desk.world);
    let all = alone.instruments(&desk.world.sol);
    assert_eq!(all.len(), 1 + 1 + 6);
    for (name, instrument) in &all {
        assert_eq!(alone.instrument_named(name).unwrap(), (desk.world.sol, *instrument));
        assert_eq!(alone.instrument_named(&name.to_lowercase()).unwrap().1, *instrument);
    }
    let order = alone.order("sol-20221206-c-40:-2.5").unwrap();
    assert_eq!((order.quantity, order.instrument.kind), (-2_500_000_000, InstrumentKind::Call));
    assert_eq!(alone.order("SOL-PERP:1").unwrap().instrument, Instrument::PERP);
    for (text, expected) in [
        ("SOL-PERP", "not a leg"),
        ("SOL-PERP:", "not a decimal number"),
        ("SOL-PERP:0", "multiple of the lot of 0.01"),
        ("SOL-PERP:0.005", "multiple of the lot of 0.01"),
        ("SOL-PERP:0.0000000001", "10 decimals"),
        ("SOL-20221206-C-41:1", "not listed; SOL has SOL-PERP, SOL-20221206-F"),
        ("ETH-PERP:1", "no underlying 'ETH'"),
    ] {
        let error = alone.order(text).unwrap_err();
        assert!(error.is::<margrave_cli::Usage>() && error.to_string().contains(expected), "{text}: {error}");
    }
    // Twelve hours later, the same day.
    desk.world.set_time(desk.world.now() + 43_200);
    desk.world.set_price(PRICE).unwrap();
    desk.world.list_expiry(desk.world.sol, 30, 80, &[]).unwrap();
    let both = market(&desk.world);
    assert!(both.instrument_named("SOL-20221206T0000-F").is_ok());
    assert!(both.instrument_named("SOL-20221206T1200-F").is_ok());
    assert!(both.instrument_named("SOL-20221206-F").is_err());
}

#[test]
fn tokens_are_found_by_symbol_mint_and_address() {
    let mut desk = Desk::open();
    let one = market(&desk.world);
    for text in ["USDC", "usdc", "quote", &desk.world.usdc_mint.to_string(), &desk.world.usdc_bank.to_string()] {
        assert_eq!(one.bank_named(text).unwrap().0, desk.world.usdc_bank, "{text}");
    }
    assert_eq!(one.bank_named("sol").unwrap().0, desk.world.sol_bank);
    let error = one.bank_named("ETH").err().unwrap().to_string();
    assert!(error.contains("no token 'ETH'") && error.contains(&desk.world.sol_mint.to_string()), "{error}");
    // Two tokens priced by SOL: neither is SOL, until somebody names their mints.
    let other = desk.world.list_extra_bank().unwrap();
    let mut two = market(&desk.world);
    assert!(two.bank_named("SOL").is_err());
    two.symbols.insert(other, "stSOL".to_owned());
    two.symbols.insert(desk.world.sol_mint, "SOL".to_owned());
    assert_eq!(two.bank_named("SOL").unwrap().0, desk.world.sol_bank);
    assert_eq!(two.bank_named("stsol").unwrap().1.mint, other);
}

#[test]
fn a_list_has_the_stored_numbers() {
    let desk = Desk::busy();
    let market = market(&desk.world);
    let alice = solana_signer::Signer::pubkey(&desk.alice.keypair);
    let list = AccountList::of(&market, Some(&alice));
    let [line] = &list.accounts[..] else { panic!("one account") };
    let account = desk.world.account(&desk.alice);
    assert_eq!((line.equity, line.positions), (Amount::usd(account.equity), 5));
    assert_eq!(line.maintenance_margin, Amount::usd(account.maintenance_margin));
    assert!(!line.is_stale);
    assert_eq!(AccountList::of(&market, None).accounts.len(), 2);
    let json = serde_json::to_value(&list).unwrap();
    assert_eq!(json["accounts"][0]["equity"]["base"], json!(account.equity.to_string()));
}

#[test]
fn what_a_liquidation_would_do_is_what_it_does() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 1_000 * DOLLAR, 0);
    world.trade(&alice, &maker, 100_000_000_000, PRICE).unwrap();
    let of = |world: &World| liquidation(&market(world), &alice.margin_account, &keeper.margin_account).unwrap();
    let (view, decision) = of(&world);
    assert!(decision.is_none() && view.step.is_none());
    assert!(view.text(false).contains("nothing to do now"));

    world.set_time(world.now() + 30);
    world.set_price(31 * DOLLARS).unwrap();
    let (view, decision) = of(&world);
    assert_eq!(view.step, Some("take over positions"));
    assert!(view.health_before.base < 0 && view.relief.unwrap().base > 0 && view.fee.unwrap().base > 0);
    let receipt = world.send(&[decision.unwrap().instruction], &[&keeper.keypair]).unwrap();
    let after = health_after(&receipt.events()).unwrap();
    let account = world.account(&alice);
    assert_eq!(after, account.equity - account.maintenance_margin);
    assert!(after > 0);
}

#[test]
fn a_change_is_read_with_the_fields_it_names_and_shown_as_what_differs() {
    let mut desk = Desk::open();
    let now = market(&desk.world);
    let file: serde_json::Value = toml::from_str(
        "kind = 'underlying'\nunderlying = 'SOL'\n[risk]\nscan_range_ppm = 200000\n[market]\ntaker_fee_ppm = '600'\n",
    )
    .unwrap();
    let change = change_of(&now, &file).unwrap();
    let expected = [("risk.scan_range_ppm", "180000", "200000"), ("market.taker_fee_ppm", "500", "600")];
    let expected: Vec<_> = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())).to_vec();
    assert_eq!(differences(&now, &change), expected);

    let key = desk.world.queue(change).unwrap();
    let view = Proposals::of(&market(&desk.world), &[(key, desk.world.proposal(&key))]);
    assert_eq!((view.proposals[0].state, view.proposals[0].secs_left), ("waits", 2 * 86_400));
    assert_eq!(view.proposals[0].differences, expected);
    assert!(view.text(false).contains("scan_range_ppm: 180000 -> 200000"));
    let proposal = desk.world.proposal(&key);
    desk.world.set_time(proposal.executable_at);
    desk.world.send(&[instruction::execute_change((key, &proposal), None)], &[]).unwrap();
    assert_eq!(desk.world.underlying().risk.scan_range_ppm, 200_000);
    assert_eq!(desk.world.underlying().market.taker_fee_ppm, 600);

    for (file, expected) in [
        (json!({ "kind": "bank", "bank": "SOL", "terms": { "haircut": 1 } }), "has no field 'haircut'"),
        (json!({ "kind": "bank", "bank": "SOL", "terms": { "deposit_cap": -1 } }), "neither text nor a whole number"),
        (json!({ "kind": "bank", "bank": "SOL", "terms": { "deposit_cap": 1.5 } }), "neither text nor a whole number"),
        (json!({ "kind": "bank", "bank": "SOL", "term": {} }), "no 'term'; it has bank, terms"),
        (json!({ "kind": "bnk" }), "'bnk' is no kind of change"),
        (json!({ "kind": "underlying", "underlying": "BTC" }), "no underlying 'BTC'"),
        (json!({ "kind": "unpause", "bits": "trade" }), "'trade' cannot be paused"),
        (json!({ "kind": "roles", "terms": { "admin": "me" } }), "admin = me"),
    ] {
        let error = change_of(&now, &file).unwrap_err();
        assert!(error.to_string().contains(expected), "{file}: {error}");
    }
}

#[test]
fn a_venue_is_changed_by_its_address_and_shown_with_symbols() {
    let mut desk = Desk::open();
    let program = margrave::ID;
    let (manager, group) = (solana_signer::Signer::pubkey(&desk.world.manager), desk.world.group);
    desk.world.send(&[instruction::register_venue(manager, group, program, 0)], &[]).unwrap();
    let venue = margrave_client::pda::venue(&group, &program, 0);
    let now = market(&desk.world);
    let file = json!({
        "kind": "venue",
        "venue": venue.to_string(),
        "markets": ["SOL:perp+put:5000000000"],
        "terms": { "enabled": 1, "exposure_cap": "700000000" },
    });
    let change = change_of(&now, &file).unwrap();
    let expected =
        [("exposure_cap", "0", "700000000"), ("enabled", "0", "1"), ("markets", "", "SOL:perp+put:5000000000")];
    let expected: Vec<_> = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())).to_vec();
    assert_eq!(differences(&now, &change), expected);
    desk.world.change(change, None).unwrap();
    let now = market(&desk.world);
    let view = VenueView::of(&now, &venue, &now.accounts.venues[&venue]);
    assert!(view.enabled && view.markets == ["SOL:perp+put:5000000000"]);
    assert_eq!((view.room, view.stopped_until), (view.exposure_cap, 0));
    assert!(view.text(false).contains("700.00"));
    // What is not named stays.
    let more = json!({ "kind": "venue", "venue": venue.to_string(), "terms": { "enabled": 0 } });
    let expected = vec![("enabled".to_owned(), "1".to_owned(), "0".to_owned())];
    assert_eq!(differences(&now, &change_of(&now, &more).unwrap()), expected);
    let resume = json!({ "kind": "resume-venue", "venue": venue.to_string() });
    assert_eq!(change_of(&now, &resume).unwrap(), Change::ResumeVenue { venue });

    for (market, expected) in [
        ("SOL", "is not like SOL:perp+future:5000000000"),
        ("SOL:swap:1", "'swap' is no kind of instrument"),
        ("SOL:perp:much", "invalid digit"),
        ("BTC:perp:1", "no underlying 'BTC'"),
    ] {
        let file = json!({ "kind": "venue", "venue": venue.to_string(), "markets": [market] });
        let error = change_of(&now, &file).unwrap_err();
        assert!(error.to_string().contains(expected), "{market}: {error}");
    }
    let nine = json!({ "kind": "venue", "venue": venue.to_string(), "markets": vec!["SOL:perp:1"; 9] });
    assert!(change_of(&now, &nine).unwrap_err().to_string().contains("at most 8 markets"));
    let unknown = json!({ "kind": "venue", "venue": group.to_string() });
    assert!(change_of(&now, &unknown).unwrap_err().to_string().contains("is no venue"));
}

#[test]
fn every_parameter_is_shown_and_read_back() {
    let desk = Desk::open();
    let market = market(&desk.world);
    let group = market.group();
    fn check<T: Fields + Copy>(of: &T, zero: T) {
        let mut copy = zero;
        for (name, value) in of.fields() {
            copy.set(name, &value).unwrap();
        }
        assert_eq!(copy.fields(), of.fields());
    }
    let sheet = desk.world.underlying();
    check(&group.roles, Roles { admin: Pubkey::default(), ..group.roles });
    check(&group.terms, GroupTerms { outflow_cap: 0, timelock_secs: 0, ..group.terms });
    check(&group.options, OptionParameters { vol_up_ppm: 0, ..group.options });
    check(&sheet.oracle.terms, OracleTerms { feed_id: [0; 32], max_age_secs: 0, ..sheet.oracle.terms });
    check(&sheet.risk, RiskTerms { scan_range_ppm: 0, grace_secs: 0, ..sheet.risk });
    check(&sheet.market, MarketTerms { lot: 0, insurance_cap: 0, ..sheet.market });
    check(&desk.world.bank(Token::Sol).1.terms, BankTerms::default());
    let view = GroupView::of(&market);
    assert!(view.launched);
    assert_eq!(view.terms.len(), 3 + 2 + 3);
    assert!(view.text(false).contains("haircut_initial_ppm"));
}
