//! The laws of the margin model as properties of whole portfolios: perps, futures and options of several strikes and expiries on
//! several underlyings, collateral, debts, modes. `properties.rs` has the exact arithmetic of linear books; here is what must
//! hold whatever the numbers are.
//!
//! Every law runs `MARGRAVE_CASES` cases, 60,000 by default (about 25 s for the file), the same ones every time;
//! `MARGRAVE_SEED=n` gives others. CI's 10^5 over all laws are passed by the default; in release 10^5 and 10^7 of each:
//!
//! ```text
//! MARGRAVE_CASES=100000   cargo test --release -p margrave-risk --test laws
//! MARGRAVE_CASES=10000000 cargo test --release -p margrave-risk --test laws
//! ```
//!
//! A failing portfolio is made smaller until nothing can be left out, and printed. Tolerances: see [`Account::roundings`].

mod common;

use common::*;
use margrave_risk::*;

const ONE: i128 = 1 << 30;

fn bits(ratio: Ratio) -> i128 {
    ratio.bits().into()
}

fn ceil(numerator: i128, denominator: i128) -> i128 {
    -(-numerator).div_euclid(denominator)
}

fn product_up(amount: i128, ratio: Ratio) -> i128 {
    ceil(amount * bits(ratio), ONE)
}

// ---- Groups, from the formulas ----

/// A correlation group: the members' worst losses added up, W; the loss when all are in one cell, J; what is made of them.
#[derive(Default)]
struct Joint {
    id: u8,
    kappa: i128,
    cells: [i128; CELLS],
    basis: i128,
    /// W, and the part of it that maintenance sees.
    apart: i128,
    seen: i128,
}

impl Joint {
    fn together(&self) -> i128 {
        self.basis.max(-self.cells.iter().copied().min().unwrap_or(0))
    }

    fn scan(&self) -> i128 {
        self.apart - ((self.apart - self.together()) * self.kappa).div_euclid(ONE)
    }

    fn maintenance_scan(&self) -> i128 {
        if self.seen == self.apart { self.scan() } else { ceil(self.scan() * self.seen, self.apart).min(self.scan()) }
    }
}

/// The groups of an account whose underlyings' arrays are `read` from those of the verdict.
fn groups(account: &Account, verdict: &Verdict, read: impl Fn(&RiskArray) -> RiskArray) -> Vec<Joint> {
    let mut groups: Vec<Joint> = vec![];
    for part in &verdict.parts {
        let market = &account.underlyings[part.index].market;
        let group = if account.mode == Mode::Portfolio { market.group } else { Group::ALONE };
        if group.id == 0 || groups.last().is_none_or(|last| last.id != group.id) {
            groups.push(Joint { id: group.id, kappa: bits(group.kappa), ..Joint::default() });
        }
        let joint = groups.last_mut().unwrap();
        let array = read(&part.array);
        for (sum, cell) in joint.cells.iter_mut().zip(array.cells()) {
            *sum += micros(*cell);
        }
        let loss = part.basis().max(-micros(array.worst().1));
        joint.basis += part.basis();
        joint.apart += loss;
        joint.seen += if market.ramp >= Ratio::ONE { loss } else { product_up(loss, market.ramp) };
    }
    groups
}

// ---- I-10: stored arrays ----

/// I-10: from the 64-byte arrays no margin is below the exact one, and scan exceeds the exact one by at most 2^-14 of the largest
/// cell of each array. Exactly, but for maintenance margin while ramps differ within a group: a larger loss of an underlying
/// whose ramp is low lowers the average ramp of its group, and can lower the group's part of maintenance margin. There the
/// shortfall is at most the excess itself.
#[test]
fn margin_from_stored_arrays_is_never_below_the_exact_one() {
    law_of("stored arrays", any_account, |account, _| {
        let verdict = account.evaluate();
        let exact = groups(account, &verdict, |array| *array);
        let stored = groups(account, &verdict, |array| array.compress_down().expand());
        let sum = |groups: &[Joint], of: fn(&Joint) -> i128| groups.iter().map(of).sum::<i128>();
        ensure!(sum(&exact, Joint::scan) == verdict.scan(), "the formula of the scan");
        let mut steps = 0;
        for part in &verdict.parts {
            let largest = part.array.cells().iter().map(|cell| micros(*cell).abs()).max().unwrap();
            let off = part.array.cells().iter().zip(part.array.compress_down().expand().cells().map(micros));
            for (exact, stored) in off {
                let off = micros(*exact) - stored;
                ensure!(0 <= off && off << 14 <= largest, "{off} off of {largest}");
            }
            steps += largest >> 14;
        }
        let excess = sum(&stored, Joint::scan) - verdict.scan();
        ensure!((0..=steps).contains(&excess), "scan off by {excess} of {steps}");
        let Levels { maintenance_scan: part, depeg, .. } = account.levels;
        let (scan, maintenance) = (sum(&stored, Joint::scan), sum(&stored, Joint::maintenance_scan));
        let charges = &verdict.valuation.charges;
        let fixed = micros(charges.maintenance()) + micros(charges.initial()) - micros(charges.depeg);
        let [exact_maintenance, _, exact_initial] = verdict.margins();
        ensure!(scan + product_up(scan, depeg) + fixed >= exact_initial, "initial margin");
        let short = exact_maintenance - product_up(maintenance, part) - micros(charges.maintenance());
        let ramps = |joint: &Joint| joint.seen != joint.apart;
        let allowed = if stored.iter().any(ramps) { steps } else { 0 };
        ensure!(short <= allowed, "maintenance margin is {short} short");
        Ok(())
    });
}

// ---- I-22: one named cell ----

/// I-22: whatever cells are named, equity is the portfolio's and the bound is not above its maintenance margin; with the worst cells
/// of underlyings without offsets it is all of the scan that the cells are.
#[test]
fn named_cells_prove_no_more_than_all_of_them() {
    law_of("named cells", any_account, |account, rng| {
        let verdict = account.evaluate();
        let mut cells: Vec<Cell> =
            account.underlyings.iter().map(|_| Cell::new(u8::try_from(rng.within(0..=30)).unwrap()).unwrap()).collect();
        match rng.within(0..=2) {
            0 => (),
            1 => cells = vec![cells.first().copied().unwrap_or(Cell::UNCHANGED); cells.len()],
            _ => verdict.parts.iter().for_each(|part| cells[part.index] = part.worst),
        }
        let breach = account.with_portfolio(|portfolio| portfolio.breach(|index| cells[index])).unwrap();
        let Valuation { equity, maintenance_margin, .. } = verdict.valuation;
        ensure!(breach.equity == equity, "equity {:?} of {equity:?}", breach.equity);
        let bound = breach.maintenance_at_least;
        ensure!(bound <= maintenance_margin, "{bound:?} of {maintenance_margin:?} by {cells:?}");
        ensure!(!breach.is_proven() || verdict.valuation.maintenance_health().is_negative(), "proven of a healthy one");
        Ok(())
    });
}

/// Each cell by its name is what the array has there, to the micro-dollar.
#[test]
fn a_named_cell_is_that_of_the_array() {
    law_of("each cell", any_account, |account, rng| {
        let mut account = account.clone();
        let Some(last) = account.underlyings.len().checked_sub(1) else { return Ok(()) };
        let kept =
            account.underlyings.swap_remove(usize::try_from(rng.within(0..=i64::try_from(last).unwrap())).unwrap());
        account.underlyings = vec![kept];
        account.underlyings[0].market.group = Group::ALONE;
        let verdict = account.evaluate();
        let Some(part) = verdict.parts.first() else { return Ok(()) };
        let market = &account.underlyings[0].market;
        let charges = verdict.valuation.charges.maintenance() - verdict.valuation.charges.vega;
        let of_scan = account.levels.maintenance_scan.clamp(Ratio::ZERO, Ratio::ONE);
        for (index, result) in (0..).zip(part.array.cells()) {
            let cell = Cell::new(index).unwrap();
            let breach = account.with_portfolio(|portfolio| portfolio.breach(|_| cell)).unwrap();
            let seen = (-*result).max(Usd::ZERO).mul_down(market.ramp.min(Ratio::ONE));
            let expected = seen.mul_down(of_scan) + charges;
            ensure!(
                breach.maintenance_at_least == expected,
                "{index}: {:?} for {expected:?}",
                breach.maintenance_at_least
            );
        }
        Ok(())
    });
}

// ---- One sheet for what is all bought, or all sold ----

/// An expiry whose options are all bought, or all sold, is added up on the sheet of its underlying with its share of time value taken
/// off before. The smallest unit of a strike bought and sold besides puts it on a sheet of its own, and changes nothing but roundings.
#[test]
fn options_of_one_side_are_worth_what_they_are_among_others() {
    law_of("one side", account, |account, _| {
        let mut other = account.clone();
        for dates in other.underlyings.iter_mut().flat_map(|underlying| &mut underlying.expiries) {
            let Some(Strike { vol, .. }) = dates.strikes.first().copied() else { continue };
            let price = dates.strikes[0].price();
            for unit in [1, -1] {
                dates.strikes.push(Strike::new(price, vol, Quantity::new(unit), Quantity::ZERO));
            }
        }
        let (one, Ok(other)) = (account.evaluate(), other.try_evaluate()) else { return Ok(()) };
        // The two units' roundings, too.
        let bound = 2 * account.roundings() + 64;
        let near = |what: &str, one: Usd, other: Usd| {
            let off = micros(one) - micros(other);
            if off.abs() <= bound { Ok(()) } else { Err(format!("{what}: {off} of {bound}")) }
        };
        for (one, other) in one.parts.iter().zip(&other.parts) {
            for (cell, (one, other)) in one.array.cells().iter().zip(other.array.cells()).enumerate() {
                near(&format!("cell {cell}"), *one, *other)?;
            }
            let (Some(one), Some(other)) = (one.dated, other.dated) else { continue };
            near("value", one.mark, other.mark)?;
            near("basis", one.basis, other.basis)?;
            near("vega", one.vega, other.vega)?;
        }
        Ok(())
    });
}

// ---- I-11, I-13: order ----

/// I-11, I-13: the order of positions, strikes, expiries, underlyings of a group and groups changes no number.
#[test]
fn the_order_of_everything_changes_no_number() {
    law_of("order", any_account, |account, rng| {
        let mut other = account.clone();
        rng.shuffle(&mut other.collateral);
        rng.shuffle(&mut other.underlyings);
        let turn = u8::try_from(rng.within(0..=63)).unwrap();
        other.underlyings.sort_by_key(|underlying| underlying.market.group.id ^ turn);
        for underlying in &mut other.underlyings {
            rng.shuffle(&mut underlying.perps);
            rng.shuffle(&mut underlying.collateral);
            rng.shuffle(&mut underlying.expiries);
            for dates in &mut underlying.expiries {
                rng.shuffle(&mut dates.futures);
                rng.shuffle(&mut dates.strikes);
            }
        }
        let (one, two) = (account.evaluate(), other.evaluate());
        // The first of equally bad underlyings is named, so the name may follow the order; the loss may not.
        let nameless = |verdict: &Verdict| Valuation { worst: None, ..verdict.valuation };
        ensure!(nameless(&one) == nameless(&two), "{:?}\n{:?}", one.valuation, two.valuation);
        let losses = |verdict: &Verdict| verdict.parts.iter().map(Part::loss).max();
        ensure!(losses(&one) == losses(&two), "worst loss");
        Ok(())
    });
}

