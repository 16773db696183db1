//! The market that prices are replayed on: its terms, its hours, and how an hour reaches the chain.

use anchor_lang::prelude::Pubkey;
use anyhow::{Context, Result, ensure};
use margrave::state::{BankTerms, Instrument, InstrumentKind, RiskTerms};
use margrave_client::{instruction, pda};
use margrave_sim::{
    SOL_FEED, TOKEN_PROGRAM, Token, Trader, World, flat_surface,
    prices::Hour,
    terms::{collateral_terms, group_args, market_terms, oracle_terms, risk_terms},
};
use solana_signer::Signer;

/// What a coin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Perp, future and options.
    Traded,
    /// Collateral alone.
    Collateral,
    /// Prices the quote token.
    Peg,
}

/// A coin and its scan range, in millionths.
#[derive(Clone, Copy, Debug)]
pub struct Coin {
    pub symbol: &'static str,
    pub role: Role,
    pub range_ppm: u32,
    pub range_max_ppm: u32,
}

const fn coin(symbol: &'static str, role: Role, range_ppm: u32, range_max_ppm: u32) -> Coin {
    Coin { symbol, role, range_ppm, range_max_ppm }
}

/// SOL comes first: it is the one of [`World`].
pub const MAJORS: [Coin; 3] = [
    coin("SOL", Role::Traded, 180_000, 540_000),
    coin("BTC", Role::Traded, 120_000, 360_000),
    coin("ETH", Role::Traded, 140_000, 420_000),
];
/// The widest range that leaves room for a haircut of 20 %.
pub const LUNA: Coin = coin("LUNA", Role::Collateral, 300_000, 570_000);
pub const USDC: Coin = coin("USDC", Role::Peg, 20_000, 100_000);
/// Traded in the coverage test alone.
pub const FTT: Coin = coin("FTT", Role::Collateral, 300_000, 570_000);

/// What may be deposited of a coin like LUNA, dollars at the first price.
pub const COLLATERAL_CAP: i64 = 400_000;
/// Strikes in hundredths of the first price.
pub const STRIKES: [i64; 4] = [80, 95, 105, 120];
/// When the listed expiry is.
pub const EXPIRY_DAYS: i64 = 30;
pub const DOLLAR_PRICE: i64 = 10_000_000_000;

impl Coin {
    /// The name of its file of hourly prices.
    pub fn file(&self) -> String {
        format!("{}USDT_1h.csv", self.symbol)
    }

    pub fn risk(&self) -> RiskTerms {
        let group = u32::from(self.role == Role::Traded);
        RiskTerms {
            scan_range_ppm: self.range_ppm,
            scan_range_max_ppm: self.range_max_ppm,
            correlation_group: group,
            kappa_ppm: group * 500_000,
            ..risk_terms()
        }
    }

    /// Haircuts of a deposit: more of a coin that is collateral alone.
    pub fn bank_terms(&self) -> BankTerms {
        let standard = collateral_terms();
        if self.role != Role::Collateral {
            return standard;
        }
        BankTerms { haircut_maintenance_ppm: 100_000, haircut_initial_ppm: 200_000, ..standard }
    }

    fn feed(&self) -> [u8; 32] {
        let mut feed = [1; 32];
        feed[..16].copy_from_slice(&pda::symbol(self.symbol));
        if self.symbol == "SOL" { SOL_FEED } else { feed }
    }
}

/// Prices of all coins hour by hour; `None` where a file has none.
#[derive(Clone, Debug)]
pub struct Path {
    pub coins: Vec<Coin>,
    pub hours: Vec<Row>,
    /// Where accounts are opened; what is before teaches the scan range.
    pub begin: usize,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub time: i64,
    pub prices: Vec<Option<i64>>,
}

impl Path {
    /// Aligns the coins' hours with those of the first one.
    pub fn new(coins: Vec<Coin>, series: &[Vec<Hour>], begin: i64) -> Result<Self> {
        let at = |hours: &[Hour], time: i64| {
            hours.binary_search_by_key(&time, |hour| hour.unix_time).ok().map(|index| hours[index].price)
        };
        let first = series.first().context("no coins")?;
        let row = |hour: &Hour| Row {
            time: hour.unix_time,
            prices: series.iter().map(|hours| at(hours, hour.unix_time)).collect(),
        };
        let hours: Vec<Row> = first.iter().map(row).collect();
        let begin =
            hours.iter().position(|row| row.time >= begin).context("the prices end before the period begins")?;
        let known = |index: usize| coins[index].role == Role::Peg || hours[begin].prices[index].is_some();
        ensure!((0..coins.len()).all(known), "a coin has no price in the first hour of the period");
        Ok(Self { coins, hours, begin })
    }

    pub fn first(&self) -> &Row {
        &self.hours[self.begin]
    }
}

/// A coin on the chain.
pub struct Listed {
    pub coin: Coin,
    pub underlying: Pubkey,
    /// Perp, future, and at each strike a call and a put; empty unless it is traded.
    pub instruments: Vec<Instrument>,
    /// Where a deposit of it goes.
    pub bank: Option<(Pubkey, Pubkey)>,
    expiry: Option<(u8, u32, i64)>,
    vol_percent: i64,
}

pub struct Market {
    pub world: World,
    pub listed: Vec<Listed>,
}

