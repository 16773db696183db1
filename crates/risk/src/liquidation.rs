//! How much of a position a liquidator takes over.

use crate::{Exposure, Levels, Market, Quantity, Ratio, RiskError, Split, Usd, Valuation};

/// A perp or future in an account that is being liquidated.
#[derive(Clone, Copy, Debug)]
pub struct LinearPosition {
    /// Signed size.
    pub quantity: Quantity,
    /// Paid (negative) and received (positive) so far.
    pub quote: Usd,
}

/// A part of a position changing hands: to be added to the liquidator and taken from the liquidatee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// Signed size that moves, with the sign of the position.
    pub quantity: Quantity,
    /// What the liquidator pays for it (negative when the liquidator is paid, as for a short).
    pub price_paid: Usd,
    /// How far `price_paid` is below the mark value: the liquidator's fee, never negative.
    pub fee: Usd,
}

impl Takeover {
    /// The takeover of `quantity` at the mark less a fee of so many millionths of its value, rounded up.
    ///
    /// # Errors
    /// [`RiskError::ValueOutOfRange`] when the value is beyond [`Usd::MAX`].
    pub fn at_mark_less_fee(market: &Market, quantity: Quantity, fee_ppm: u32) -> Result<Self, RiskError> {
        let value = market.price.value_down(quantity, market.unit)?;
        let fee = value.fee_up(fee_ppm);
        Ok(Self { quantity, price_paid: value - fee, fee })
    }
}

/// Valuations that the search for the last lot may cost. Books with lots worth a ten-thousandth of a dollar or more need fewer than
/// ten.
const MAX_SEARCH_STEPS: u32 = 48;
/// The search for the size that helps most ends at this part of all that may be taken, after so many valuations.
const HELPFUL_PART_BITS: u32 = 10;
const MAX_HELPFUL_STEPS: u32 = 16;

/// The account's health at its liquidation end after a takeover.
#[inline(never)]
fn health_after(
    split: &Split,
    others: &Exposure,
    position: &LinearPosition,
    takeover: &Takeover,
    levels: &Levels,
) -> Result<i64, RiskError> {
    let mut exposure = *others;
    let left = Quantity::new(position.quantity.atoms() - takeover.quantity.atoms());
    exposure.add_position(&split.market, left, position.quote + takeover.price_paid)?;
    Ok(split.valuation_with(&exposure, levels)?.liquidation_end_health().micros())
}

/// The least whole number of lots of a perp `position` whose takeover brings the account to its liquidation end, or the number that
/// helps most if none does; `None` when taking it over does not help (it is a hedge) or the account is at its liquidation end
/// already.
///
/// `split` is the whole account, the position's underlying apart and the position in it. An underlying with futures or options, or
/// in a correlation group, may be hedged by the position in part: there the number that helps most is found to a thousandth of
/// the position. Elsewhere it is where the net value is zero. The keeper and the program call this with the same numbers, so the
/// size a keeper sees is the size the chain allows (I-23).
///
/// # Errors
/// [`RiskError::ValueOutOfRange`] when a value is beyond [`Usd::MAX`].
#[inline(never)]
pub fn quote_takeover(
    split: &Split,
    position: &LinearPosition,
    lot: u64,
    fee_ppm: u32,
    levels: &Levels,
) -> Result<Option<Takeover>, RiskError> {
    let market = &split.market;
    let others = split.exposure.without_position(market, position)?;
    let sign = position.quantity.atoms().signum();
    let lot = i64::try_from(lot.max(1)).unwrap_or(i64::MAX);
    let size = position.quantity.atoms().abs();

    // Beyond the point where the net value changes sign a takeover unhedges; with options it may do so before or never.
    let is_linear = split.dated.is_none() && split.group.id == 0;
    let helpful = if is_linear {
        let value = market.price.value_down(position.quantity, market.unit)?;
        let net = split.exposure.net.micros() * sign;
        if net <= 0 {
            return Ok(None);
        }
        if net >= value.abs().micros() { size } else { share_down(size, net, value.abs().micros()) }
    } else {
        size
    };

    let take = |lots: i64| {
        let quantity = Quantity::new(lots.saturating_mul(lot).min(size) * sign);
        Takeover::at_mark_less_fee(market, quantity, fee_ppm)
    };
    let health = |lots: i64| health_after(split, &others, position, &take(lots)?, levels);

    // Find the first whole lot at which health is not negative.
    let before = health(0)?;
    if before >= 0 {
        return Ok(None);
    }
    let all = if helpful == size { ceil_div(size, lot) } else { helpful / lot };
    if all == 0 {
        return Ok(None);
    }
    let lots = if is_linear {
        let at_all = health(all)?;
        if at_all < 0 { Some(all) } else { Some(first_enough((0, before), (all, at_all), health)?) }
    } else {
        quote_lots(before, all, health)?
    };
    lots.map(take).transpose()
}

/// The least number of lots, of at most `all`, after which `health` is not negative, or the number that helps most if none is;
/// `None` when taking none leaves it at zero or above, and when taking some does not help. `health` is concave in the number of
/// lots, `before` is what it is without taking any.
///
/// Whoever asks for the least number himself is answered after three valuations.
///
/// # Errors
/// Those of `health`.
pub fn quote_lots<E>(before: i64, all: i64, mut health: impl FnMut(i64) -> Result<i64, E>) -> Result<Option<i64>, E> {
    if before >= 0 || all <= 0 {
        return Ok(None);
    }
    let at_all = health(all)?;
    if at_all < 0 {
        let (most, at_most) = most_helpful(all, at_all, &mut health)?;
        if at_most <= before {
            return Ok(None);
        }
        if at_most < 0 {
            return Ok(Some(most));
        }
        return first_enough((0, before), (most, at_most), health).map(Some);
    }
    if all == 1 {
        return Ok(Some(1));
    }
    let one_less = health(all - 1)?;
    if one_less < 0 {
        return Ok(Some(all));
    }
    first_enough((0, before), (all - 1, one_less), health).map(Some)
}

