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
