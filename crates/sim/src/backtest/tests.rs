//! The machinery on a generated crash of half in twelve hours, so that it is tested where no prices are.

use crate::{
    coverage::Line,
    market::{MAJORS, Path},
    replay,
};
use margrave_sim::{World, prices::generate};

fn crash() -> Path {
    let mut series = [1, 2, 3].map(generate);
    // From the last calm day to the bounce.
    series.iter_mut().for_each(|hours| hours.truncate(78));
    Path::new(MAJORS.to_vec(), &series, World::START + 24 * 3_600).unwrap()
}

/// Every dollar of bad debt is borne by somebody, in both systems and whatever the keeper does (I-01, I-02, I-03, I-26).
#[test]
fn a_crash_leaves_the_books_summed_up_and_every_loss_borne() {
    let outcome = crate::replay(&crash(), 20, 1).unwrap();
    for tally in &outcome.portfolio {
        assert_eq!((tally.conserved, &tally.first_break), (tally.hours, &None));
        assert!(tally.liquidated.union(&tally.bankrupt).count() > 5, "{tally:?}");
        assert_eq!(tally.bad_debt, tally.insurance + tally.conceded + tally.shared + tally.lent, "{tally:?}");
        assert!(tally.fees > 0 && tally.open == 0, "{tally:?}");
    }
    let [diligent, absent] = &outcome.portfolio;
    assert!(absent.bad_debt > diligent.bad_debt && absent.deleveraged > 0, "{absent:?}");
    for tally in &outcome.control {
        assert!(tally.initial_margin > diligent.initial_margin);
        assert_eq!(tally.bad_debt, tally.insurance + tally.shared);
    }
    // One hour more than there are steps: the first is the opening.
    assert_eq!(outcome.seen.len(), diligent.hours + 1);
}

#[test]
fn the_same_seed_gives_the_same_replay() {
    let run = || crate::replay(&crash(), 8, 7).unwrap();
    let (one, two) = (run(), run());
    assert_eq!((one.portfolio, one.control), (two.portfolio, two.control));
}

#[test]
fn a_coin_without_a_price_at_the_beginning_is_refused() {
    let [first, mut second, third] = [1, 2, 3].map(generate);
    second.remove(24);
    assert!(Path::new(MAJORS.to_vec(), &[first, second, third], World::START + 24 * 3_600).is_err());
}

/// Kupiec's ratio against figures worked out apart: 0 of 999 days 10.02, 5 of 1,000 nothing, 12 of 1,000 7.06.
#[test]
fn kupiec_s_ratio_is_zero_at_the_wanted_rate() {
    let line = |days, exceeded| Line { days, exceeded, ..Line::default() };
    let near = |line: Line, ratio: f64| assert!((line.kupiec() - ratio).abs() < 0.01, "{}", line.kupiec());
    near(line(999, 0), 10.02);
    near(line(1_000, 5), 0.0);
    near(line(1_000, 12), 7.06);
    assert_eq!(line(1_000, 5).covered(), 9_950);
}

/// An absent keeper acts in the last hour of each day.
#[test]
fn keepers_act_when_they_say() {
    let acts = |keeper: replay::Keeper| (0..48).filter(|hour| keeper.acts_in(*hour)).collect::<Vec<_>>();
    assert_eq!(acts(replay::ABSENT), [23, 47]);
    assert_eq!(acts(replay::DILIGENT).len(), 48);
}
