//! What the storm blows over: four underlyings with a perp, a future and four options each, tokens of three of them as collateral,
//! rich makers, and random accounts that are as large as their margin lets them be.

use super::{Borne, Storm};
use crate::{
    PriceMessage, RECEIVER, SOL_FEED, TOKEN_PROGRAM, Token, Trader, VerificationLevel, World, flat_surface, keypair,
    price_update_account,
    terms::{AMPLE, collateral_terms, market_terms, oracle_terms, quote_terms, risk_terms},
};
use anchor_lang::prelude::Pubkey;
use anyhow::Result;
use margrave::state::*;
use margrave_client::{
    Instruction,
    instruction::{self, PlacedLeg},
    pda,
};
use solana_clock::Clock;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::BTreeMap;

const DOLLAR: u64 = 1_000_000;
const EXPIRY_DAYS: i64 = 30;
/// The market on which keepers take nothing over from bankrupt accounts.
pub const AVOIDED: usize = 3;

/// Symbol, price in 10^-10 dollars, lot in 10^-9 units, whether its token is collateral.
const MARKETS: [(&str, i64, u64, bool); 4] = [
    ("SOL", 350_000_000_000, 10_000_000, true),
    ("BTC", 600_000_000_000_000, 10_000, true),
    ("ETH", 30_000_000_000_000, 100_000, true),
    ("DOGE", 2_000_000_000, 1_000_000_000, false),
];

/// An underlying with its own feed.
#[derive(Clone)]
pub struct Market {
    pub key: Pubkey,
    pub feed: [u8; 32],
    pub price_account: Pubkey,
    /// 10^-10 dollars.
    pub price: i64,
    pub lot: u64,
    /// Its token's bank and mint.
    pub token: Option<(Pubkey, Pubkey)>,
    pub instruments: Vec<Instrument>,
    pub expiry: u8,
    pub index: u16,
}

impl Market {
    /// Writes a price account with the price, published now.
    pub fn post(&self, world: &mut World) {
        let message = PriceMessage {
            feed_id: self.feed,
            price: self.price,
            confidence: self.price.unsigned_abs() / 1_000,
            exponent: -10,
            publish_time: world.now(),
            verification: VerificationLevel::Full,
        };
        let slot = world.svm.get_sysvar::<Clock>().slot;
        let account = price_update_account(&message, slot, RECEIVER);
        world.svm.set_account(self.price_account, account).expect("a well-formed account");
    }

    /// Sets a flat smile for the time that is left.
    pub fn surface(&self, world: &World, vol_percent: i64) -> Instruction {
        let sheet = world.sheet(&self.key);
        let slot = sheet.expiries[usize::from(self.expiry)];
        let surface = flat_surface(vol_percent, slot.time - sheet.oracle.publish_time);
        let surface = margrave_client::Surface { carry: slot.carry, ..surface };
        instruction::set_surface(world.operator.pubkey(), world.group, self.key, (self.expiry, slot.series), surface)
    }
}

/// Room for the largest step.
pub fn compute_limit() -> Instruction {
    let mut data = vec![2];
    data.extend(1_400_000u32.to_le_bytes());
    let program_id = anchor_lang::pubkey!("ComputeBudget111111111111111111111111111111");
    Instruction { program_id, accounts: vec![], data }
}

