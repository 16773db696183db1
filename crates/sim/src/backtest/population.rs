//! Who holds what: portfolios as people hold them, drawn from a seed, and opened through the program at a chosen leverage.

use crate::market::{DOLLAR_PRICE, Market, Path, Role};
use anyhow::{Context, Result};
use margrave::state::Instrument;
use margrave_client::instruction::PlacedLeg;
use margrave_sim::{Token, Trader};

/// Which of an account's two coins.
#[derive(Clone, Copy)]
pub enum Pick {
    This,
    Other,
}
use Pick::{Other, This};

/// Places in [`crate::market::Listed::instruments`].
pub const PERP: usize = 0;
pub const FUTURE: usize = 1;
// Then a call and a put at each of [`crate::market::STRIKES`].
const PUT_80: usize = 3;
const PUT_95: usize = 5;
const CALL_105: usize = 6;
const CALL_120: usize = 8;

/// A kind of portfolio.
pub struct Style {
    pub name: &'static str,
    /// Of twenty accounts.
    share: usize,
    /// Coin, instrument, and its part of the account's size in hundredths.
    pub legs: &'static [(Pick, usize, i64)],
    /// SOL deposited, of the size in hundredths.
    pub sol: i64,
    /// Dollars are borrowed down to the margin that is wanted.
    pub borrows: bool,
}

const fn style(name: &'static str, share: usize, legs: &'static [(Pick, usize, i64)]) -> Style {
    Style { name, share, legs, sol: 0, borrows: false }
}

pub const STYLES: [Style; 12] = [
    style("long perp", 5, &[(This, PERP, 100)]),
    style("long perps of two coins", 2, &[(This, PERP, 60), (Other, PERP, 40)]),
    style("short perp", 1, &[(This, PERP, -100)]),
    style("long perp, short future", 2, &[(This, PERP, 100), (This, FUTURE, -100)]),
    style("long one coin, short another", 2, &[(This, PERP, 100), (Other, PERP, -100)]),
    style("covered call", 1, &[(This, PERP, 100), (This, CALL_105, -100)]),
    style("protected long", 1, &[(This, PERP, 100), (This, PUT_95, 100)]),
    style("short strangle", 1, &[(This, CALL_120, -50), (This, PUT_80, -50)]),
    style("put spread", 1, &[(This, PUT_95, -100), (This, PUT_80, 100)]),
    Style { sol: 60, ..style("long perp on SOL", 2, &[(Other, PERP, 100)]) },
    Style { sol: 100, borrows: true, ..style("SOL against short perp, borrowing", 1, &[(This, PERP, -100)]) },
    Style { sol: 100, borrows: true, ..style("SOL, borrowing", 1, &[]) },
];

/// One account of the population.
pub struct Member {
    pub style: &'static Style,
    pub trader: Trader,
    /// Coin, place of the instrument, smallest units.
    pub legs: Vec<(usize, usize, i64)>,
    /// Coin and atoms.
    pub deposits: Vec<(usize, u64)>,
    /// Equity of initial margin that was wanted at the start, in hundredths, and what there is of both, micro-dollars.
    pub multiple: i64,
    pub equity: i64,
    pub initial_margin: i64,
}

pub struct Population {
    pub members: Vec<Member>,
    /// The other side of every trade, rich.
    pub maker: Trader,
    pub keeper: Trader,
    /// Deposits that a cap refused.
    pub refused_deposits: usize,
}

const DOLLAR: i64 = 1_000_000;
/// Smallest units of a coin.
const WHOLE: i64 = 1_000_000_000;

/// Smallest units that so many dollars buy, whole lots.
fn bought(dollars: i64, price: i64) -> Result<i64> {
    let units = i128::from(dollars) * i128::from(DOLLAR_PRICE) * i128::from(WHOLE) / i128::from(price);
    Ok(i64::try_from(units)? / 10_000_000 * 10_000_000)
}