// ---- I-12: collateral, haircuts, confidence ----

/// I-12: cash counts one for one, collateral that is no underlying's own never lowers health, and more of a debt never raises it.
/// Exactly: a value less its haircut rounded up is not negative as long as the haircut is at most one.
#[test]
fn more_cash_or_collateral_never_lowers_health() {
    law_of("collateral", any_account, |account, rng| {
        let before = account.evaluate().healths();
        let (mut richer, mut added) = (account.clone(), collateral(rng));
        richer.cash += added.value;
        let rise = |after: [i128; 3]| -> Vec<i128> {
            after.iter().zip(&before).map(|(after, before)| after - before).collect()
        };
        ensure!(rise(richer.evaluate().healths()) == [micros(added.value); 3], "cash");
        let mut after = account.clone();
        after.collateral.push(added);
        let owned = rise(after.evaluate().healths());
        added.value = -added.value;
        let mut after = account.clone();
        after.collateral.push(added);
        let owed = rise(after.evaluate().healths());
        let (owned, owed) = if added.value.is_negative() { (owned, owed) } else { (owed, owned) };
        ensure!(owned.iter().all(|rise| *rise >= 0), "collateral changes health by {owned:?}");
        ensure!(owed.iter().all(|rise| *rise <= 0), "a debt changes health by {owed:?}");
        Ok(())
    });
}

/// I-12: collateral worth v in an underlying's own asset raises health at maintenance and initial margin by at least
///
/// ```text
/// v (1 - initial haircut - 4/3 R (1 + depeg) c - the greater of net and hedged charge - confidence)
/// ```
///
/// without size charge, and a debt of v lowers it by at least that with no haircut: so collateral never lowers health where the
/// bracket is not negative. c is 1, or max(1, 2 kappa) while ramps differ: collateral that hedges an underlying with a low ramp
/// raises the average ramp of its group besides its scan. Not in isolated mode without positions on the underlying: there neither
/// collateral nor debt is counted, and of the debt the page says otherwise. Rounding: 12 micro-dollars (value,
/// haircuts, scan, charges, levels), and 2^-28 of v for a move and four ratios rounded up to 2^-30.
#[test]
fn collateral_in_an_own_asset_raises_health_by_what_its_risk_leaves() {
    law_of(
        "own collateral",
        |rng| any_account(rng).steady(),
        |account, rng| {
            let mut before = account.clone();
            let index = rng.upto(before.underlyings.len().max(1) - 1);
            let Some(underlying) = before.underlyings.get_mut(index) else { return Ok(()) };
            underlying.market.size = SizeCharge::NONE;
            let (market, added) = (underlying.market, collateral(rng));
            let held = |dates: &Dates| !dates.futures.is_empty() || !dates.strikes.is_empty();
            let positions = !underlying.perps.is_empty() || underlying.expiries.iter().any(held);
            if account.mode == Mode::Isolated && !positions {
                return Ok(());
            }
            let ramps = before.underlyings.iter().any(|underlying| underlying.market.ramp != Ratio::ONE);
            let stressed = if ramps { ONE.max(2 * bits(market.group.kappa)) } else { ONE };
            let moves = bits(market.scan_range) * 4 / 3 * (ONE + bits(account.levels.depeg)) / ONE * stressed / ONE;
            let weight = moves + bits(market.net_charge.max(market.hedged_charge)) + bits(market.confidence);
            let haircut = if added.value.is_negative() { 0 } else { bits(added.haircuts.initial) };
            let mut after = before.clone();
            after.underlyings[index].collateral.push(added);
            let (before, after) = (before.evaluate().healths(), after.evaluate().healths());
            let least = micros(added.value).abs() * (ONE - haircut - weight) / ONE;
            for level in [0, 2] {
                let rise = (after[level] - before[level]) * micros(added.value).signum();
                ensure!(
                    rise >= least - 12 - (micros(added.value).abs() >> 28),
                    "{} changes health {level} by {rise}, not {least}",
                    added.value.micros()
                );
            }
            Ok(())
        },
    );
}

/// I-12, exactly.
#[test]
fn larger_haircuts_never_raise_health() {
    law_of("haircuts", any_account, |account, rng| {
        let (mut after, more) = (account.clone(), rng.within(0..=100_000));
        let larger =
            |ratio_now: &mut Ratio| *ratio_now = Ratio::from_bits(ratio_now.bits() + ratio(more).bits()).unwrap();
        let both = |haircuts: &mut Haircuts| {
            larger(&mut haircuts.maintenance);
            larger(&mut haircuts.initial);
        };
        for Underlying { market, collateral, .. } in &mut after.underlyings {
            both(&mut market.profit);
            collateral.iter_mut().for_each(|collateral| both(&mut collateral.haircuts));
        }
        after.collateral.iter_mut().for_each(|collateral| both(&mut collateral.haircuts));
        let (before, after) = (account.evaluate().healths(), after.evaluate().healths());
        ensure!((0..3).all(|level| after[level] <= before[level]), "{before:?} to {after:?}");
        Ok(())
    });
}

/// I-12, I-19: uncertainty about a price lowers what may be added and touches neither equity nor maintenance margin. Exactly.
#[test]
fn a_wider_confidence_never_raises_health_and_never_touches_maintenance() {
    law_of("confidence", any_account, |account, rng| {
        let mut after = account.clone();
        for Underlying { market, .. } in &mut after.underlyings {
            market.confidence = market.confidence.max(rng.ratio(0..=100_000));
        }
        let (one, two) = (account.evaluate(), after.evaluate());
        let ([before, end, initial], [after, end_after, initial_after]) = (one.healths(), two.healths());
        ensure!(one.valuation.equity == two.valuation.equity && before == after, "maintenance");
        ensure!(end_after <= end && initial_after <= initial, "health rises");
        Ok(())
    });
}

// ---- I-13: size, mergers, hedges ----

/// I-19: a price that ran ahead of its slower one is charged to initial margin of the side it flatters, and to nothing else.
#[test]
fn a_price_ahead_of_its_slower_one_is_charged_to_the_side_it_flatters() {
    law_of("gap", any_account, |account, _| {
        let gapless = |sign: i64| {
            let mut account = account.clone();
            for Underlying { market, .. } in &mut account.underlyings {
                if market.stable_gap.bits().signum() == sign {
                    market.stable_gap = Ratio::ZERO;
                }
            }
            account.evaluate()
        };
        let [whole, rises, falls] = [0, -1, 1].map(gapless);
        let charge = |verdict: &Verdict| micros(verdict.valuation.charges.stable);
        ensure!(charge(&whole) == charge(&rises) + charge(&falls), "{} {}", charge(&rises), charge(&falls));
        let mut exact = 0;
        for part in &whole.parts {
            let underlying = &account.underlyings[part.index];
            let value = |perp: &LinearPosition| {
                micros(underlying.market.price.value_down(perp.quantity, underlying.market.unit).unwrap())
            };
            let counts = |owned: &&Collateral| {
                account.mode != Mode::Isolated || underlying.has_positions() || owned.value.is_negative()
            };
            let own = underlying.collateral.iter().filter(counts).map(|owned| micros(owned.value)).sum::<i128>();
            let dated = part.dated.map_or(0, |dated| micros(dated.net));
            let net = underlying.perps.iter().map(value).sum::<i128>() + own + dated;
            exact += ceil(net * bits(underlying.market.stable_gap), ONE).max(0);
        }
        ensure!(charge(&whole) == exact, "{} instead of {exact}", charge(&whole));
        let without = Valuation {
            charges: rises.valuation.charges,
            initial_margin: rises.valuation.initial_margin,
            liquidation_end: rises.valuation.liquidation_end,
            ..whole.valuation
        };
        ensure!(without == rises.valuation, "{without:?}, not {:?}", rises.valuation);
        let [before, after] = [rises.margins(), whole.margins()];
        ensure!(before[0] == after[0] && before[2] <= after[2], "{before:?} {after:?}");
        Ok(())
    });
}

/// I-13: so many times the portfolio needs at least so many times the margin, in every mode and with every charge. Profit beyond
/// its cap is not counted, and so not charged either: there it is health that is at most so many times the health.
#[test]
fn margin_grows_at_least_with_size() {
    law_of("size", any_account, |account, rng| {
        let by = rng.within(2..=16);
        let (one, all) = (account.evaluate(), account.times(by).evaluate());
        let rounding = account.roundings() * i128::from(by);
        let caps = account.underlyings.iter().any(|underlying| underlying.market.profit_cap != Usd::NO_LIMIT);
        for level in 0..3 {
            let (one, all) = if caps {
                (-one.healths()[level], -all.healths()[level])
            } else {
                (one.margins()[level], all.margins()[level])
            };
            ensure!(all >= one * i128::from(by) - rounding, "level {level}: {all} for {by} times {one}");
        }
        ensure!(all.scan() >= one.scan() * i128::from(by) - rounding, "scan");
        Ok(())
    });
}

/// An upper bound of the delta in dollars of the options that two accounts hold against each other.
fn netted(one: &Account, other: &Account) -> i128 {
    let mut sum = 0;
    for (one, other) in one.underlyings.iter().zip(&other.underlyings) {
        for (dates, others) in one.expiries.iter().zip(&other.expiries) {
            for (strike, against) in dates.strikes.iter().zip(&others.strikes) {
                for (a, b) in [(strike.calls, against.calls), (strike.puts, against.puts)] {
                    if a.atoms().signum() * b.atoms().signum() < 0 {
                        let least = Quantity::new(a.atoms().abs().min(b.atoms().abs()));
                        sum += product_up(one.worth(dates.terms.forward, least), one.market.net_charge);
                    }
                }
            }
        }
    }
    sum
}

fn check_merger(account: &Account, rng: &mut Rng) -> Holds {
    let other = account.other_sizes(rng);
    let both = account.merged(&other);
    let Ok(merged) = both.try_evaluate() else { return Ok(()) };
    let (one, two) = (account.evaluate(), other.evaluate());
    let rounding = account.roundings() + other.roundings();
    let excess = merged.scan() - one.scan() - two.scan();
    ensure!(excess <= rounding, "scan {} of {} and {}", merged.scan(), one.scan(), two.scan());
    let concentration = netted(account, &other);
    for level in [0, 2] {
        let (merged, apart) = (merged.margins()[level], one.margins()[level] + two.margins()[level]);
        ensure!(
            merged <= apart + concentration + rounding,
            "level {level}: {merged} of {apart}, {concentration}, {rounding}\n{other:#?}"
        );
    }
    Ok(())
}

/// I-13: two accounts merged need no more maintenance and initial margin than apart, and scan alone no more either, without size
/// charge, ramp and cap of profit. One exception: a long option counts in the delta charge only as far as it helps, so where a
/// long option of one account closes a short one of the other that hedged something, the something is charged; at most the net
/// charge on the delta of the options that close each other.
#[test]
fn merging_accounts_needs_no_more_margin() {
    law_of("merger", |rng| account(rng).plain(), check_merger);
}

