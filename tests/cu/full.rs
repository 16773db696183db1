//! Shapes with futures and options: what a trade, a fill, a withdrawal and a refresh cost when both accounts hold so much.

use crate::Table;
use anyhow::Result;
use margrave::state::{Instrument, InstrumentKind};
use margrave_client::{Leg, Pubkey, Quote, SignedQuote, instruction, instruction::PlacedLeg, pda};
use margrave_sim::{SOL_FEED, Token, Trader, World, terms};
use margrave_tests::venues;

const DOLLAR: u64 = 1_000_000;
const SOL: u64 = 1_000_000_000;
const UNIT: i64 = 1_000_000_000;
const PRICE: i64 = 350_000_000_000;

/// How much each of two accounts holds.
struct Shape {
    name: &'static str,
    underlyings: usize,
    /// Days to each expiry of every underlying.
    expiries: &'static [i64],
    /// Of every underlying, besides the perp.
    futures: usize,
    /// Options of every underlying, spread over its expiries.
    options: usize,
    /// Besides the quote token.
    tokens: usize,
}

/// Two traders, and everything listed that they hold.
pub struct Market {
    pub world: World,
    pub taker: Trader,
    pub maker: Trader,
    underlyings: Vec<Pubkey>,
    venue: Pubkey,
}

const SMALL: Shape = Shape {
    name: "4 perps, 4 options, 3 tokens on 4 underlyings",
    underlyings: 4,
    expiries: &[30],
    futures: 0,
    options: 1,
    tokens: 2,
};
const FULL: Shape = Shape {
    name: "16 linear, 16 options, 8 tokens on 4 underlyings, 12 expiries",
    underlyings: 4,
    expiries: &[7, 30, 90],
    futures: 3,
    options: 4,
    tokens: 7,
};
const EIGHT_EXPIRIES: Shape = Shape {
    name: "12 linear, 16 options, 8 tokens on 4 underlyings, 8 expiries",
    underlyings: 4,
    expiries: &[7, 30],
    futures: 2,
    options: 4,
    tokens: 7,
};

pub fn measure(table: &mut Table) -> Result<()> {
    let mut market = Market::of(&SMALL)?;
    table.add(&format!("trade, one leg, both hold {}", SMALL.name), 60_000, market.trade_one())?;
    let fill = market.fill_one_at_a_venue();
    table.add_called(&format!("venue_fill, one leg, both hold {}", SMALL.name), 63_000, fill)?;
    for (shape, trade, withdraw, refresh) in
        [(&EIGHT_EXPIRIES, 135_000, 75_000, 8_500), (&FULL, 140_000, 75_000, 10_000)]
    {
        let mut market = Market::of(shape)?;
        table.add(&format!("trade, one leg, both hold {}", shape.name), trade, market.trade_one())?;
        let fill = market.fill_one_at_a_venue();
        table.add_called(&format!("venue_fill, one leg, both hold {}", shape.name), trade + 3_000, fill)?;
        table.add(&format!("withdraw, {}", shape.name), withdraw, market.withdraw())?;
        table.add(&format!("refresh_price, {} expiries", shape.expiries.len()), refresh, market.refresh())?;
    }
    let mut market = Market::of(&Shape { name: "small", options: 0, tokens: 0, ..SMALL })?;
    table.add("fill_quote, four legs of options, both hold 4 perps", 62_000, market.fill_four())?;
    table.add("settle_pnl, a loss", 7_500, market.settle(true))?;
    table.add("settle_pnl, a profit", 7_000, market.settle(false))
}

impl Market {
    pub fn full() -> Result<Self> {
        Self::of(&FULL)
    }

    pub fn of_eight_expiries() -> Result<Self> {
        Self::of(&EIGHT_EXPIRIES)
    }

    /// A minute later, every price at so many per cent of what it began at.
    pub fn move_all(&mut self, percent: i64) -> Result<()> {
        self.world.set_time(self.world.now() + 60);
        self.world.set_price(PRICE * percent / 100)?;
        for underlying in &self.underlyings[1..] {
            self.world
                .send(&[instruction::refresh_price(self.world.group, *underlying, self.world.price_update)], &[])?;
        }
        Ok(())
    }

    fn of(shape: &Shape) -> Result<Self> {
        let mut world = World::empty(World::START)?;
        world.create_group(0)?;
        world.list_sol(terms::risk_terms())?;
        let mut underlyings = vec![world.sol];
        for symbol in ["BTC", "ETH", "JTO"].iter().take(shape.underlyings - 1) {
            let oracle = terms::oracle_terms(SOL_FEED);
            underlyings.push(world.list_underlying(symbol, oracle, terms::risk_terms(), terms::market_terms())?);
        }
        let mut mints = vec![world.sol_mint];
        for index in 1..shape.tokens {
            let mint = world.create_mint(9);
            world.list_bank(mint, Some(underlyings[index % underlyings.len()]), terms::collateral_terms())?;
            mints.push(mint);
        }
        venues::add_program(&mut world);
        let terms = venues::ample_terms(u16::try_from(shape.underlyings)?);
        let venue = venues::register(&mut world, margrave_venue::ID, 0, terms)?;
        world.launch()?;
        world.set_price(PRICE)?;
        for underlying in &underlyings[1..] {
            world.send(&[instruction::refresh_price(world.group, *underlying, world.price_update)], &[])?;
        }
        let (taker, maker) = (world.trader("taker"), world.trader("maker"));
        for trader in [&taker, &maker] {
            world.give(trader, Token::Usdc, 10_000_000 * DOLLAR);
            world.deposit(trader, Token::Usdc, 10_000_000 * DOLLAR)?;
            for mint in mints.iter().take(shape.tokens) {
                let key = pda::bank(&world.group, mint);
                let source = if *mint == world.sol_mint { trader.sol } else { world.give_new(trader, *mint, 0) };
                world.mint_to(*mint, source, SOL);
                let bank = world.load(&key);
                let program = margrave_sim::TOKEN_PROGRAM;
                let deposit =
                    instruction::deposit(trader.key(), trader.margin_account, (key, &bank), source, program, SOL);
                world.send(&[deposit], &[&trader.keypair])?;
            }
        }
        let mut market = Self { world, taker, maker, underlyings, venue };
        market.open(shape)?;
        Ok(market)
    }