/// The first whole lot at which health is not negative, between one where it is and one where it is not.
fn first_enough<E>(
    (mut short, mut short_health): (i64, i64),
    (mut enough, mut enough_health): (i64, i64),
    mut health: impl FnMut(i64) -> Result<i64, E>,
) -> Result<i64, E> {
    let mut step = 0u32;
    // A lot worth less than the rounding makes stairs of the slope and the secant useless: after so many steps the answer
    // in hand will do, which is enough and less than a cent too much.
    while enough - short > 1 && step < MAX_SEARCH_STEPS {
        // The secant is exact for a book without kinks; a bisection every third step bounds the search for any other.
        let middle = if step % 3 == 2 {
            short + (enough - short) / 2
        } else {
            let rise = i128::from(enough_health) - i128::from(short_health);
            let ahead = (i128::from(enough - short) * -i128::from(short_health) + rise - 1) / rise;
            (short + i64::try_from(ahead).unwrap_or(i64::MAX - short)).clamp(short + 1, enough - 1)
        };
        let result = health(middle)?;
        if result < 0 {
            (short, short_health) = (middle, result);
        } else {
            (enough, enough_health) = (middle, result);
        }
        step += 1;
    }
    Ok(enough)
}

/// Of 0 to `all` lots those after which health is highest, or some after which it is not negative, and that health. Margin is
/// convex in the size, so health has one peak: a golden section, unless it still rises at the end.
fn most_helpful<E>(all: i64, at_all: i64, mut health: impl FnMut(i64) -> Result<i64, E>) -> Result<(i64, i64), E> {
    let part = (all >> HELPFUL_PART_BITS).max(1);
    if health(all - part)? <= at_all {
        return Ok((all, at_all));
    }
    let mut look = |lots: i64| health(lots).map(|health| (lots, health));
    let longer = |width: i64| width / 1_000 * 618 + width % 1_000 * 618 / 1_000;
    let (mut low, mut high) = (0, all);
    let (mut left, mut right) = (look(all - longer(all))?, look(longer(all))?);
    let mut step = 0;
    while high - low > part.max(2) && left.1.max(right.1) < 0 && step < MAX_HELPFUL_STEPS {
        if left.1 < right.1 {
            (low, left) = (left.0, right);
            right = look(low + longer(high - low))?;
        } else {
            (high, right) = (right.0, left);
            left = look(high - longer(high - low))?;
        }
        step += 1;
    }
    Ok(if left.1 > right.1 { left } else { right })
}

/// The least share of a whole portfolio, hedges intact, whose sale brings the account to its liquidation end when the buyer pays that
/// part of `price`; rounded up, at most one. Zero for an account at its end.
///
/// With M the liquidation end, E the equity and P the price of all of it, `(1 - f)(E - M) + f P = 0` gives `f = (M - E) / (M - E + P)`:
/// margin shrinks with the portfolio, and the size charge faster. Source: Derive's solvent auction.
pub fn quote_slice(valuation: &Valuation, price: Usd) -> Ratio {
    let short = -valuation.liquidation_end_health().micros();
    if short <= 0 {
        return Ratio::ZERO;
    }
    // Below 2^60 x 2^30 each: in 128 bits.
    let (short, paid) = (i128::from(short), i128::from(price.micros().max(0)));
    let share = ((short << Ratio::BITS) + short + paid - 1) / (short + paid);
    Ratio::from_bits(i64::try_from(share).unwrap_or(i64::MAX)).unwrap_or(Ratio::ONE).min(Ratio::ONE)
}

/// What a step would do for an account that is being liquidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relief {
    /// By how much health at the liquidation end rises.
    pub relief: Usd,
    /// What the account pays for it.
    pub cost: Usd,
}

/// Costs below a cent count as a cent: a trifle for nothing is not worth a step.
const LEAST_COST: i64 = 10_000;

/// The place of the step that relieves most for each dollar it costs, the larger relief where that is equal and the first where both
/// are; `None` when none relieves anything.
pub fn most_relief(steps: impl IntoIterator<Item = Relief>) -> Option<usize> {
    let mut best: Option<(usize, Relief)> = None;
    for (index, step) in steps.into_iter().enumerate().filter(|(_, step)| step.relief.micros() > 0) {
        if best.is_none_or(|(_, best)| step.is_better_than(&best)) {
            best = Some((index, step));
        }
    }
    best.map(|(index, _)| index)
}

impl Relief {
    fn is_better_than(&self, other: &Self) -> bool {
        let per_cost = |one: &Self, cost: i64| i128::from(one.relief.micros()) * i128::from(cost.max(LEAST_COST));
        let (mine, its) = (per_cost(self, other.cost.micros()), per_cost(other, self.cost.micros()));
        (mine, self.relief) > (its, other.relief)
    }
}

const fn ceil_div(value: i64, by: i64) -> i64 {
    value / by + if value % by == 0 { 0 } else { 1 }
}

/// `amount x part / whole`, rounded down, for `0 < part <= whole`.
fn share_down(amount: i64, part: i64, whole: i64) -> i64 {
    i64::try_from(i128::from(amount) * i128::from(part) / i128::from(whole)).unwrap_or(amount)
}
