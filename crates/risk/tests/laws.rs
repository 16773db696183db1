//! The laws of the margin model as properties of whole portfolios: perps, futures and options of several strikes and expiries on
//! several underlyings, collateral, debts, modes. `properties.rs` has the exact arithmetic of linear books; here is what must
//! hold whatever the numbers are.
//!
//! Every law runs `MARGRAVE_CASES` cases, 6,000 by default (about 25 s for the file), the same ones every time;
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
                ensure!(0 <= off && off << 14 <= largest.max(off), "{off} off of {largest}");
                steps += 0 * off;
            }
            steps += (largest >> 14).max(0);
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
        let rise = |after: [i128; 3]| -> Vec<i128> { after.iter().zip(&before).map(|(after, before)| after - before).collect() };
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
/// raises the average ramp of its group besides its scan. Rounding: 12 micro-dollars (value,
/// haircuts, scan, charges, levels), and 2^-28 of v for a move and four ratios rounded up to 2^-30.
#[test]
fn collateral_in_an_own_asset_raises_health_by_what_its_risk_leaves() {
    law_of("own collateral", any_account, |account, rng| {
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
            ensure!(rise >= least - 12 - (micros(added.value).abs() >> 28), "{} changes health {level} by {rise}, not {least}", added.value.micros());
        }
        Ok(())
    });
}

/// I-12, exactly.
#[test]
fn larger_haircuts_never_raise_health() {
    law_of("haircuts", any_account, |account, rng| {
        let (mut after, more) = (account.clone(), rng.within(0..=100_000));
        let larger = |ratio_now: &mut Ratio| *ratio_now = Ratio::from_bits(ratio_now.bits() + ratio(more).bits()).unwrap();
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
        ensure!(merged <= apart + concentration + rounding, "level {level}: {merged} of {apart}, {concentration}, {rounding}\n{other:#?}");
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
/// it loses itself: `scan(p) - scan(-q) <= scan(p + q) <= scan(p) + scan(q)`.
#[test]
fn a_hedge_saves_no_more_than_it_gains_in_its_worst_scenario() {
    law_of("hedge", |rng| account(rng).plain(), |account, rng| {
        let hedge = account.other_sizes(rng);
        let opposite = hedge.times(-1);
        let Ok(hedged) = account.merged(&hedge).try_evaluate() else { return Ok(()) };
        let (bare, rounding) = (account.evaluate(), account.roundings() + 2 * hedge.roundings());
        let (of_opposite, of_hedge) = (opposite.evaluate().scan(), hedge.evaluate().scan());
        ensure!(bare.scan() <= hedged.scan() + of_opposite + rounding, "{} {} {}", bare.scan(), hedged.scan(), of_opposite);
        ensure!(hedged.scan() <= bare.scan() + of_hedge + rounding, "{} {} {}", bare.scan(), hedged.scan(), of_hedge);
        Ok(())
    });
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
        account.underlyings[0].expiries[0].futures = vec![LinearPosition { quantity: negative(held), quote: Usd::ZERO }];
        let (off, notional) = (largest(&account), account.underlyings[0].notional());
        ensure!(off <= 8 + (notional * 4 >> 30), "{off} of {notional} in {account:#?}");
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
        let strikes = prices.into_iter().zip(legs).map(|(at, held)| {
            strike(at, vol(rng.within(10_000..=3_000_000)), held, negative(held))
        });
        let strikes = strikes.collect();
        let account = of_one_expiry(market, terms, option_terms(rng), strikes);
        let (off, notional) = (largest(&account), account.underlyings[0].notional());
        ensure!(off <= 8 + (notional * 4 >> 30), "{off} of {notional} in {account:#?}");
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
    let rounding = 16 + (account.underlyings[0].notional() * 4 >> 30);
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
fn basis_factor(options: &OptionTerms, terms: &Terms) -> i128 {
    let per_year = ceil(bits(options.basis_per_year) * i128::from(terms.years.bits()), 1 << Years::BITS);
    (bits(options.basis_base) + per_year).min(4 * ONE)
}

/// I-13: so the scan of a spread of one expiry is at most that loss too, or the basis charge where that is larger: the charge
/// exceeds the loss at a third of the range beyond a quarter of a year, and can exceed the maximum loss there.
#[test]
fn the_scan_of_a_spread_is_at_most_its_maximum_loss_up_to_a_quarter_of_a_year() {
    law("scan of spreads", |rng| {
        let options = OptionTerms { long_factor: Ratio::ONE, short_factor: Ratio::ONE, ..OptionTerms::standard() };
        let Defined { account, loss, skew, .. } = defined_risk(rng, options);
        let rounding = 32 + (account.underlyings[0].notional() * 4 >> 30);
        let factor = basis_factor(&options, &account.underlyings[0].expiries[0].terms).max(ONE);
        let (scan, most) = (account.evaluate().scan(), ceil((loss + skew + rounding) * factor, ONE));
        ensure!(scan <= most, "{scan} of {loss}, {skew}, {rounding} in {account:#?}");
        Ok(())
    });
}

/// I-13: long options alone are never liquidated for want of margin: maintenance margin is at most their value, 0.8 of it in the
/// cells and 0.1 for volatility, while no expiry's basis charge exceeds its loss, up to a quarter of a year. Beyond, the charge
/// reaches `0.5 + 2 T` of the loss at a third of the range, and margin 0.8 of that.
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
            let dates = || account.underlyings.iter().flat_map(|underlying| &underlying.expiries);
            let factor = dates().map(|dates| basis_factor(&account.options, &dates.terms)).fold(ONE, i128::max);
            let value: i128 = verdict.parts.iter().filter_map(|part| part.dated).map(|dated| micros(dated.mark)).sum();
            let most = ceil(value * (factor * 8 + ONE), 10 * ONE) + account.roundings();
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
            for Strike { price, vol, calls, puts, .. } in strikes {
                let vol = vol.bits() as f64 / ONE as f64;
                let up = real(options.vol_floor).max(vol * (1.0 + real(options.vol_up) * tenor));
                let down = vol * (1.0 - real(options.vol_down) * tenor).max(0.0);
                let sd = [vol, down, up].map(|vol| (vol * years.sqrt()).min(24.0));
                for (held, calls) in [(calls, true), (puts, false)] {
                    let size = held.atoms() as f64 * unit * real(terms.discount);
                    let (forward, strike) = (dollars(terms.forward), dollars(*price));
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
/// same or up; with volatility between these, at most a quarter of the sum of what its options gain or lose between down and
/// up more.
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
            ensure!(excess(node) <= sag + real_rounding(account), "{} beyond {scan} at {moved}, {node}; {sag}", excess(node));
            let part = 2.0 * rng.share() - 1.0;
            let span = |held: &Held| (held.result(moved, 1.0) - held.result(moved, -1.0)).abs();
            let spans: f64 = options.iter().map(span).sum();
            let most = sag + spans / 4.0 + real_rounding(account);
            ensure!(excess(part) <= most, "{} beyond {scan} at {moved}, {part}; {sag}, {spans}", excess(part));
        }
        Ok(())
    });
}