    /// Opens every position of the shape, a leg at a time.
    fn open(&mut self, shape: &Shape) -> Result<()> {
        for underlying in self.underlyings.clone() {
            let mut instruments = vec![Instrument::PERP];
            let mut expiries = Vec::new();
            for days in shape.expiries {
                let strikes: Vec<i64> = (0..8).map(|step| PRICE * (80 + 5 * step) / 100).collect();
                expiries.push(self.world.list_expiry(underlying, *days, 80, &strikes)?.0);
            }
            let world = &self.world;
            for expiry in expiries.iter().take(shape.futures) {
                instruments.push(world.instrument(&underlying, InstrumentKind::Future, *expiry, 0));
            }
            for index in 0..shape.options {
                let kind = [InstrumentKind::Call, InstrumentKind::Put][index % 2];
                let strike = PRICE * (85 + 5 * i64::try_from(index)?) / 100;
                instruments.push(world.instrument(&underlying, kind, expiries[index % expiries.len()], strike));
            }
            for (index, instrument) in instruments.into_iter().enumerate() {
                let quantity = if index % 3 == 0 { 10 * UNIT } else { -10 * UNIT };
                self.trade(&[self.world.leg(underlying, instrument, quantity)])?;
            }
        }
        Ok(())
    }

    fn trade(&mut self, legs: &[PlacedLeg]) -> margrave_sim::Outcome {
        self.world.trade_legs(&self.taker, &self.maker, legs)
    }

    /// A perp that both have already.
    fn trade_one(&mut self) -> margrave_sim::Outcome {
        let leg = self.world.leg(self.underlyings[0], Instrument::PERP, UNIT);
        self.trade(&[leg])
    }

    /// The same on the word of a venue, with a consent that is counted. The world stays as it is.
    fn fill_one_at_a_venue(&mut self) -> margrave_sim::Outcome {
        let before = self.world.svm.clone();
        let until = self.world.now() + 60;
        for trader in [&self.taker, &self.maker] {
            venues::consent(&mut self.world, trader, self.venue, until, 1_000 * DOLLAR)?;
        }
        let leg = self.world.leg(self.underlyings[0], Instrument::PERP, UNIT);
        let fill = venues::fill_instruction(&self.world, self.venue, &self.taker, &self.maker, &[leg]);
        let outcome = self.world.send(&[venues::by_venue(fill)], &[]);
        self.world.svm = before;
        outcome
    }

    fn withdraw(&mut self) -> margrave_sim::Outcome {
        let withdraw = self.world.withdraw_instruction(&self.taker, Token::Usdc, DOLLAR);
        self.world.send(&[withdraw], &[&self.taker.keypair])
    }

    /// A minute later, so that everything there is to follow follows.
    fn refresh(&mut self) -> margrave_sim::Outcome {
        self.world.set_time(self.world.now() + 61);
        self.world.set_price(PRICE * 101 / 100)
    }

    /// A condor, quoted by the maker.
    fn fill_four(&mut self) -> margrave_sim::Outcome {
        let (world, sol) = (&self.world, self.underlyings[0]);
        let legs = [
            (InstrumentKind::Put, 80, 1),
            (InstrumentKind::Put, 90, -1),
            (InstrumentKind::Call, 110, -1),
            (InstrumentKind::Call, 115, 1),
        ];
        let legs: Vec<Leg> = legs
            .into_iter()
            .map(|(kind, percent, sign)| {
                let instrument = world.instrument(&sol, kind, 0, PRICE * percent / 100);
                world.leg(sol, instrument, sign * UNIT).leg
            })
            .collect();
        let quote = Quote {
            group: world.group,
            maker: self.maker.margin_account,
            quotes_since: world.account(&self.maker).quotes_since,
            taker: Pubkey::default(),
            expires_at: world.now() + 60,
            nonce: 1,
            units: 10,
            legs,
        };
        let signed = SignedQuote::sign(quote, &self.maker.keypair);
        let instructions = world.fill_instructions(&self.taker, &self.maker, &signed, 2);
        self.world.send(&instructions, &[&self.taker.keypair])
    }

    fn settle(&mut self, of_loser: bool) -> margrave_sim::Outcome {
        self.world.set_time(self.world.now() + 30);
        self.world.set_price(PRICE * if of_loser { 99 } else { 98 } / 100)?;
        let sol = self.underlyings[0];
        if !of_loser {
            self.world.settle_pnl(&self.taker, sol, false)?;
        }
        let trader = if of_loser { &self.taker } else { &self.maker };
        let account = self.world.account(trader);
        let settle = instruction::settle_pnl((trader.margin_account, &account), sol, self.world.usdc_bank, false);
        self.world.send(&[settle], &[])
    }
}