/// I-13: the same where nothing offsets.
#[test]
fn merging_cross_accounts_needs_no_more_margin() {
    law_of("cross merger", |rng| account(rng).plain().in_mode(Mode::Cross), check_merger);
}

/// I-13: what is added never lowers the scan by more than its opposite loses in its own worst scenario, nor raises it by more than
/// it loses itself: `scan(p) - scan(-q) <= scan(p + q) <= scan(p) + scan(q)`; and so in every cell of every underlying, where what is
/// held together gains at least what its parts gain.
#[test]
fn a_hedge_saves_no_more_than_it_gains_in_its_worst_scenario() {
    law_of(
        "hedge",
        |rng| account(rng).plain(),
        |account, rng| {
            let hedge = account.other_sizes(rng);
            let opposite = hedge.times(-1);
            let Ok(hedged) = account.merged(&hedge).try_evaluate() else { return Ok(()) };
            let (bare, rounding) = (account.evaluate(), account.roundings() + 2 * hedge.roundings());
            let (of_opposite, of_hedge) = (opposite.evaluate(), hedge.evaluate());
            let scans = [&bare, &hedged, &of_hedge, &of_opposite].map(Verdict::scan);
            let [alone, both, one, other] = scans;
            ensure!(alone <= both + other + rounding && both <= alone + one + rounding, "scans {scans:?}");
            let [bare, hedged, of_hedge, of_opposite] =
                [bare, hedged, of_hedge, of_opposite].map(|verdict| verdict.parts);
            for part in 0..bare.len() {
                for cell in 0..CELLS {
                    let of = |parts: &[Part]| micros(parts[part].array.cells()[cell]);
                    let (alone, both, one, other) = (of(&bare), of(&hedged), of(&of_hedge), of(&of_opposite));
                    ensure!(both >= alone + one - rounding, "cell {cell}: {both} of {alone} and {one}");
                    ensure!(alone >= both + other - rounding, "cell {cell}: {alone} of {both} and {other}");
                }
            }
            Ok(())
        },
    );
}

// ---- I-13: positions that cancel, and positions whose loss is limited ----

/// An account that holds options and futures of one expiry on one underlying, and no more.
fn of_one_expiry(market: Market, terms: Terms, options: OptionTerms, strikes: Vec<Strike>) -> Account {
    let expiries = vec![Dates { terms, futures: vec![], strikes }];
    Account {
        mode: Mode::Portfolio,
        cash: Usd::ZERO,
        collateral: vec![],
        underlyings: vec![Underlying { market, perps: vec![], collateral: vec![], expiries }],
        options,
        levels: Levels { maintenance_scan: ratio(800_000), liquidation_buffer: ratio(150_000), depeg: Ratio::ZERO },
    }
}

/// A market whose price cannot fall by more than 99 % in a cell: below, an option's price floor and a future part.
fn market_of_options(rng: &mut Rng) -> Market {
    let market = market(rng);
    Market { scan_range: market.scan_range.min(ratio(740_000)), ramp: Ratio::ONE, size: SizeCharge::NONE, ..market }
}

/// The largest result in any cell, of either sign.
fn largest(account: &Account) -> i128 {
    account.evaluate().parts[0].array.cells().iter().map(|cell| micros(*cell).abs()).max().unwrap()
}

fn negative(quantity: Quantity) -> Quantity {
    Quantity::new(-quantity.atoms())
}

/// I-10: what is stored of an expiry, a grid and a strike is read back as it was.
#[test]
fn what_is_stored_is_read_back() {
    law("words", |rng| {
        let market = market(rng);
        let expiry = Expiry::new(&terms(rng, market.price), &option_terms(rng)).unwrap();
        ensure!(Expiry::from_words(&expiry.to_words()) == expiry, "{expiry:?}");
        let nodes = Nodes::new(&Grid::new(market.scan_range).unwrap());
        ensure!(Nodes::from_words(&nodes.to_words()) == nodes, "{nodes:?}");
        let (strike, vol) = (StrikePrice::new(strike_price(rng, market.price)), vol(rng.within(50_000..=2_000_000)));
        ensure!(StrikePrice::from_words(&strike.to_words()) == strike, "{strike:?}");
        let (one, other) = (Quantity::new(rng.integer(ITEM)), Quantity::new(rng.integer(ITEM)));
        ensure!(Strike::at(&strike, vol, one, other) == Strike::new(strike.price(), vol, one, other), "{strike:?}");
        Ok(())
    });
}

/// I-14: with no time left options are worth what they pay, and neither they nor futures move in any cell; nothing is charged for
/// expiries moving apart.
#[test]
fn nothing_moves_at_expiry() {
    law_of("expired", any_account, |account, _| {
        let mut account = account.clone();
        for dates in account.underlyings.iter_mut().flat_map(|underlying| &mut underlying.expiries) {
            dates.terms.years = Years::from_seconds(0).unwrap();
        }
        for part in account.evaluate().parts {
            let Some(dated) = part.dated else { continue };
            let Underlying { market, expiries, .. } = &account.underlyings[part.index];
            ensure!(dated.cells == [Usd::ZERO; CELLS] && dated.futures == Usd::ZERO, "{dated:?}");
            ensure!(dated.basis == Usd::ZERO && dated.vega == Usd::ZERO, "{dated:?}");
            let (mut paid, mut rounding) = (0, 2);
            for Dates { terms, strikes, .. } in expiries {
                for strike in strikes {
                    let over = terms.forward.raw() - strike.price().raw();
                    let quantity = if over > 0 { strike.calls } else { strike.puts };
                    let exact = i128::from(over.abs()) * i128::from(quantity.atoms())
                        / 10i128.pow(u32::from(market.unit.digits()) + 4);
                    paid += (exact * bits(terms.discount)) >> 30;
                    rounding += 6;
                }
            }
            let off = (micros(dated.mark) - paid).abs();
            ensure!(off <= rounding + (account.underlyings[part.index].notional() >> 28), "{off} off {paid}");
        }
        Ok(())
    });
}

/// I-13: a long call, a short put of its strike and a short future are worth the same in every cell, at any time left, whatever
/// the volatility. To 2^-30 of the notional for each of forward, strike and their product with a price up to five times as high,
/// and 8 micro-dollars.
#[test]
fn put_call_parity_cancels_in_every_cell() {
    law("parity", |rng| {
        let market = market_of_options(rng);
        let terms = Terms { discount: Ratio::ONE, ..terms(rng, market.price) };
        let at = strike_price(rng, terms.forward);
        let held = quantity(rng, at.max(terms.forward), market.unit);
        let options = vec![strike(at, vol(rng.within(10_000..=3_000_000)), held, negative(held))];
        let mut account = of_one_expiry(market, terms, option_terms(rng), options);
        account.underlyings[0].expiries[0].futures =
            vec![LinearPosition { quantity: negative(held), quote: Usd::ZERO }];
        let (off, notional) = (largest(&account), account.underlyings[0].notional());
        ensure!(off <= 8 + ((notional * 4) >> 30), "{off} of {notional} in {account:#?}");
        Ok(())
    });
}

/// I-13: any quantity of a box, two strikes with a long call and short put of one and the opposite of the other, moves in no cell.
/// To 2^-30 of the notional per leg, the intrinsic value of each being known to that, and 8 micro-dollars.
#[test]
fn a_box_is_flat_in_every_cell() {
    law("box", |rng| {
        let market = market_of_options(rng);
        let terms = terms(rng, market.price);
        let prices = [0; 2].map(|_| strike_price(rng, terms.forward));
        let held = quantity(rng, prices[0].max(prices[1]).max(terms.forward), market.unit);
        let legs = [held, negative(held)];
        let strikes = prices
            .into_iter()
            .zip(legs)
            .map(|(at, held)| strike(at, vol(rng.within(10_000..=3_000_000)), held, negative(held)));
        let strikes = strikes.collect();
        let account = of_one_expiry(market, terms, option_terms(rng), strikes);
        let (off, notional) = (largest(&account), account.underlyings[0].notional());
        ensure!(off <= 8 + ((notional * 4) >> 30), "{off} of {notional} in {account:#?}");
        Ok(())
    });
}

/// A position of one expiry whose payoff lies between nothing and a width.
struct Defined {
    account: Account,
    /// Most that it can lose, from the mark and the payoff.
    loss: i128,
    /// Most that it can pay.
    width: i128,
    /// What the skew cells may make of it beyond that.
    skew: i128,
}

/// A vertical spread, butterfly or condor of calls or puts, long or short, at one volatility for all strikes: the shocks of the
/// grid keep it one volatility, so that only the skew cells can make a butterfly worth less than nothing.
fn defined_risk(rng: &mut Rng, options: OptionTerms) -> Defined {
    let market = market_of_options(rng);
    let terms = terms(rng, market.price);
    let level = rng.within(50_000..=2_000_000);
    let low = strike_price(rng, terms.forward);
    let step = i128::from(low.raw()) * i128::from(rng.within(1..=500)) / 1_000;
    let legs = rng.pick::<&[(i128, i64)]>(&[
        &[(0, 1), (1, -1)],
        &[(0, 1), (1, -2), (2, 1)],
        &[(0, 1), (1, -1), (2, -1), (3, 1)],
        &[(0, 1), (1, -1), (4, -1), (5, 1)],
    ]);
    let at = |steps: i128| price(i128::from(low.raw()) + step * steps);
    let (first, last) = (at(0), at(legs[legs.len() - 1].0));
    let held = quantity(rng, last.max(terms.forward), market.unit).atoms();
    let calls = rng.one_in(2);
    let strikes = legs.iter().map(|(steps, count)| {
        let (held, none) = (Quantity::new(held * count), Quantity::ZERO);
        let (calls, puts) = if calls { (held, none) } else { (none, held) };
        strike(at(*steps), vol(level), calls, puts)
    });
    let strikes = strikes.collect();
    let account = of_one_expiry(market, terms, options, strikes);
    // Rounded up, discounted.
    let worth = |price: i128| {
        let atoms = price * i128::from(held.abs());
        product_up(ceil(atoms, 10i128.pow(u32::from(market.unit.digits()) + 4)), terms.discount)
    };
    let width = worth(step);
    // A call spread that is long the lower strike pays up to the width, and a put spread so written costs it.
    let sign = if legs.len() == 2 && !calls { -held.signum() } else { held.signum() };
    let mark = account.evaluate().parts[0].dated.map_or(0, |dated| micros(dated.mark));
    let loss = mark + if sign < 0 { width } else { 0 };
    // Vega is at most 0.4 F sqrt(T); the smile turns by at most vol x cap/width x |ln(K/K')| away from one volatility, and
    // |ln(K/K')| is at most the step over the lower strike. For each leg but the reference, and twice where legs are far apart.
    let root = (terms.years.bits() as f64 / (1u64 << 40) as f64).sqrt();
    let turn = {
        let of = |ratio: Ratio| ratio.bits() as f64 / ONE as f64;
        let cap = (of(options.skew_cap) - of(options.skew_cap_slope) * root).max(0.0);
        cap / (of(options.skew_width) * root).max(of(options.skew_min_width))
    };
    let vega = 0.4 * root * (terms.forward.raw() as f64 / first.raw() as f64);
    let skew = vega * turn * level as f64 / 1e6 * width as f64 * if legs.len() > 2 { 2.0 } else { 0.0 };
    Defined { account, loss, width, skew: skew.ceil() as i128 }
}