impl Population {
    /// Opens `count` accounts at the market's current prices.
    pub fn open(market: &mut Market, path: &Path, count: usize, seed: u64) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(seed);
        let traded: Vec<usize> =
            (0..path.coins.len()).filter(|index| path.coins[*index].role == Role::Traded).collect();
        let listed_only = (0..path.coins.len()).find(|index| path.coins[*index].role == Role::Collateral);
        let rich = 100_000_000 * DOLLAR.unsigned_abs();
        let maker = market.world.funded("maker", rich, 0);
        let keeper = market.world.funded("keeper", rich, 0);
        let mut this = Self { members: vec![], maker, keeper, refused_deposits: 0 };
        let cycle: Vec<&'static Style> = STYLES.iter().flat_map(|style| (0..style.share).map(move |_| style)).collect();
        for number in 0..count {
            let style = cycle[number % cycle.len()];
            // SOL is its own hedge.
            let place = if style.sol == 100 { 0 } else { random.usize(..traded.len()) };
            let (coin, other) = (traded[place], traded[(place + random.usize(1..traded.len())) % traded.len()]);
            let size = *random.choice([20_000, 35_000, 60_000, 100_000, 200_000, 400_000].iter()).context("a size")?;
            // Most accounts use a good part of what they may.
            let multiple = random.i64(105..=250);
            let exotic = listed_only.filter(|_| number % 3 == 1);
            let drawn = Drawn { style, coin, other, size, multiple, exotic };
            this.open_member(market, path, number, &drawn)
                .with_context(|| format!("account {number}, {}", style.name))?;
        }
        Ok(this)
    }

    fn open_member(&mut self, market: &mut Market, path: &Path, number: usize, drawn: &Drawn) -> Result<()> {
        let Drawn { style, coin, other, size, multiple, exotic } = *drawn;
        let price = |index: usize| path.first().prices[index].context("no price");
        let trader = market.world.funded(&format!("{number}"), (2 * size * DOLLAR).unsigned_abs(), 0);
        let mut deposits = Vec::new();
        if style.sol > 0 {
            deposits.push((0, bought(size * style.sol / 100, price(0)?)?.unsigned_abs()));
        }
        if let Some(index) = exotic {
            // As much as a usual margin, so that it is a good part of what the account stands on.
            deposits.push((index, bought(size * 30 / 100, price(index)?)?.unsigned_abs()));
        }
        let mut taken = Vec::new();
        for (index, atoms) in deposits {
            if market.deposit_coin(&trader, index, atoms)? {
                taken.push((index, atoms));
            } else {
                self.refused_deposits += 1;
            }
        }
        let mut legs = Vec::new();
        let mut placed: Vec<PlacedLeg> = Vec::new();
        for (pick, place, percent) in style.legs {
            let index = if matches!(pick, This) { coin } else { other };
            let quantity = bought(size * percent / 100, price(index)?)?;
            legs.push((index, *place, quantity));
            let instrument: Instrument = market.listed[index].instruments[*place];
            placed.push(market.world.leg(market.listed[index].underlying, instrument, quantity));
        }
        if !placed.is_empty() {
            market.world.trade_legs(&trader, &self.maker, &placed)?;
        }
        // What is above the wanted margin leaves, as a loan if the style is to borrow.
        let value = market.world.accounts().value(&trader.margin_account, market.world.now())?;
        let wanted = i128::from(value.initial_margin.micros()) * i128::from(multiple) / 100;
        let excess = u64::try_from(i128::from(value.equity.micros()) - wanted).unwrap_or(0);
        let held = (2 * size * DOLLAR).unsigned_abs();
        if style.borrows {
            market.world.borrow(&trader, Token::Usdc, excess)?;
        } else if excess > 0 {
            market.world.withdraw(&trader, Token::Usdc, excess.min(held))?;
        }
        let value = market.world.accounts().value(&trader.margin_account, market.world.now())?;
        let (equity, initial_margin) = (value.equity.micros(), value.initial_margin.micros());
        self.members.push(Member { style, trader, legs, deposits: taken, multiple, equity, initial_margin });
        Ok(())
    }

    /// Everybody with a margin account.
    pub fn everybody(&self) -> impl Iterator<Item = &Trader> {
        self.members.iter().map(|member| &member.trader).chain([&self.maker, &self.keeper])
    }
}

#[derive(Clone, Copy)]
struct Drawn {
    style: &'static Style,
    coin: usize,
    other: usize,
    size: i64,
    multiple: i64,
    exotic: Option<usize>,
}