impl Market {
    /// Lists everything and replays the hours before the period.
    pub fn open(path: &Path) -> Result<Self> {
        let start = path.hours.first().context("no prices")?.time;
        let mut world = World::empty(start)?;
        world.group = pda::group(0);
        let mut args = group_args(0, world.roles());
        if path.coins.iter().any(|coin| coin.role == Role::Peg) {
            args.terms.peg_underlying = pda::underlying(&world.group, &pda::symbol(USDC.symbol));
        }
        world.send(&[instruction::create_group(world.admin.pubkey(), world.usdc_mint, args)], &[])?;
        world.list_sol(path.coins[0].risk())?;
        let mut listed = Vec::new();
        for (index, coin) in path.coins.iter().enumerate() {
            let (underlying, bank) = if index == 0 {
                (world.sol, Some((world.sol_bank, world.sol_mint)))
            } else {
                let underlying =
                    world.list_underlying(coin.symbol, oracle_terms(coin.feed()), coin.risk(), market_terms())?;
                (underlying, None)
            };
            let bank = if coin.role == Role::Collateral {
                let price = path.first().prices[index].context("no price")?;
                let cap = u64::try_from(
                    i128::from(COLLATERAL_CAP) * i128::from(DOLLAR_PRICE) * 1_000_000_000 / i128::from(price),
                )?;
                let mint = world.create_mint(9);
                world.list_bank(mint, Some(underlying), BankTerms { deposit_cap: cap, ..coin.bank_terms() })?;
                Some((pda::bank(&world.group, &mint), mint))
            } else {
                bank
            };
            listed.push(Listed { coin: *coin, underlying, instruments: vec![], bank, expiry: None, vol_percent: 0 });
        }
        world.launch()?;
        let mut market = Self { world, listed };
        for row in &path.hours[..=path.begin] {
            market.world.set_time(row.time);
            market.post(row)?;
        }
        market.list_instruments(path.first())?;
        Ok(market)
    }

    fn list_instruments(&mut self, row: &Row) -> Result<()> {
        for index in 0..self.listed.len() {
            if self.listed[index].coin.role != Role::Traded {
                continue;
            }
            let (underlying, spot) = (self.listed[index].underlying, row.prices[index].context("no price")?);
            let strikes = STRIKES.map(|percent| spot / 100 * percent);
            let vol_percent = self.scanned_vol_percent(index);
            let (expiry, series) = self.world.list_expiry(underlying, EXPIRY_DAYS, vol_percent, &strikes)?;
            let of = |kind, strike| self.world.instrument(&underlying, kind, expiry, strike);
            let mut instruments = vec![Instrument::PERP, of(InstrumentKind::Future, 0)];
            for strike in strikes {
                instruments.extend([of(InstrumentKind::Call, strike), of(InstrumentKind::Put, strike)]);
            }
            let time = self.world.now() + EXPIRY_DAYS * 86_400;
            let listed = &mut self.listed[index];
            (listed.instruments, listed.expiry, listed.vol_percent) =
                (instruments, Some((expiry, series, time)), vol_percent);
        }
        Ok(())
    }

    /// Posts an hour's prices at the world's time, and what follows from the quote token's.
    pub fn post(&mut self, row: &Row) -> Result<()> {
        for (listed, price) in self.listed.iter().zip(&row.prices) {
            let Some(price) = *price else { continue };
            self.world.set_price_of(listed.underlying, listed.coin.feed(), price)?;
            if listed.coin.role == Role::Peg {
                let update = instruction::update_depeg(self.world.group, listed.underlying);
                self.world.send(&[update], &[])?;
            }
        }
        Ok(())
    }

    /// Sets flat smiles at the volatility that each scan range stands for, raised by no more than 40 % in an hour.
    pub fn set_surfaces(&mut self) -> Result<()> {
        for index in 0..self.listed.len() {
            let Some((expiry, series, time)) = self.listed[index].expiry else { continue };
            let before = self.listed[index].vol_percent;
            let vol_percent = self.scanned_vol_percent(index).min(before + before * 2 / 5);
            let surface = flat_surface(vol_percent, time - self.world.now());
            let (operator, group) = (self.world.operator.pubkey(), self.world.group);
            let set =
                instruction::set_surface(operator, group, self.listed[index].underlying, (expiry, series), surface);
            self.world.send(&[set], &[])?;
            self.listed[index].vol_percent = vol_percent;
        }
        Ok(())
    }

    fn scanned_vol_percent(&self, index: usize) -> i64 {
        (self.world.sheet(&self.listed[index].underlying).scanned_vol() * 100) >> 30
    }

    /// Marks of every instrument, 10^-10 dollars.
    pub fn marks(&self) -> Vec<Vec<i64>> {
        let of = |listed: &Listed| {
            listed.instruments.iter().map(|instrument| self.world.mark(&listed.underlying, instrument)).collect()
        };
        self.listed.iter().map(of).collect()
    }

    /// Deposits a coin from nowhere. `false`: the bank refuses, its cap is reached.
    pub fn deposit_coin(&mut self, trader: &Trader, index: usize, atoms: u64) -> Result<bool> {
        let (bank, mint) = self.listed[index].bank.context("nothing holds this coin")?;
        if bank == self.world.sol_bank {
            self.world.give(trader, Token::Sol, atoms);
            self.world.deposit(trader, Token::Sol, atoms)?;
            return Ok(true);
        }
        let wallet = self.world.give_new(trader, mint, atoms);
        let terms = self.world.load(&bank);
        let deposit =
            instruction::deposit(trader.key(), trader.margin_account, (bank, &terms), wallet, TOKEN_PROGRAM, atoms);
        match self.world.send(&[deposit], &[&trader.keypair]) {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.is(margrave::error::MargraveError::DepositCapExceeded) => Ok(false),
            Err(refusal) => Err(refusal.into()),
        }
    }
}