/// Cells in which the smile does not turn.
const LEVEL_CELLS: usize = 29;

fn check_defined_risk(rng: &mut Rng, options: OptionTerms, short_share: i128) -> Holds {
    let Defined { account, loss, width, skew } = defined_risk(rng, options);
    let part = &account.evaluate().parts[0];
    let cells = part.array.cells().map(|cell| -micros(cell));
    let rounding = 16 + ((account.underlyings[0].notional() * 4) >> 30);
    let shaved = loss + ceil(width * short_share, ONE) + rounding;
    let level = *cells[..LEVEL_CELLS].iter().max().unwrap();
    ensure!(level <= shaved, "{level} of {loss}, width {width}, rounding {rounding} in {account:#?}");
    let turned = *cells[LEVEL_CELLS..].iter().max().unwrap();
    ensure!(turned <= shaved + skew, "{turned} of {loss} and {skew}, width {width} in {account:#?}");
    Ok(())
}

/// I-13: with time value counted in full, neither a vertical spread nor a butterfly nor a condor loses more in any cell than it can
/// lose at all; the skew cells excepted, where a turned smile has arbitrage by up to twice vega times its turn. To 4 x 2^-30 of
/// the notional and 16 micro-dollars.
#[test]
fn no_cell_charges_a_spread_more_than_its_maximum_loss() {
    law("spreads", |rng| {
        let options = OptionTerms { long_factor: Ratio::ONE, short_factor: Ratio::ONE, ..option_terms(rng) };
        check_defined_risk(rng, options, 0)
    });
}

/// I-13: with short time value counted in full and 4 % more, at most 4 % of the width more.
#[test]
fn no_cell_charges_a_spread_more_than_its_maximum_loss_and_a_part_of_its_width() {
    law("spreads with the short factor", |rng| {
        let options = option_terms(rng);
        let more = bits(options.short_factor) - ONE;
        check_defined_risk(rng, options, more)
    });
}

/// The factor of an expiry's loss at a third of the range, as the page has it, rounded up.
/// I-13: so the scan of a spread of one expiry is at most that loss too, the basis charge included: it is a part, never a multiple, of
/// a loss within the range.
#[test]
fn the_scan_of_a_spread_is_at_most_its_maximum_loss() {
    law("scan of spreads", |rng| {
        let options = OptionTerms { long_factor: Ratio::ONE, short_factor: Ratio::ONE, ..OptionTerms::standard() };
        let Defined { account, loss, skew, .. } = defined_risk(rng, options);
        let rounding = 32 + ((account.underlyings[0].notional() * 4) >> 30);
        let (scan, most) = (account.evaluate().scan(), loss + skew + rounding);
        ensure!(scan <= most, "{scan} of {loss}, {skew}, {rounding} in {account:#?}");
        Ok(())
    });
}

/// I-13: long options alone are never liquidated for want of margin: maintenance margin is at most 0.9 of their value, 0.8 of it in the
/// cells or the basis charge and 0.1 for volatility.
#[test]
fn long_options_need_at_most_their_value() {
    law_of(
        "long options",
        |rng| {
            let mut account = account(rng);
            account.options = OptionTerms::standard();
            account.mode = rng.pick(&[Mode::Portfolio, Mode::Cross]);
            account.collateral.clear();
            for underlying in &mut account.underlyings {
                underlying.perps.clear();
                underlying.collateral.clear();
                for dates in &mut underlying.expiries {
                    dates.futures.clear();
                    for Strike { calls, puts, .. } in &mut dates.strikes {
                        (*calls, *puts) = (Quantity::new(calls.atoms().abs()), Quantity::new(puts.atoms().abs()));
                    }
                }
            }
            account
        },
        |account, _| {
            let verdict = account.evaluate();
            let value: i128 = verdict.parts.iter().filter_map(|part| part.dated).map(|dated| micros(dated.mark)).sum();
            let most = ceil(value * 9, 10) + account.roundings();
            let [maintenance, ..] = verdict.margins();
            ensure!(maintenance <= most, "{maintenance} of {value}, at most {most}");
            ensure!(micros(verdict.valuation.charges.delta) == 0, "delta is charged");
            Ok(())
        },
    );
}

// ---- I-14: between the nodes of the grid ----

/// The normal density and distribution, to 10^-15.
fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

fn distribution(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut sum, mut term, mut n) = (x, x, 3.0);
    while sum + term != sum {
        term *= x * x / n;
        sum += term;
        n += 2.0;
    }
    0.5 + sum * density(x)
}

/// An undiscounted call.
fn call(forward: f64, strike: f64, sd: f64) -> f64 {
    let d1 = (forward / strike).ln() / sd + sd / 2.0;
    forward * distribution(d1) - strike * distribution(d1 - sd)
}

/// An option of a book as the page values it, in real numbers: values in micro-dollars.
struct Held {
    /// Micro-dollars per dollar of price, discounted, signed.
    size: f64,
    calls: bool,
    forward: f64,
    strike: f64,
    /// Of the forward that still moves.
    share: f64,
    /// Total volatility now, down and up.
    sd: [f64; 3],
}

fn real(ratio: Ratio) -> f64 {
    ratio.bits() as f64 / ONE as f64
}

fn dollars(price: Price) -> f64 {
    price.raw() as f64 / 1e10
}

impl Held {
    fn value(&self, moved: f64, sd: f64) -> f64 {
        let forward = self.forward * (1.0 + self.share * moved);
        let call = if sd > 1e-7 { call(forward, self.strike, sd) } else { (forward - self.strike).max(0.0) };
        self.size * if self.calls { call } else { call - forward + self.strike }
    }

    /// Between down (-1), same (0) and up (1).
    fn sd_at(&self, part: f64) -> f64 {
        let [now, down, up] = self.sd;
        if part < 0.0 { now + part * (now - down) } else { now + part * (up - now) }
    }

    fn result(&self, moved: f64, part: f64) -> f64 {
        self.value(moved, self.sd_at(part)) - self.value(0.0, self.sd[0])
    }

    /// Most by which a long option is worth less between two prices a third of the range apart than the line between them says:
    /// an eighth of the square of the step times the greatest gamma, and a quarter of the step times the change of the slope,
    /// which is at most one.
    fn sag(&self, range: f64) -> f64 {
        let step = range / 3.0 * self.share;
        let gamma = 0.4 / (self.sd[1].max(1e-12) * (1.0 - range * self.share));
        self.size.max(0.0) * self.forward * (step * step / 8.0 * gamma).min(step / 4.0)
    }
}

fn options_of(account: &Account) -> Vec<Held> {
    let mut all = vec![];
    let options = &account.options;
    for Underlying { market, expiries, .. } in &account.underlyings {
        let unit = 1e6 / 10f64.powi(i32::from(market.unit.digits()));
        for Dates { terms, strikes, .. } in expiries {
            let years = terms.years.bits() as f64 / (1u64 << 40) as f64;
            let (day, month) = (1.0 / 365.0, 30.0 / 365.0);
            let power = if years <= month { options.power_short } else { options.power_long };
            let tenor = (month / years.max(day)).powf(real(power));
            let share = (years / (1800.0 / 31_536_000.0)).min(1.0);
            for strike in strikes {
                let (price, Strike { vol, calls, puts, .. }) = (strike.price(), strike);
                let vol = vol.bits() as f64 / ONE as f64;
                let up = real(options.vol_floor).max(vol * (1.0 + real(options.vol_up) * tenor));
                let down = vol * (1.0 - real(options.vol_down) * tenor).max(0.0);
                let sd = [vol, down, up].map(|vol| (vol * years.sqrt()).min(24.0));
                for (held, calls) in [(calls, true), (puts, false)] {
                    let size = held.atoms() as f64 * unit * real(terms.discount);
                    let (forward, strike) = (dollars(terms.forward), dollars(price));
                    all.push(Held { size, calls, forward, strike, share, sd });
                }
            }
        }
    }
    all
}

/// What perps, own collateral and futures gain per unit of the price move, in micro-dollars.
fn slope(account: &Account) -> f64 {
    let mut sum = 0.0;
    for Underlying { market, perps, collateral, expiries } in &account.underlyings {
        let unit = 1e6 / 10f64.powi(i32::from(market.unit.digits()));
        sum += perps.iter().map(|perp| perp.quantity.atoms() as f64 * unit * dollars(market.price)).sum::<f64>();
        sum += collateral.iter().map(|collateral| collateral.value.micros() as f64).sum::<f64>();
        for Dates { terms, futures, .. } in expiries {
            let share = (terms.years.bits() as f64 / (1u64 << 40) as f64 * 31_536_000.0 / 1800.0).min(1.0);
            let value = |future: &LinearPosition| future.quantity.atoms() as f64 * unit * dollars(terms.forward);
            sum += futures.iter().map(value).sum::<f64>() * share;
        }
    }
    sum
}

/// An account of one underlying whose options keep within what real numbers are compared for: a vol at which rounding is small.
fn account_of_one(rng: &mut Rng) -> Account {
    let mut account = account(rng).of_one().plain();
    account.underlyings[0].market.scan_range = account.underlyings[0].market.scan_range.min(ratio(740_000));
    account
}

/// What the engine and real numbers may differ by: 8 x 2^-30 of the notional, and a micro-dollar for each rounding.
fn real_rounding(account: &Account) -> f64 {
    (account.roundings() + (account.underlyings[0].notional() >> 27)) as f64
}

/// I-14: a book of linear items and short options loses at no price within the range, between the nodes or at them, and at no
/// volatility between down and up, each strike at its own, more than in its worst cell: its loss is convex in the price and grows
/// with every volatility.
#[test]
fn nothing_is_lost_between_the_nodes_by_linear_items_and_short_options() {
    law_of(
        "short options between nodes",
        |rng| {
            let mut account = account_of_one(rng);
            for dates in &mut account.underlyings[0].expiries {
                for Strike { calls, puts, .. } in &mut dates.strikes {
                    (*calls, *puts) = (Quantity::new(-calls.atoms().abs()), Quantity::new(-puts.atoms().abs()));
                }
            }
            account
        },
        |account, rng| {
            let (scan, slope, options) = (account.evaluate().scan() as f64, slope(account), options_of(account));
            for _ in 0..4 {
                let moved = real(account.underlyings[0].market.scan_range) * (2.0 * rng.share() - 1.0);
                let result = options.iter().map(|held| held.result(moved, 2.0 * rng.share() - 1.0)).sum::<f64>();
                let excess = -(result + slope * moved) - scan;
                ensure!(excess <= real_rounding(account), "{excess} beyond {scan} at {moved}");
            }
            Ok(())
        },
    );
}