/// The standard market with three more underlyings, launched and priced.
fn open_markets() -> Result<(World, Vec<Market>)> {
    let mut world = World::empty(World::START)?;
    world.create_group(0)?;
    let terms =
        |lot| MarketTerms { lot, first_loss_target: 2_000 * DOLLAR, insurance_cap: 10_000 * DOLLAR, ..market_terms() };
    world.list_sol(risk_terms())?;
    let (sol, oracle, risk) = (world.sol, oracle_terms(SOL_FEED), risk_terms());
    world.change(Change::Underlying { underlying: sol, oracle, risk, market: terms(MARKETS[0].2) }, None)?;
    world.change(
        Change::Bank { bank: world.usdc_bank, terms: BankTerms { deposit_cap: AMPLE, ..quote_terms() } },
        None,
    )?;
    let mut markets = Vec::new();
    for (index, (symbol, price, lot, is_collateral)) in MARKETS.into_iter().enumerate() {
        let place = u8::try_from(index)?;
        let (key, feed, token) = if index == 0 {
            (world.sol, SOL_FEED, Some((world.sol_bank, world.sol_mint)))
        } else {
            let feed = [place + 1; 32];
            // Three large markets fall together; the fourth stands alone.
            let correlation_group = u32::from(is_collateral);
            let risk = RiskTerms { correlation_group, kappa_ppm: 500_000 * correlation_group, ..risk_terms() };
            let key = world.list_underlying(symbol, oracle_terms(feed), risk, terms(lot))?;
            let mut token = None;
            if is_collateral {
                let mint = world.create_mint(9);
                world.list_bank(mint, Some(key), collateral_terms())?;
                token = Some((pda::bank(&world.group, &mint), mint));
            }
            (key, feed, token)
        };
        let price_account = keypair(50 + u64::from(place)).pubkey();
        let number = world.sheet(&key).index;
        markets.push(Market {
            key,
            feed,
            price_account,
            price,
            lot,
            token,
            instruments: vec![],
            expiry: 0,
            index: number,
        });
    }
    world.launch()?;
    for market in &mut markets {
        market.post(&mut world);
        world.send(&[instruction::refresh_price(world.group, market.key, market.price_account)], &[])?;
        let strikes = [85, 110].map(|part| market.price / 100 * part);
        (market.expiry, _) = world.list_expiry(market.key, EXPIRY_DAYS, 60, &strikes)?;
        let named = |kind, strike| world.instrument(&market.key, kind, market.expiry, strike);
        market.instruments = vec![Instrument::PERP, named(InstrumentKind::Future, 0)];
        for strike in strikes {
            market.instruments.extend([InstrumentKind::Call, InstrumentKind::Put].map(|kind| named(kind, strike)));
        }
    }
    Ok((world, markets))
}

impl Storm {
    /// Markets, makers, keepers and so many random accounts, an hour before the storm.
    pub fn gather(accounts: usize, seed: u64) -> Result<Self> {
        let (world, markets) = open_markets()?;
        let mut storm = Self {
            world,
            markets,
            traders: accounts,
            keepers: vec![],
            cache: Default::default(),
            rng: fastrand::Rng::with_seed(seed),
            sent: vec![],
            races: 0,
            borne: Borne::default(),
            asleep: BTreeMap::new(),
            stuck: vec![],
        };
        let makers: Vec<Trader> = (0..4).map(|index| storm.rich(&format!("maker {index}"), 200_000_000)).collect();
        let mut crowd: Vec<(Trader, u64)> = Vec::new();
        for index in 0..accounts {
            let (trader, budget) = storm.poor(index)?;
            storm.take_positions(&trader, budget, &makers, &crowd);
            crowd.push((trader, budget));
        }
        // Fees fill the floors, and the rest is insurance's.
        for (trader, _) in crowd.iter().filter(|_| accounts < 500 || storm.rng.u8(0..4) == 0) {
            for key in storm.markets.iter().map(|market| market.key).collect::<Vec<_>>() {
                let _ = storm.world.settle_pnl(trader, key, false);
            }
        }
        for market in storm.markets.clone() {
            for maker in &makers {
                storm.world.settle_pnl(maker, market.key, false)?;
            }
            let sweep = instruction::sweep_fees(storm.world.group, market.key, storm.world.usdc_bank);
            storm.world.send(&[sweep], &[])?;
        }
        let capital = 20_000 * u64::try_from(accounts)?;
        storm.keepers = (0..5).map(|index| storm.rich(&format!("keeper {index}"), capital)).collect();
        storm.world.set_time(storm.world.now() + 3_600);
        storm.cache = storm.world.accounts();
        storm.refresh_all()?;
        storm.sent.clear();
        storm.world.set_time(storm.world.now() + 10);
        Ok(storm)
    }

    /// Somebody with dollars, and a tenth as much of each token.
    fn rich(&mut self, name: &str, dollars: u64) -> Trader {
        let trader = self.world.funded(name, dollars * DOLLAR, 0);
        for market in self.markets.clone() {
            self.deposit_token(&trader, &market, dollars / 10).expect("a rich account deposits");
        }
        trader
    }