/// I-14: any book loses between the nodes at most `sag` of its long options more than in its worst cell when volatility is down, the
/// same or up; with volatility between these, at most an eighth of the sum of what its options gain or lose between down and
/// up more.
///
/// Measured over 10^6 points: 0.05 % of them lose more than the scan at all, by up to 0.84 of `sag` at the nodes of volatility and
/// 0.05 of the sum between them; in all at most 6.1 % of `R x gross value`, options by their forward. Of the scan itself there
/// is no such share: the worst cell of a long straddle between two nodes can be next to nothing.
#[test]
fn between_the_nodes_a_book_loses_little_more_than_in_its_worst_cell() {
    law_of("between nodes", account_of_one, |account, rng| {
        let (scan, slope, options) = (account.evaluate().scan() as f64, slope(account), options_of(account));
        let range = real(account.underlyings[0].market.scan_range);
        let sag: f64 = options.iter().map(|held| held.sag(range)).sum();
        for _ in 0..4 {
            let moved = range * (2.0 * rng.share() - 1.0);
            let node = rng.within(-1..=1) as f64;
            let excess = |part: f64| {
                let result = options.iter().map(|held| held.result(moved, part)).sum::<f64>();
                -(result + slope * moved) - scan
            };
            ensure!(
                excess(node) <= sag + real_rounding(account),
                "{} beyond {scan} at {moved}, {node}; {sag}",
                excess(node)
            );
            let part = 2.0 * rng.share() - 1.0;
            let span = |held: &Held| (held.result(moved, 1.0) - held.result(moved, -1.0)).abs();
            let spans: f64 = options.iter().map(span).sum();
            let most = sag + spans / 8.0 + real_rounding(account);
            ensure!(excess(part) <= most, "{} beyond {scan} at {moved}, {part}; {sag}, {spans}", excess(part));
        }
        Ok(())
    });
}

// ---- I-13: levels, modes, correlation, the worst cell ----

/// I-13: no margin is negative, the three are in order, maintenance sees at most the scan, and no charge is negative.
#[test]
fn the_three_margins_are_in_order_and_nothing_is_negative() {
    law_of("levels", any_account, |account, _| {
        let verdict = account.evaluate();
        let [maintenance, end, initial] = verdict.margins();
        ensure!(0 <= maintenance && maintenance <= end && end <= initial, "{maintenance}, {end}, {initial}");
        let seen: i128 = groups(account, &verdict, |array| *array).iter().map(Joint::maintenance_scan).sum();
        ensure!(0 <= seen && seen <= verdict.scan(), "{seen} of {}", verdict.scan());
        let Charges {
            basis,
            delta,
            naked_maintenance,
            vega,
            size,
            naked_initial,
            confidence,
            stable,
            collateral,
            depeg,
        } = verdict.valuation.charges;
        let all = [basis, delta, naked_maintenance, vega, size, naked_initial, confidence, stable, collateral, depeg];
        ensure!(all.iter().all(|charge| *charge >= Usd::ZERO), "{:?}", verdict.valuation.charges);
        let exact = product_up(seen, account.levels.maintenance_scan) + micros(delta + naked_maintenance + vega + size);
        ensure!(maintenance == exact, "maintenance margin {maintenance}, by the formula {exact}");
        Ok(())
    });
}

/// I-13: the less offsets the more margin: scan, maintenance and initial margin of a book in cross mode are at least those in
/// portfolio mode, and health in isolated mode is at most that in cross mode. An isolated account's own collateral counts only
/// where it has positions; there its margin may be less than in cross mode, by what the collateral itself needs.
#[test]
fn the_less_offsets_the_more_margin() {
    law_of(
        "modes",
        |rng| account(rng).steady(),
        |account, _| {
            let [portfolio, cross] = [Mode::Portfolio, Mode::Cross].map(|mode| account.in_mode(mode).evaluate());
            let rounding = account.roundings();
            ensure!(cross.scan() >= portfolio.scan() - rounding, "scan {} {}", cross.scan(), portfolio.scan());
            let equity = |verdict: &Verdict| micros(verdict.valuation.equity);
            ensure!(
                (equity(&cross) - equity(&portfolio)).abs() <= rounding,
                "equity {} {}",
                equity(&cross),
                equity(&portfolio)
            );
            for level in [0, 2] {
                let (less, more) = (cross.margins()[level], portfolio.margins()[level]);
                ensure!(less >= more - rounding, "level {level}: cross {less}, portfolio {more}, {rounding}");
            }
            let one = account.clone().of_one();
            let Some(first) = one.underlyings.first() else { return Ok(()) };
            let held = |dates: &Dates| !dates.futures.is_empty() || !dates.strikes.is_empty();
            let [isolated, cross] = [Mode::Isolated, Mode::Cross].map(|mode| one.in_mode(mode).evaluate().healths());
            if first.perps.is_empty() && !first.expiries.iter().any(held) {
                return Ok(());
            }
            ensure!((0..3).all(|level| isolated[level] <= cross[level]), "isolated {isolated:?}, cross {cross:?}");
            Ok(())
        },
    );
}

/// I-12: in isolated mode collateral elsewhere counts for nothing and a debt elsewhere counts in full: an added debt lowers health by
/// its value and haircuts. One in the own asset of another underlying: `guards.rs`.
#[test]
fn an_isolated_account_owes_its_debts_and_owns_nothing_elsewhere() {
    law_of(
        "isolated",
        |rng| account(rng).of_one().in_mode(Mode::Isolated),
        |account, rng| {
            let before = account.evaluate().healths();
            let mut after = account.clone();
            let added = collateral(rng);
            after.collateral.push(added);
            let after = after.evaluate().healths();
            let value = micros(added.value);
            let expected = |haircut| if value < 0 { value - product_up(-value, haircut) } else { 0 };
            let [maintenance, initial] = [added.haircuts.maintenance, added.haircuts.initial].map(expected);
            ensure!(after[0] - before[0] == maintenance, "maintenance {} {maintenance}", after[0] - before[0]);
            ensure!(after[2] - before[2] == initial, "initial {} {initial}", after[2] - before[2]);
            Ok(())
        },
    );
}

/// I-23: an account with one underlying apart is worth what it is worth whole, in every mode and group.
#[test]
fn an_account_split_is_worth_the_whole() {
    law_of("split", any_account, |account, rng| {
        let verdict = account.evaluate();
        let Some(part) = verdict.parts.get(rng.upto(verdict.parts.len().max(1) - 1)) else { return Ok(()) };
        let split = account.with_portfolio(|portfolio| portfolio.split(part.index, |_, _| ())).unwrap();
        let valuation = split.valuation(&account.levels).unwrap();
        ensure!(valuation == verdict.valuation, "{valuation:#?}, not {:#?}", verdict.valuation);
        ensure!(split.dated == part.dated, "{:?}", split.dated);
        Ok(())
    });
}

/// I-23: a takeover is whole lots or all of a position at the mark less the fee; it brings an account with options, groups and
/// any mode to its liquidation end and one lot less does not, or it raises health there and no tenth of the position raises it by
/// more than a hundredth of the difference. What is left alone is at its end, or is helped by no tenth.
#[test]
fn a_takeover_reaches_the_liquidation_end_or_helps_most() {
    const FEE_PPM: u32 = 5_000;
    let account = |rng: &mut Rng| {
        let mut account = any_account(rng).plain();
        for underlying in &mut account.underlyings {
            if underlying.perps.is_empty() {
                underlying.perps.push(linear(rng, underlying.market.price, underlying.market.unit));
            }
            if account.mode == Mode::Isolated {
                break;
            }
        }
        let end = account.evaluate().healths()[1];
        let margin = account.evaluate().margins()[1];
        let cash = micros(account.cash) - end - margin * i128::from(rng.within(-100..=1_500)) / 1_000;
        account.cash = usd(i64::try_from(cash.clamp(-(1 << 50), 1 << 50)).unwrap());
        account
    };
    law_of("takeover", account, |account, rng| {
        let index = rng.upto(account.underlyings.len().max(1) - 1);
        let Some(underlying) = account.underlyings.get(index) else { return Ok(()) };
        let Some(position) = underlying.perps.first() else { return Ok(()) };
        let size = position.quantity.atoms().abs();
        let lot = u32::try_from(size >> rng.within(0..=40)).unwrap_or(1).max(1);
        let after = |taken: &Takeover| {
            let mut after = account.clone();
            let position = &mut after.underlyings[index].perps[0];
            position.quantity = Quantity::new(position.quantity.atoms() - taken.quantity.atoms());
            position.quote += taken.price_paid;
            after.evaluate().healths()[1]
        };
        let take = |lots: i64| {
            let quantity = lots.saturating_mul(lot.into()).min(size) * position.quantity.atoms().signum();
            Takeover::at_mark_less_fee(&underlying.market, Quantity::new(quantity), FEE_PPM).unwrap()
        };
        let quote = account.with_portfolio(|portfolio| {
            quote_takeover(&portfolio.split(index, |_, _| ())?, position, lot.into(), FEE_PPM, &account.levels)
        });
        let (quote, before, all) = (quote.unwrap(), account.evaluate().healths()[1], size / i64::from(lot));
        let tenth = |tenths: i128| after(&take(i64::try_from(i128::from(all) * tenths / 10).unwrap()));
        // Not of few lots, where a tenth may flip the side of what is left, nor of cents, which rounding makes steps of.
        let few = all >> 14 == 0 || take(all).price_paid.abs() < usd(1_000_000);
        let best = if few { before } else { (1..=10).map(tenth).max().unwrap() };
        let slack = account.roundings();
        let Some(quote) = quote else {
            let left_alone = before >= 0 || best <= before + slack + (best - before) / 100;
            ensure!(left_alone, "{before}, though {best} is possible");
            return Ok(());
        };
        let lots = quote.quantity.atoms().abs() / i64::from(lot);
        let whole = quote.quantity.atoms().abs() == size || quote.quantity.atoms().abs() % i64::from(lot) == 0;
        ensure!(before < 0 && whole, "{before}, {quote:?} in lots of {lot}");
        let (reached, short) =
            (after(&quote), after(&take(lots - i64::from(quote.quantity.atoms().abs() % i64::from(lot) == 0))));
        if reached >= 0 {
            let visible =
                micros(underlying.market.price.value_up(Quantity::new(lot.into()), underlying.market.unit).unwrap())
                    >= 100;
            ensure!(!visible || short < 0, "{quote:?}: a lot less gives {short}");
        } else {
            ensure!(reached >= best - slack - (best - before).abs() / 100, "{before} to {reached}, not {best}");
        }
        Ok(())
    });
}

/// I-14: the cell named is the worst of the worst underlying, and its loss is in the array, or is the basis charge.
#[test]
fn the_worst_cell_reproduces_its_loss() {
    law_of("worst", any_account, |account, _| {
        let verdict = account.evaluate();
        let loss = |part: &Part| match part.worst {
            Cell::BASIS => part.basis(),
            cell => -micros(part.array.cells()[usize::from(cell.index())]),
        };
        for part in &verdict.parts {
            ensure!(
                loss(part) == part.loss(),
                "{:?} of {}: {}, not {}",
                part.worst,
                part.index,
                loss(part),
                part.loss()
            );
        }
        let Some(WorstCell { underlying, cell }) = verdict.valuation.worst else {
            ensure!(verdict.parts.is_empty(), "no worst cell");
            return Ok(());
        };
        let named = verdict.parts.iter().find(|part| part.index == usize::from(underlying)).unwrap();
        let most = verdict.parts.iter().map(loss).max().unwrap();
        ensure!(named.worst == cell && loss(named) == most, "{underlying} {cell:?}: {} of {most}", loss(named));
        Ok(())
    });
}

/// I-13: a larger kappa never raises the scan, and the scan lies between the loss in one common cell and the sum of the worst ones.
/// Exactly.
#[test]
fn correlation_only_lowers_the_scan_and_never_below_the_common_cell() {
    law_of("kappa", account, |account, rng| {
        let mut more = account.clone();
        let kappa = rng.ratio(0..=800_000).min(Ratio::MAX_KAPPA);
        for Underlying { market, .. } in &mut more.underlyings {
            market.group.kappa = market.group.kappa.max(kappa);
        }
        let (one, two) = (account.evaluate(), more.evaluate());
        ensure!(two.scan() <= one.scan(), "{} {}", two.scan(), one.scan());
        let groups = groups(account, &one, |array| *array);
        let sum = |of: fn(&Joint) -> i128| groups.iter().map(of).sum::<i128>();
        let (together, apart) = (sum(Joint::together), sum(|joint| joint.apart));
        ensure!(together <= one.scan() && one.scan() <= apart, "{together} <= {} <= {apart}", one.scan());
        Ok(())
    });
}

// ---- Expected shortfall ----

/// I-14: expected shortfall is not negative, at most the worst cell's loss, and that loss itself when the worst cell has all the
/// weight; of a portfolio at most the scan of its cells. To a micro-dollar per underlying.
#[test]
fn expected_shortfall_is_between_nothing_and_the_worst_cell() {
    law_of(
        "shortfall",
        |rng| account(rng).plain(),
        |account, rng| {
            let verdict = account.evaluate();
            let one_weight = |cell: usize| {
                let mut weights = [Ratio::ZERO; CELLS];
                weights[cell] = Ratio::ONE;
                CellWeights::new(weights).unwrap()
            };
            let weights = CellWeights::new(std::array::from_fn(|_| rng.ratio(1..=1_000_000))).unwrap();
            let tail = if rng.one_in(2) { ratio(25_000) } else { rng.ratio(1..=1_000_000) };
            let mut total = Shortfall::new(&weights, tail);
            for part in &verdict.parts {
                let worst = -micros(part.array.worst().1);
                let mean = micros(weights.shortfall(&part.array, tail));
                ensure!(0 <= mean && mean <= worst, "{mean} of {worst}");
                let least = micros(weights.shortfall(&part.array, Ratio::from_bits(1).unwrap()));
                ensure!(least == worst, "the least tail loses {least} of {worst}");
                let cell = rng.upto(CELLS - 1);
                let alone = micros(one_weight(cell).shortfall(&part.array, tail));
                ensure!(alone == (-micros(part.array.cells()[cell])).max(0), "cell {cell} alone: {alone}");
                total.add(account.underlyings[part.index].market.group, &part.array);
            }
            let (total, rounding) = (micros(total.total()), i128::try_from(verdict.parts.len()).unwrap());
            ensure!(0 <= total && total <= verdict.scan() + rounding, "{total} of {}", verdict.scan());
            Ok(())
        },
    );
}

// ---- Black (1976) ----

fn black(rng: &mut Rng) -> (Black76, Vol) {
    let forward = spot(rng);
    let option = Black76 {
        kind: rng.pick(&[OptionKind::Call, OptionKind::Put]),
        forward,
        strike: strike_price(rng, forward),
        years: years(rng),
        discount: if rng.one_in(2) { Ratio::ONE } else { rng.ratio(300_000..=1_000_000) },
    };
    (option, vol(rng.within(1_000..=5_000_000)))
}

/// The steps in which a value is known, 2^-`bits` of the greater of forward and strike, and one of rounding.
fn steps(option: &Black76, bits: u32) -> i64 {
    1 + (option.forward.max(option.strike).raw() >> bits)
}

/// A call less a put is the discounted forward less the strike, to one step of rounding each.
#[test]
fn a_call_less_a_put_is_the_forward_less_the_strike() {
    law("call-put parity", |rng| {
        let (option, vol) = black(rng);
        let [call, put] = [OptionKind::Call, OptionKind::Put].map(|kind| Black76 { kind, ..option }.value_down(vol));
        let difference = i128::from(option.forward.raw() - option.strike.raw()) * bits(option.discount);
        let off = i128::from(call - put) - difference.div_euclid(ONE);
        ensure!((-1..=1).contains(&off), "off by {off}: {option:?} {vol:?}");
        Ok(())
    });
}

/// More volatility or more time never lowers a value, and a strike further away never raises it: to 2^-29 of the greater of forward
/// and strike, the error of the distribution function.
#[test]
fn a_value_grows_with_volatility_and_falls_with_the_strike() {
    law("monotone", |rng| {
        let (option, vol) = black(rng);
        let wider = Vol::from_bits(vol.bits() + rng.integer(vol.bits()).abs()).unwrap();
        let (one, two) = (option.value_down(vol), option.value_down(wider));
        ensure!(two >= one - steps(&option, 29), "{one} to {two} at {wider:?}: {option:?} {vol:?}");
        let further = price(i128::from(option.strike.raw()) + i128::from(rng.integer(option.strike.raw()).abs()));
        let other = Black76 { strike: further, ..option };
        let (one, two) = (option.value_down(vol), other.value_down(vol));
        let rise = if option.kind == OptionKind::Call { two - one } else { one - two };
        ensure!(rise <= steps(&other, 29), "{one} to {two} at {further:?}: {option:?} {vol:?}");
        Ok(())
    });
}

/// A value is at least the discounted intrinsic one, exactly, and at most the discounted forward (call) or strike (put), to 2^-30 of
/// the greater of the two; delta is between 0 and the discount, and call and put deltas are the discount apart.
#[test]
fn a_value_and_a_delta_keep_within_their_bounds() {
    law("bounds", |rng| {
        let (option, vol) = black(rng);
        let (forward, strike) = (option.forward.raw(), option.strike.raw());
        let (paid, most) =
            if option.kind == OptionKind::Call { (forward - strike, forward) } else { (strike - forward, strike) };
        let discounted = |amount: i64| i128::from(amount) * bits(option.discount);
        let value = i128::from(option.value_down(vol)) * ONE;
        ensure!(value > discounted(paid.max(0)) - ONE, "{value} below the intrinsic value: {option:?} {vol:?}");
        ensure!(value <= discounted(most) + i128::from(steps(&option, 30)) * ONE, "{value}: {option:?} {vol:?}");
        let delta = |kind| Black76 { kind, ..option }.greeks(vol, Log::ZERO).delta;
        let (call, put) = (delta(OptionKind::Call), delta(OptionKind::Put));
        let most = option.discount.bits();
        ensure!((0..=most).contains(&call) && (-most..=0).contains(&put), "{call} {put}: {option:?} {vol:?}");
        ensure!((call - put - most).abs() <= 1, "{call} {put}: {option:?} {vol:?}");
        Ok(())
    });
}

/// A value goes to the intrinsic one as time goes to nothing: time value is at most `0.4 vol sqrt(T)` of the greater of forward and
/// strike, to 2^-29 of it, and nothing at expiry.
#[test]
fn a_value_is_continuous_at_expiry() {
    law("expiry", |rng| {
        let (option, vol) = black(rng);
        let years = Years::from_bits(rng.integer(1 << 30).abs()).unwrap();
        let at = |years| Black76 { years, ..option }.value_down(vol);
        let (now, soon) = (at(Years::default()), at(years));
        let sd = vol.bits() as f64 / ONE as f64 * (years.bits() as f64 / (1u64 << 40) as f64).sqrt();
        let (forward, strike) = (option.forward.raw(), option.strike.raw());
        let paid = if option.kind == OptionKind::Call { forward - strike } else { strike - forward }.max(0);
        let left = i128::from(now) - i128::from(paid) * bits(option.discount) / ONE;
        ensure!((0..=steps(&option, 29).into()).contains(&left), "{left} left at expiry: {option:?} {vol:?}");
        let most = 0.4 * sd * option.forward.max(option.strike).raw() as f64 + steps(&option, 29) as f64;
        ensure!((-1.0..=most).contains(&((soon - now) as f64)), "{now} to {soon}, {most}: {option:?} {vol:?}");
        Ok(())
    });
}

/// An implied volatility prices the option back: to 2^-29 of the greater of forward and strike, since a step of total volatility is
/// 2^-30 and a step of the distribution function 2^-32, and what volatility gives the value is told no better.
#[test]
fn an_implied_volatility_prices_its_option_back() {
    law("implied volatility", |rng| {
        let (option, vol) = black(rng);
        let value = option.value_down(vol);
        let Ok(implied) = option.implied_vol(value) else { return Ok(()) };
        let back = option.value_down(implied);
        ensure!(
            (back - value).abs() <= 1 + steps(&option, 29),
            "{value} and {back} at {implied:?}: {option:?} {vol:?}"
        );
        Ok(())
    });
}

// ---- Smiles ----

/// In steps of 2^-48.
fn steps_48(value: f64) -> i64 {
    (value * (1u64 << 48) as f64).round() as i64
}

fn smile(a: f64, b: f64, rho: f64, m: f64, sigma: f64) -> Result<Smile, RiskError> {
    let [a, b, rho, m, sigma] = [a, b, rho, m, sigma].map(steps_48);
    Smile::new(SmileParameters { a, b, rho, m, sigma })
}

/// The raw slice of the natural parameters `v, psi, p, c, least` at T = 1, Gatheral and Jacquier (2014), lemma 3.2.
fn of_jump_wings(v: f64, psi: f64, p: f64, c: f64, least: f64) -> Smile {
    let root = v.sqrt();
    let b = root / 2.0 * (c + p);
    let rho = 1.0 - p * root / b;
    let beta = rho - 2.0 * psi * root / b;
    let alpha = beta.signum() * (1.0 / (beta * beta) - 1.0).sqrt();
    let m =
        (v - least) / (b * (-rho + alpha.signum() * (1.0 + alpha * alpha).sqrt() - alpha * (1.0 - rho * rho).sqrt()));
    let sigma = alpha * m;
    smile(least - b * sigma * (1.0 - rho * rho).sqrt(), b, rho, m, sigma).unwrap()
}

/// Axel Vogt's slice has a butterfly below nothing; the slices that Gatheral and Jacquier repair it to (section 5.1: c and the least
/// variance of the SSVI limit, and the closest without arbitrage) have none.
#[test]
fn the_density_check_refuses_vogts_slice_and_accepts_the_repaired_ones() {
    let vogt = smile(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153).unwrap();
    assert!(!vogt.is_free_of_butterflies());
    let (v, psi, p) = (0.017_426_25, -0.175_211_1, 0.699_738_1);
    assert!(!of_jump_wings(v, psi, p, 1.316_798, 0.011_624_9).is_free_of_butterflies());
    assert!(of_jump_wings(v, psi, p, 0.349_315_8, 0.015_481_82).is_free_of_butterflies());
    assert!(of_jump_wings(v, psi, p, 0.856_476_3, 0.011_624_9).is_free_of_butterflies());
}

fn any_smile(rng: &mut Rng) -> Option<Smile> {
    let mut between = |low: f64, high: f64| low + (high - low) * rng.share();
    smile(between(-0.05, 0.5), between(0.0, 1.0), between(-0.99, 0.99), between(-1.0, 1.0), between(0.001, 1.0)).ok()
}