    /// Deposits a market's token worth so many dollars.
    fn deposit_token(&mut self, trader: &Trader, market: &Market, dollars: u64) -> Result<()> {
        let Some((bank_key, mint)) = market.token else { return Ok(()) };
        let atoms = u128::from(dollars) * 10u128.pow(19) / u128::from(market.price.unsigned_abs());
        let atoms = u64::try_from(atoms)?;
        let wallet = if mint == self.world.sol_mint {
            self.world.give(trader, Token::Sol, atoms);
            trader.wallet(Token::Sol)
        } else {
            self.world.give_new(trader, mint, atoms)
        };
        let bank: Bank = self.world.load(&bank_key);
        let deposit =
            instruction::deposit(trader.key(), trader.margin_account, (bank_key, &bank), wallet, TOKEN_PROGRAM, atoms);
        self.world.send(&[deposit], &[&trader.keypair])?;
        Ok(())
    }

    /// Somebody with 1,000 to 300,000 dollars in one or two tokens, in a random mode, perhaps with a loan.
    fn poor(&mut self, index: usize) -> Result<(Trader, u64)> {
        let budget = 10f64.powf(3.0 + 2.5 * self.rng.f64()) as u64;
        let trader = self.world.trader(&format!("trader {index}"));
        let token_part = [0, 0, 0, 50, 50, 100][self.rng.usize(0..6)];
        if token_part < 100 {
            let dollars = budget * (100 - token_part) / 100 * DOLLAR;
            self.world.give(&trader, Token::Usdc, dollars);
            self.world.deposit(&trader, Token::Usdc, dollars)?;
        }
        if token_part > 0 {
            let market = self.markets[self.rng.usize(0..AVOIDED)].clone();
            self.deposit_token(&trader, &market, budget * token_part / 100)?;
            if self.rng.bool() {
                // A loan of dollars, or of SOL against something else.
                let part = self.rng.u64(10..=60);
                let worth = budget * token_part / 100 * part / 100;
                let _ = match self.rng.u8(0..3) {
                    0 if market.key != self.world.sol => {
                        self.world.borrow(&trader, Token::Sol, worth * 1_000_000_000 / 35)
                    }
                    _ => self.world.borrow(&trader, Token::Usdc, worth * DOLLAR),
                };
            }
        }
        let mode = [Mode::Portfolio, Mode::Portfolio, Mode::Cross, Mode::Cross, Mode::Isolated][self.rng.usize(0..5)];
        let account = self.world.account(&trader);
        let set = instruction::set_mode((trader.margin_account, &account), mode);
        self.world.send(&[set], &[&trader.keypair])?;
        Ok((trader, budget))
    }

    /// One to six random positions, each halved until both sides' margin lets it pass; more long than short.
    fn take_positions(&mut self, trader: &Trader, budget: u64, makers: &[Trader], crowd: &[(Trader, u64)]) {
        let home = self.rng.usize(0..self.markets.len());
        let isolated = self.world.account(trader).mode == Mode::Isolated as u8;
        for _ in 0..self.rng.usize(1..=6) {
            let market = match isolated {
                true => self.markets[home].clone(),
                false => self.markets[self.rng.usize(0..self.markets.len())].clone(),
            };
            let instrument = match self.rng.u8(0..10) {
                0..=3 => market.instruments[0],
                4..=5 => market.instruments[1],
                _ => market.instruments[self.rng.usize(2..market.instruments.len())],
            };
            let side = if self.rng.u8(0..10) < 6 { 1 } else { -1 };
            let mut notional = budget * self.rng.u64(20..=300) / 100;
            let opposite = match crowd.is_empty() || self.rng.bool() {
                true => &makers[self.rng.usize(0..makers.len())],
                false => &crowd[self.rng.usize(0..crowd.len())].0,
            };
            let mut maker = opposite;
            for attempt in 0..4 {
                if attempt == 2 {
                    maker = &makers[0];
                }
                let atoms = u128::from(notional) * 10u128.pow(19) / u128::from(market.price.unsigned_abs());
                let lots = u64::try_from(atoms).unwrap_or(u64::MAX) / market.lot;
                let quantity = side * i64::try_from(lots * market.lot).unwrap_or(0);
                if quantity == 0 {
                    break;
                }
                let price = self.world.mark(&market.key, &instrument);
                let leg = margrave::trading::Leg { underlying: market.index, instrument, quantity, price };
                let trade =
                    self.world.trade_legs_instruction(trader, maker, &[PlacedLeg { underlying: market.key, leg }]);
                let signers: [&Keypair; 2] = [&trader.keypair, &maker.keypair];
                if self.world.send(&[compute_limit(), trade], &signers).is_ok() {
                    break;
                }
                notional /= 2;
            }
        }
    }
}