/// A volatility is positive and within its type at every strike, the same beyond |k| = 4, and does not jump; a slice never crosses
/// itself, and one lifted crosses none below it. (w moves by at most b (1 + |rho|), so below 2 per unit of k.)
#[test]
fn a_smile_is_positive_flat_in_the_wings_and_above_what_it_was_lifted_from() {
    law("smiles", |rng| {
        let Some(slice) = any_smile(rng) else { return Ok(()) };
        let years = years(rng).max(Years::from_bits(1 << 24).unwrap());
        let at = |k: i64| slice.vol_at(Log::from_bits(k).unwrap(), years).map(Vol::bits);
        let k = rng.integer(4 << 48);
        let Ok(vol) = at(k) else { return Ok(()) };
        ensure!(vol > 0, "{slice:?} at {k}");
        let beyond = (4i64 << 48) + rng.integer(1 << 60).abs();
        ensure!(at(beyond) == at(4 << 48) && at(-beyond) == at(-4 << 48), "{slice:?} beyond {beyond}");
        let variance = |vol: i64| (vol as f64 / ONE as f64).powi(2) * years.bits() as f64 / (1u64 << 40) as f64;
        let step = rng.integer(1 << 40);
        if let Ok(near) = at((k + step).clamp(-4 << 48, 4 << 48)) {
            let jump = (variance(near) - variance(vol)).abs();
            let rounding =
                4.0 / ONE as f64 * (vol.max(near) as f64 / ONE as f64) * years.bits() as f64 / (1u64 << 40) as f64;
            ensure!(
                jump <= 2.0 * step.abs() as f64 / (1u64 << 48) as f64 + rounding + 1e-17,
                "{slice:?} jumps {jump} at {k}"
            );
        }
        ensure!(slice.is_free_of_calendar_spreads(&slice), "{slice:?} crosses itself");
        Ok(())
    });
}

/// I-14: the calendar check accepts a slice above another and refuses it below.
#[test]
fn the_calendar_check_tells_above_from_below() {
    law("calendar", |rng| {
        let mut between = |low: f64, high: f64| low + (high - low) * rng.share();
        let (a, b, rho) = (between(0.0, 0.5), between(0.001, 1.0), between(-0.99, 0.99));
        let (m, sigma, more) = (between(-1.0, 1.0), between(0.001, 1.0), between(1e-9, 0.1));
        let low = smile(a, b, rho, m, sigma).unwrap();
        for high in [smile(a + more, b, rho, m, sigma).unwrap(), smile(a, b, rho, m, sigma + more).unwrap()] {
            ensure!(high.is_free_of_calendar_spreads(&low), "{high:?} above {low:?}");
            ensure!(!low.is_free_of_calendar_spreads(&high), "{low:?} below {high:?}");
        }
        // A steeper slice through the same turn is above in both wings; a flatter one with a higher level crosses it.
        let steep = smile(a, b * 2.0, rho, m, sigma).unwrap();
        ensure!(steep.is_free_of_calendar_spreads(&low), "{steep:?} above {low:?}");
        Ok(())
    });
}

// ---- Functions ----

/// An integer of any length.
fn any_u64(rng: &mut Rng) -> u64 {
    rng.next() >> rng.within(0..=63)
}

/// The exponential undoes the logarithm, to 2^-41 and 2^-43 relative; and sums of logarithms are logarithms of products.
#[test]
fn the_exponential_of_a_logarithm_is_the_number() {
    law("exp log", |rng| {
        // The exponential takes up to 44, which is ln 2^63.5.
        let n = (any_u64(rng) >> 1).max(1);
        let Scaled { mantissa, exponent } = Log::of(n).unwrap().exp().unwrap();
        let back = mantissa as f64 * 2f64.powi(exponent);
        let off = back / n as f64 - 1.0;
        ensure!(off.abs() <= 2f64.powi(-41) + 2f64.powi(-43) + 2f64.powi(-51), "{n}: off by {off:e}");
        ensure!((1 << 62..1 << 63).contains(&mantissa), "{n}: mantissa {mantissa}");
        let (a, b) = (any_u64(rng).max(1) >> 32, any_u64(rng).max(1) >> 32);
        if a * b > 0 {
            let [a, b, product] = [a, b, a * b].map(|n| Log::of(n).unwrap().bits());
            ensure!((a + b - product).abs() <= 3 << 5, "{}", a + b - product);
        }
        Ok(())
    });
}

/// More never has a smaller logarithm, exponential or distribution, beyond twice the error of each: 2^-43, 2^-41 relative, and
/// 5 x 10^-10.
#[test]
fn functions_are_monotone_within_their_error() {
    law("monotone functions", |rng| {
        let n = any_u64(rng).max(1);
        let more = n.saturating_add(any_u64(rng));
        let (one, two) = (Log::of(n).unwrap().bits(), Log::of(more).unwrap().bits());
        ensure!(two >= one - (2 << 5), "ln {n} {more}");
        let x = rng.integer(44 << 48);
        let y = (x + rng.integer(44 << 48)).clamp(-44 << 48, 44 << 48);
        let (x, y) = (x.min(y), x.max(y));
        let exp = |x| Log::from_bits(x).unwrap().exp().unwrap();
        let (one, two) = (exp(x), exp(y));
        let of = |s: Scaled| s.mantissa as f64 * 2f64.powi(s.exponent);
        ensure!(of(two) >= of(one) * (1.0 - 2f64.powi(-40)), "exp {x} {y}");
        let x = rng.integer(12 << 30);
        let y = x + rng.integer(12 << 30).abs();
        ensure!(normal_cdf(y) >= normal_cdf(x) - 5, "N({x}) N({y})");
        Ok(())
    });
}

/// The distribution function is symmetric, and it and the density are the real ones: to 5 x 10^-10 (2.2 steps of 2^-32) and 10^-9.
#[test]
fn the_normal_distribution_is_symmetric_and_right() {
    law("normal", |rng| {
        let d = rng.integer(12 << 30);
        let sum = normal_cdf(d) + normal_cdf(-d) - (1 << 32);
        ensure!(sum.abs() <= 5, "{d}: off by {sum}");
        let x = d as f64 / ONE as f64;
        let (cdf, pdf) = (normal_cdf(d) as f64 / (1u64 << 32) as f64, normal_pdf(d) as f64 / (1u64 << 60) as f64);
        ensure!((cdf - distribution(x)).abs() < 5e-10, "N({x}) = {cdf}");
        ensure!((pdf - density(x)).abs() < 1e-9 && normal_pdf(d) == normal_pdf(-d), "density of {x}: {pdf}");
        Ok(())
    });
}

/// A root is the greatest integer whose square is at most the number; a power's logarithm is the product, rounded down.
#[test]
fn roots_and_powers_are_exact() {
    law("roots", |rng| {
        let n = u128::from(rng.next()) << 64 | u128::from(rng.next());
        let n = n >> rng.within(0..=127);
        let root = u128::from(sqrt_down(n));
        ensure!(root * root <= n && (root + 1).checked_mul(root + 1).is_none_or(|next| next > n), "{n}: {root}");
        let (log, exponent) = (rng.integer((1 << 62) - 1), rng.integer(i64::MAX));
        let exact = (i128::from(log) * i128::from(exponent)) >> 48;
        let power = Log::from_bits(log).unwrap().power(exponent).map(|power| i128::from(power.bits()));
        let within = exact.abs() < 1 << 62;
        ensure!(power == if within { Ok(exact) } else { Err(RiskError::LogOutOfRange) }, "{log} x {exponent}");
        Ok(())
    });
}

// ---- Ranges ----

/// I-16: a range falls by at most 5 % of itself a day, however often it is looked at, and by no more than 5 % in one look; it is
/// never above both what it was and the target, and rises at once. (It falls to within two steps of 2^-30.)
#[test]
fn a_range_rises_at_once_and_falls_slowly() {
    law("range", |rng| {
        let before = ScanRange { range: rng.ratio(1_000..=1_000_000), ramp: rng.ratio(1..=1_000_000), time: 0 };
        let target = rng.ratio(1_000..=1_000_000);
        let (mut after, mut time) = (before, 0);
        for _ in 0..rng.within(1..=6) {
            time += rng.integer(200_000).abs();
            let last = after;
            after = after.moved_to(target, time);
            ensure!(
                after.range >= target.min(last.range) && after.range <= target.max(last.range),
                "{last:?} to {after:?}"
            );
            ensure!(after.range == target || target < last.range, "a rise waits: {last:?} to {after:?}");
            ensure!(after.range.bits() * 20 >= last.range.bits() * 19, "{last:?} to {after:?}");
        }
        let least = bits(before.range) * (20 * 86_400 - i128::from(time)) / (20 * 86_400);
        ensure!(bits(after.range) >= least.min(bits(target)), "{before:?} to {after:?} in {time} s");
        Ok(())
    });
}

/// I-16: the ramp is positive and at most one, `ramp x range` does not change on a rise, to a step of the ramp upwards, and the ramp
/// grows by 10 % of itself an hour and never falls but on a rise.
#[test]
fn a_risen_range_reaches_maintenance_slowly() {
    law("ramp", |rng| {
        let before = ScanRange { range: rng.ratio(1_000..=1_000_000), ramp: rng.ratio(1..=1_000_000), time: 0 };
        let rise = before.moved_to(Ratio::from_bits(before.range.bits() + rng.integer(1 << 30).abs()).unwrap(), 0);
        let seen = |range: &ScanRange| bits(range.range) * bits(range.ramp);
        let gap = seen(&rise) - seen(&before);
        ensure!((0..=bits(rise.range)).contains(&gap), "{before:?} to {rise:?}");
        let time = rng.integer(400_000).abs();
        let later = rise.moved_to(rng.ratio(1_000..=1_000_000).min(rise.range), time);
        ensure!(rise.ramp.bits() > 0 && later.ramp >= rise.ramp && later.ramp <= Ratio::ONE, "{rise:?} to {later:?}");
        let grown = bits(rise.ramp) * (36_000 + i128::from(time)) / 36_000;
        let off = bits(later.ramp) - grown.min(ONE);
        ensure!(time > 360_000 || (-1..=1).contains(&off), "{rise:?} to {later:?}, off by {off}");
        Ok(())
    });
}

fn range_terms(rng: &mut Rng) -> RangeTerms {
    let least = rng.within(1..=500_000);
    RangeTerms {
        multiple: rng.ratio(500_000..=5_000_000),
        horizon: Years::from_seconds(rng.within(3_600..=7 * 86_400)).unwrap(),
        least: ratio(least),
        most: ratio(least + rng.within(0..=1_000_000)),
        memory_secs: rng.within(60..=30 * 86_400),
        interval_secs: rng.within(0..=3_600),
    }
}

fn volatility(rng: &mut Rng) -> Volatility {
    Volatility { variance: rng.integer(1 << 40).abs(), price: spot(rng), time: 0 }
}

/// An estimate stays within its bounds and does not see prices within the interval or from the past; the target is within its
/// bounds, and grows with the estimate.
#[test]
fn an_estimate_is_bounded_and_ignores_what_is_too_close() {
    law("estimate", |rng| {
        let (terms, before) = (range_terms(rng), volatility(rng));
        let (price, time) = (spot(rng), rng.integer(400 * 86_400));
        let after = before.observe(price, time, &terms);
        if time < terms.interval_secs.max(1) {
            ensure!(after == before, "{before:?} to {after:?} after {time}");
        } else {
            ensure!((after.price, after.time) == (price, time), "{after:?}");
        }
        ensure!((0..=1 << 40).contains(&after.variance), "{after:?}");
        let target = |variance| Volatility { variance, ..after }.target(&terms).unwrap();
        let now = target(after.variance);
        ensure!(terms.least <= now && now <= terms.most, "{now:?}");
        ensure!(target(after.variance / 2) <= now, "the target falls with the estimate");
        Ok(())
    });
}

/// Two looks are one look: while each return is the square root of its time apart, as at an unchanged price, the estimate is the same
/// whether it was made in one step or in two. To 2^-29 of the estimate for two factors in 2^-30, and two steps.
#[test]
fn an_estimate_is_additive_in_time() {
    law("additive", |rng| {
        let terms = RangeTerms { interval_secs: 1, ..range_terms(rng) };
        let before = volatility(rng);
        let (first, second) = (rng.within(1..=86_400), rng.within(1..=86_400));
        let look = |from: &Volatility, time| from.observe(before.price, time, &terms);
        let twice = look(&look(&before, first), first + second).variance;
        let once = look(&before, first + second).variance;
        ensure!((twice - once).abs() <= 2 + (before.variance >> 29), "{once} and {twice} of {before:?}");
        // A return of the square root of its time: the variance of each step is the same, and the two of them are the whole.
        let day = rng.within(1..=40_000);
        let log = |price: Price| Log::of_price(price).bits() as f64 / (1u64 << 48) as f64;
        let up = price(i128::from(before.price.raw()) * 1_010_000 / 1_000_000);
        let still = Volatility { variance: 0, ..before };
        let after = still.observe(up, day, &terms);
        let moved = log(up) - log(before.price);
        let faded = -(-(day as f64) / terms.memory_secs as f64).exp_m1();
        let exact = (moved * moved / day as f64 * 31_536_000.0 * faded).min(1024.0) * ONE as f64;
        let off = (after.variance as f64 - exact).abs();
        let sample = moved * moved / day as f64 * 31_536_000.0;
        ensure!(off <= 4.0 + sample * 2.0 + exact * 1e-7, "{} instead of {exact}", after.variance);
        Ok(())
    });
}

// ---- Corners: nothing panics ----

const CORNERS: [i64; 23] = [
    i64::MIN,
    i64::MIN + 1,
    -(1 << 62),
    -(1 << 56) - 1,
    -(1 << 50),
    -(1 << 33),
    -(1 << 30),
    -1,
    0,
    1,
    2,
    1 << 20,
    (1 << 30) - 1,
    1 << 30,
    (1 << 33) - 1,
    1 << 35,
    1 << 40,
    8 << 40,
    1 << 50,
    100_000_000_000_000_000,
    1 << 62,
    i64::MAX - 1,
    i64::MAX,
];

fn corners<T, E>(of: impl Fn(i64) -> Result<T, E>) -> Vec<T> {
    CORNERS.iter().filter_map(|corner| of(*corner).ok()).collect()
}

/// Every function that takes numbers is called with every corner of their types, in every combination: none panics, whether it answers
/// or refuses.
#[test]
fn no_corner_of_a_number_panics() {
    let unsigned = CORNERS.map(|corner| corner.cast_unsigned());
    let small = [0u32, 1, 9, 30, 48, 63, 64, 126, 1_000_000, 7_999_999, 8_000_000, i32::MAX.cast_unsigned(), u32::MAX];
    for n in unsigned {
        _ = Log::of(n).map(|log| log.exp().map(|exp| exp.fixed_down(30)));
        for m in unsigned {
            _ = sqrt_down(u128::from(n) << 64 | u128::from(m));
        }
    }
    for a in CORNERS {
        _ = (normal_cdf(a), normal_pdf(a), Quantity::new(a), Usd::new(a), Price::new(a), Vol::from_bits(a));
        _ = (Years::from_bits(a), Years::from_seconds(a), Ratio::from_bits(a), Log::from_bits(a));
        for b in CORNERS {
            _ = Ratio::of_up(a, b);
            _ = Log::from_bits(a).map(|log| (log.power(b), log.exp()));
        }
    }
    for ppm in small {
        _ = Ratio::from_ppm_up(ppm);
        for exp in corners(Log::from_bits).iter().filter_map(|log| log.exp().ok()) {
            if ppm < 1 << 31 {
                // Beyond, exponent and bits add up to more than an i32: a number of bits that no caller has.
                _ = exp.fixed_down(ppm.min((1 << 31) - 200));
            }
        }
    }
    let (ratios, prices, amounts) = (corners(Ratio::from_bits), corners(Price::new), corners(Usd::new));
    let units = [0, 1, 9, 18].map(|digits| Decimals::new(digits).unwrap());
    _ = (0..=u8::MAX).map(Decimals::new).filter(Result::is_ok).count();
    for price in &prices {
        for unit in units {
            for atoms in CORNERS {
                _ = price.value_down(Quantity::new(atoms), unit);
                _ = price.value_up(Quantity::new(atoms), unit);
                _ = price.collateral_value_down(atoms.cast_unsigned(), unit);
            }
        }
    }
    for amount in &amounts {
        for ratio in &ratios {
            _ = (amount.mul_down(*ratio), amount.mul_up(*ratio));
        }
        for ppm in [0, 1, 1_000_000] {
            _ = amount.fee_up(ppm);
        }
    }
    for ratio in &ratios {
        _ = Grid::new(*ratio);
    }
}

/// The same of options: forwards and strikes from 10^-10 dollars to ten millions, of every volatility, time and discount.
/// Sensitivities with a logarithm of the discount that belongs to it; `log_discount` of any size overflows theta's product.
#[test]
fn no_corner_of_an_option_panics() {
    let (prices, years, vols) = (corners(Price::new), corners(Years::from_bits), corners(Vol::from_bits));
    let discounts = corners(Ratio::from_bits);
    let options = OptionTerms::standard();
    for (forward, strike) in prices.iter().flat_map(|forward| prices.iter().map(move |strike| (*forward, *strike))) {
        for (years, discount) in
            years.iter().flat_map(|years| discounts.iter().map(move |discount| (*years, *discount)))
        {
            _ = Expiry::new(&Terms { years, forward, discount }, &options);
            for kind in [OptionKind::Call, OptionKind::Put] {
                let option = Black76 { kind, forward, strike, years, discount };
                for vol in &vols {
                    _ = option.value_down(*vol);
                    _ = option.greeks(*vol, Log::ZERO);
                }
                for value in [i64::MIN, -1, 0, 1, strike.raw(), forward.raw(), i64::MAX] {
                    _ = option.implied_vol(value);
                }
            }
        }
    }
}

/// The same of smiles and ranges.
#[test]
fn no_corner_of_a_smile_or_a_range_panics() {
    let some = [i64::MIN, -(8 << 48), -(1 << 48) + 1, -1, 0, 1, 1 << 20, (1 << 48) - 1, 8 << 48, i64::MAX];
    for [a, b, rho] in some.iter().flat_map(|a| some.map(|b| some.map(|rho| [*a, b, rho]))).flatten() {
        for [m, sigma] in some.map(|m| some.map(|sigma| [m, sigma])).into_iter().flatten() {
            let Ok(smile) = Smile::new(SmileParameters { a, b, rho, m, sigma }) else { continue };
            _ = (smile.is_free_of_butterflies(), smile.is_free_of_calendar_spreads(&smile));
            for k in corners(Log::from_bits) {
                for years in corners(Years::from_bits) {
                    _ = smile.vol_at(k, years);
                }
                // A setter's mesh ends at 2; further out the square of Durrleman's first term can pass 2^127.
                if k.bits().abs() <= 2 << 48 {
                    _ = smile.density(k);
                }
            }
        }
    }
    let ratios = corners(Ratio::from_bits);
    for (variance, time, now) in
        CORNERS.iter().flat_map(|a| CORNERS.iter().flat_map(move |b| CORNERS.iter().map(move |c| (*a, *b, *c))))
    {
        let terms = RangeTerms {
            multiple: Ratio::MAX,
            horizon: Years::MAX,
            least: Ratio::ONE,
            most: Ratio::MAX,
            memory_secs: now,
            interval_secs: time,
        };
        for price in corners(Price::new) {
            let after = Volatility { variance, price: Price::MAX, time }.observe(price, now, &terms);
            _ = (after.target(&terms), Volatility { variance, ..after }.target(&terms));
        }
        let positive = ratios.iter().filter(|ratio| **ratio > Ratio::ZERO);
        for range in positive.clone() {
            for target in positive.clone() {
                _ = ScanRange { range: *range, ramp: Ratio::ONE, time }.moved_to(*target, now);
            }
        }
    }
}

/// The same of whole portfolios: one underlying with a perp, a future, an option and collateral, every corner of every size.
#[test]
fn no_corner_of_a_portfolio_panics() {
    let wide = Ratio::MAX;
    let options = OptionTerms::standard();
    let sizes = [i64::MIN, -(1 << 50), -1, 0, 1, 1 << 30, 1 << 50, i64::MAX].map(Quantity::new);
    let prices = [1, 1 << 33, 1 << 40, 100_000_000_000_000_000].map(|raw| Price::new(raw).unwrap());
    for (spot, forward, at) in prices.iter().flat_map(|a| prices.map(|b| prices.map(|c| (*a, b, c)))).flatten() {
        for [perp, calls, puts] in sizes.iter().flat_map(|a| sizes.map(|b| sizes.map(|c| [*a, b, c]))).flatten() {
            for (digits, value) in [(0, Usd::MAX), (9, -Usd::MAX), (18, Usd::ZERO)] {
                let market = Market {
                    price: spot,
                    confidence: wide,
                    stable_gap: Ratio::ONE,
                    unit: Decimals::new(digits).unwrap(),
                    scan_range: ratio(3_000_000),
                    net_charge: wide,
                    hedged_charge: wide,
                    profit: Haircuts { maintenance: wide, initial: wide },
                    profit_cap: Usd::NO_LIMIT,
                    size: SizeCharge { depth: usd(1), slope: wide, cap: wide },
                    ramp: wide,
                    group: Group { id: 63, kappa: Ratio::MAX_KAPPA },
                };
                let terms = Terms { years: Years::from_bits(digits.into()).unwrap(), forward, discount: Ratio::ONE };
                let vol = if digits == 0 { Vol::MAX } else { Vol::from_bits(1).unwrap() };
                let mut account = of_one_expiry(market, terms, options, vec![strike(at, vol, calls, puts)]);
                account.levels = Levels { maintenance_scan: wide, liquidation_buffer: wide, depeg: Ratio::ZERO };
                let underlying = &mut account.underlyings[0];
                underlying.perps = vec![LinearPosition { quantity: perp, quote: value }];
                underlying.expiries[0].futures = vec![LinearPosition { quantity: perp, quote: value }];
                underlying.collateral = vec![Collateral { value, haircuts: market.profit }];
                for mode in [Mode::Portfolio, Mode::Cross, Mode::Isolated] {
                    _ = account.in_mode(mode).try_evaluate();
                }
            }
        }
    }
}
