use super::OutflowWindow;
use crate::{breaker::Breaker, constants::*, error::*};
use anchor_lang::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use margrave_risk::{
    Decimals, Expiry, Group as CorrelationGroup, Haircuts, Market, Nodes, Price, RangeTerms, Ratio, ScanRange,
    SizeCharge, StrikePrice, Usd, Vol, Volatility, Years,
};

/// The risk sheet: one price risk factor with everything that is margined on it. A refresh of the price brings all of it to
/// one moment: price, scan range, forwards, times to expiry. Until the next one every valuation uses that snapshot (I-21).
#[account(zero_copy)]
#[repr(C)]
pub struct Underlying {
    pub version: u8,
    pub bump: u8,
    pub index: u16,
    /// Decimals of a position's smallest unit; a quantity of 10^decimals is one whole unit of the base asset.
    pub decimals: u8,
    pub padding: [u8; 3],
    pub group: Pubkey,
    /// ASCII, padded with zeros: part of the address.
    pub symbol: [u8; 16],
    pub oracle: Oracle,
    pub risk: RiskTerms,
    pub market: MarketTerms,
    pub range: RangeState,
    /// The scan range's grid, prepared for options: [`Nodes`] as words.
    pub nodes: [i64; Nodes::WORDS],
    pub perp: Perp,
    pub pool: PnlPool,
    pub losses: LossDomain,
    /// Series given to expiries so far.
    pub series: u32,
    /// The highest initial haircut that a bank of this asset has had since it took deposits: margin leaves room for it (I-12).
    pub largest_haircut_ppm: u32,
    /// What stops new risk here for a while.
    pub breaker: Breaker,
    /// Zero.
    pub reserved: [u8; 168],
    pub expiries: [ExpirySlot; MAX_EXPIRIES],
    pub strikes: [StrikeSlot; MAX_STRIKES],
}

/// Where a price comes from, what makes it admissible, and the last one accepted (I-18).
#[zero_copy]
#[repr(C)]
pub struct Oracle {
    pub terms: OracleTerms,
    /// 10^-10 dollars per whole unit; zero until a first price is accepted.
    pub price: i64,
    /// Half-width of the oracle's confidence interval, in 10^-10 dollars.
    pub confidence: i64,
    /// `confidence / price` rounded up, in steps of 2^-30.
    pub confidence_ratio: i64,
    /// When the price was published, unix seconds. Never goes back.
    pub publish_time: i64,
    /// Slot in which the receiver program stored it.
    pub posted_slot: u64,
    /// A price that follows slowly, 10^-10 dollars: where risk is added, the worse of the two counts (I-19).
    pub stable_price: i64,
}

/// What makes a price admissible.
#[zero_copy]
#[repr(C)]
#[derive(BorshSerialize, BorshDeserialize, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct OracleTerms {
    /// The Pyth feed; for a legacy account its address.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub feed_id: [u8; 32],
    /// [`OracleKind`] as a number.
    pub kind: u32,
    /// Widest accepted confidence, in millionths of the price.
    pub max_confidence_ppm: u32,
    /// Oldest price that may be accepted or add risk, in seconds.
    pub max_age_secs: u32,
    /// Furthest into the future a publish time may lie, in seconds: clocks differ.
    pub max_future_secs: u32,
    /// Oldest price a position may be liquidated at, in seconds: within this window the caller can choose the price.
    pub liquidation_max_age_secs: u32,
    /// Most that the stable price moves in an hour, of itself.
    pub stable_rate_ppm: u32,
}

/// Which kind of price account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum OracleKind {
    /// `PriceUpdateV2`, any account of a receiver program with this feed.
    PriceUpdate = 0,
    /// A legacy price account at one address.
    Legacy = 1,
}

/// What the margin engine charges on this underlying, in millionths, and how market data may change.
#[zero_copy]
#[repr(C)]
#[derive(BorshSerialize, BorshDeserialize, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct RiskTerms {
    /// Gross value that the market takes without moving, micro-dollars; zero: no size charge.
    pub size_depth: u64,
    /// Most unsettled profit that counts, micro-dollars.
    pub profit_cap: u64,
    /// Grows by one with each change; stored beside every risk array. Ignored where terms are given.
    pub version: u32,
    /// The least scan range R, the price move the core of the scenario grid covers, and the highest.
    pub scan_range_ppm: u32,
    pub scan_range_max_ppm: u32,
    /// R in standard deviations of the realised volatility's move over a day.
    pub range_multiple_ppm: u32,
    /// Memory of the volatility estimate.
    pub volatility_memory_secs: u32,
    /// On the size of the net value.
    pub net_charge_ppm: u32,
    /// On the hedged value.
    pub hedged_charge_ppm: u32,
    /// Size charge at twice the depth, and the most.
    pub size_slope_ppm: u32,
    pub size_cap_ppm: u32,
    /// Off unsettled profit wherever it counts, and where risk is added.
    pub profit_haircut_maintenance_ppm: u32,
    pub profit_haircut_initial_ppm: u32,
    /// Correlation group, 0: alone; and how much of its members' losses offset one another under stress.
    pub correlation_group: u32,
    pub kappa_ppm: u32,
    /// What a dollar at expiry is discounted by, a year.
    pub discount_ppm: u32,
    /// What a liquidator is paid, of the value taken over.
    pub liquidation_fee_ppm: u32,
    /// Most that a volatility may be moved in an hour, of itself, and a carry in an hour.
    pub vol_rate_ppm: u32,
    pub carry_rate_ppm: u32,
    /// Beyond this age of its surface nothing may be opened on an expiry.
    pub max_surface_age_secs: u32,
    /// Above so much value liquidated within a window nothing may be opened, micro-dollars.
    pub liquidation_volume_cap: u64,
    pub volume_window_secs: u32,
    /// Further than this from the last price within an hour none is accepted, of the lower of the two.
    pub max_jump_ppm: u32,
    /// After a price further than this from the last one nothing may be opened and no profit drawn for a while.
    pub gap_ppm: u32,
    pub gap_pause_secs: u32,
    /// So long without a slot a second is a halt of the cluster.
    pub halt_secs: u32,
    /// After which nothing may be opened, and nobody liquidated, for a while.
    pub grace_secs: u32,
}

/// What may be traded here, how much of it, and for what fee.
#[zero_copy]
#[repr(C)]
#[derive(BorshSerialize, BorshDeserialize, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct MarketTerms {
    /// Smallest change of a position, in the underlying's smallest units; zero: nothing trades.
    pub lot: u64,
    /// Most that all long positions may grow to: in the perp, in each expiry's future, in each option. Zero: not traded.
    pub perp_interest_cap: u64,
    pub future_interest_cap: u64,
    pub option_interest_cap: u64,
    /// A position of up to this size is never too concentrated.
    pub position_allowance: u64,
    /// A larger one may be so much of its open interest.
    pub concentration_ppm: u32,
    /// Of the value of perps and futures.
    pub maker_fee_ppm: u32,
    pub taker_fee_ppm: u32,
    /// Of the underlying's value for options, and the most of their premium.
    pub option_maker_fee_ppm: u32,
    pub option_taker_fee_ppm: u32,
    pub option_fee_cap_ppm: u32,
    /// Furthest a price of a perp or future may lie from its mark, and that of an option, of the underlying's price.
    pub max_trade_deviation_ppm: u32,
    pub max_option_deviation_ppm: u32,
    /// Highest funding rate in eight hours, of the price.
    pub funding_cap_ppm: u32,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub padding: u32,
    /// Traded value that moves the premium half-way to a trade's price, micro-dollars.
    pub funding_depth: u64,
    /// Fees stay in the underlying's first-loss floor until it holds so much, micro-dollars.
    pub first_loss_target: u64,
    /// Most of the group's insurance that its deficits may use in a day, micro-dollars.
    pub insurance_cap: u64,
}

/// Realised volatility and the scan range that follows it.
#[zero_copy]
#[repr(C)]
#[derive(Debug, PartialEq, Eq)]
pub struct RangeState {
    /// Per year, 2^-30; and the price and unix time that the next one is compared with.
    pub variance: i64,
    pub price: i64,
    pub time: i64,
    /// R, and the part of it that maintenance margin sees, 2^-30; when they last moved.
    pub range: i64,
    pub ramp: i64,
    pub moved_at: i64,
}

/// The underlying's perpetual future.
#[zero_copy]
#[repr(C)]
pub struct Perp {
    /// Sum of all long positions, which is the sum of all short ones (I-02).
    pub open_interest: u64,
    /// Cumulative funding, 10^-10 dollars per whole unit that a long has paid, I80F48.
    pub funding_index: [u8; 16],
    pub funded_at: i64,
    /// How far trades have lately been above the index, 2^-30 of it.
    pub premium: i64,
    pub premium_at: i64,
}

/// Profit and loss that is realised and not yet paid: with positions' quotes and accounts' claims it sums to zero (I-03), see
/// [`crate::settlement`].
#[zero_copy]
#[repr(C)]
pub struct PnlPool {
    /// What losers have paid in and winners have not drawn, micro-dollars, held in the quote bank's vault.
    pub balance: u64,
    /// Fees charged to claims and not swept yet, micro-dollars.
    pub unsettled_fees: i64,
    /// What funding and expiries have charged to claims less what they have credited, micro-dollars.
    pub clearing: i64,
}

/// Who bears what a bankrupt account owes the pool: its own collateral, the floor, insurance up to a cap, the positions opposite to
/// its own, and what others have gained here, in this order. See [`crate::losses`].
#[zero_copy]
#[repr(C)]
pub struct LossDomain {
    /// What fees have left here to bear losses first, micro-dollars, held in the quote bank's vault.
    pub first_loss: u64,
    /// What insurance has paid here lately.
    pub insured: OutflowWindow,
    /// Losses written off that profit has not borne yet, micro-dollars.
    pub unshared: u64,
    /// Profit registered to bear them, micro-dollars; until when, unix seconds; zero: no round goes on.
    pub registered: u64,
    pub registering_until: i64,
    /// The last round.
    pub round: u32,
    /// Accounts that are bankrupt and hold or owe something here, and until when nobody draws profit because of them.
    pub bankrupts: u32,
    pub gated_until: i64,
    /// How much of how much registered profit the round takes, micro-dollars; zero: it has not ended.
    pub shared: u64,
    pub shared_of: u64,
    pub queue: DeleveragingQueue,
}

/// The positions that stand opposite to a bankrupt one, by rank.
#[zero_copy]
#[repr(C)]
pub struct DeleveragingQueue {
    /// The bankrupt account, all zeros: nobody is deleveraged.
    pub bankrupt: Pubkey,
    /// From when on the first of the queue may be deleveraged, unix seconds.
    pub ready_at: i64,
    pub kind: u8,
    pub expiry: u8,
    pub strike: u16,
    pub padding: u32,
    /// Highest rank first.
    pub candidates: [Candidate; MAX_CANDIDATES],
}

/// An account with a profit here and a position opposite to the bankrupt one.
#[zero_copy]
#[repr(C)]
pub struct Candidate {
    pub margin_account: Pubkey,
    /// Its profit on the underlying as a part of its equity, in millionths.
    pub rank: u64,
}

/// One expiry: all zeros when the slot is free.
#[zero_copy]
#[repr(C)]
pub struct ExpirySlot {
    /// Told from other expiries that were in this slot before; zero: free.
    pub series: u32,
    pub padding: u32,
    /// Unix seconds.
    pub time: i64,
    /// The forward is `price x (1 + carry x years)`, 2^-30 a year.
    pub carry: i64,
    /// When carry and smile were last set.
    pub surface_at: i64,
    /// The smile they were set with: a, b, rho, m, sigma in 2^-48.
    pub smile: [i64; 5],
    /// [`Expiry`] as words, of the last refresh.
    pub prepared: [i64; Expiry::WORDS],
    /// Sum of the long positions in the future.
    pub future_interest: u64,
    /// Sum of the sizes of all positions, long and short, in everything that expires here: the slot is free to go when it is zero.
    pub interest: u64,
    /// Price times seconds, and seconds, that the settlement average has seen.
    pub observed: [u8; 16],
    pub observed_secs: i64,
    /// 10^-10 dollars; zero until it is known. Written once (I-05).
    pub settlement_price: i64,
    pub reserved: [u8; 16],
}

/// The options of one strike: all zeros when the slot is free.
#[zero_copy]
#[repr(C)]
pub struct StrikeSlot {
    /// [`StrikePrice`] as words: 10^-10 dollars, and its logarithm made here and nowhere else.
    pub price: [i64; 2],
    /// Implied volatility, 2^-30.
    pub vol: i64,
    /// Sums of the long positions.
    pub calls: u64,
    pub puts: u64,
    /// Index of its expiry plus one; zero: free.
    pub expiry: u8,
    pub padding: [u8; 7],
}

impl OracleTerms {
    pub fn require_valid(&self) -> Result<()> {
        require!(self.feed_id != [0; 32], MargraveError::ParameterOutOfBounds);
        require!(self.kind <= OracleKind::Legacy as u32, MargraveError::ParameterOutOfBounds);
        require!((1..=200_000).contains(&self.max_confidence_ppm), MargraveError::ParameterOutOfBounds);
        require!((1..=86_400).contains(&self.max_age_secs), MargraveError::ParameterOutOfBounds);
        require!(self.max_future_secs <= 60, MargraveError::ParameterOutOfBounds);
        let liquidation = 1..=self.max_age_secs;
        require!(liquidation.contains(&self.liquidation_max_age_secs), MargraveError::ParameterOutOfBounds);
        require!((10_000..=10 * PPM).contains(&self.stable_rate_ppm), MargraveError::ParameterOutOfBounds);
        Ok(())
    }
}

impl RiskTerms {
    pub fn require_valid(&self) -> Result<()> {
        // Above 75 % the edge of the grid, 4/3 R, would lie below a price of zero.
        let ranges = 10_000..=self.scan_range_max_ppm;
        require!(ranges.contains(&self.scan_range_ppm), MargraveError::ParameterOutOfBounds);
        require!(self.scan_range_max_ppm <= 750_000, MargraveError::ParameterOutOfBounds);
        require!((PPM..=7 * PPM).contains(&self.range_multiple_ppm), MargraveError::ParameterOutOfBounds);
        require!((3_600..=31_536_000).contains(&self.volatility_memory_secs), MargraveError::ParameterOutOfBounds);
        require!(self.net_charge_ppm <= 200_000, MargraveError::ParameterOutOfBounds);
        // With a larger one two accounts could be cheaper to hold than their sum (I-13).
        require!(self.hedged_charge_ppm <= 2 * self.net_charge_ppm, MargraveError::ParameterOutOfBounds);
        require!(self.size_slope_ppm <= PPM && self.size_cap_ppm <= PPM, MargraveError::ParameterOutOfBounds);
        require!(self.size_depth <= MAX_TRADED_VALUE * 8, MargraveError::ParameterOutOfBounds);
        require!(
            self.profit_haircut_maintenance_ppm <= self.profit_haircut_initial_ppm,
            MargraveError::ParameterOutOfBounds
        );
        require!(self.profit_haircut_initial_ppm <= PPM, MargraveError::ParameterOutOfBounds);
        require!(self.correlation_group <= 63 && self.kappa_ppm <= 800_000, MargraveError::ParameterOutOfBounds);
        require!(self.discount_ppm <= PPM, MargraveError::ParameterOutOfBounds);
        // A liquidation must raise health: its fee is less than the maintenance margin it frees, which is at least 0.5
        // (the floor in GroupTerms) of the edge, 4/3 R.
        require!(self.liquidation_fee_ppm <= self.scan_range_ppm / 2, MargraveError::ParameterOutOfBounds);
        require!((1..=PPM).contains(&self.vol_rate_ppm), MargraveError::ParameterOutOfBounds);
        require!((1..=PPM).contains(&self.carry_rate_ppm), MargraveError::ParameterOutOfBounds);
        require!((60..=30 * 86_400).contains(&self.max_surface_age_secs), MargraveError::ParameterOutOfBounds);
        require!((60..=86_400).contains(&self.volume_window_secs), MargraveError::ParameterOutOfBounds);
        require!(self.max_jump_ppm >= PPM, MargraveError::ParameterOutOfBounds);
        // A gap is more than what a market does every day: who may tighten this at once must not stop it for good.
        require!(self.gap_ppm >= 20_000 && self.gap_pause_secs <= 3_600, MargraveError::ParameterOutOfBounds);
        require!((60..=86_400).contains(&self.halt_secs), MargraveError::ParameterOutOfBounds);
        // Nobody is liquidated in the grace.
        require!(self.grace_secs <= 3_600, MargraveError::ParameterOutOfBounds);
        Ok(())
    }

    pub fn range_terms(&self) -> Result<RangeTerms> {
        Ok(RangeTerms {
            multiple: Ratio::from_ppm_up(self.range_multiple_ppm).or_refuse()?,
            horizon: Years::from_seconds(86_400).or_refuse()?,
            least: Ratio::from_ppm_up(self.scan_range_ppm).or_refuse()?,
            most: Ratio::from_ppm_up(self.scan_range_max_ppm).or_refuse()?,
            memory_secs: i64::from(self.volatility_memory_secs),
            interval_secs: 60,
        })
    }
}

impl MarketTerms {
    pub fn require_valid(&self) -> Result<()> {
        let most = MAX_QUANTITY;
        let caps = [self.perp_interest_cap, self.future_interest_cap, self.option_interest_cap];
        require!(self.lot <= most && caps.iter().all(|cap| *cap <= most), MargraveError::ParameterOutOfBounds);
        require!(self.concentration_ppm <= PPM, MargraveError::ParameterOutOfBounds);
        let fees = [self.maker_fee_ppm, self.taker_fee_ppm, self.option_maker_fee_ppm, self.option_taker_fee_ppm];
        require!(fees.iter().all(|fee| *fee <= 10_000), MargraveError::ParameterOutOfBounds);
        require!(self.option_fee_cap_ppm <= 500_000, MargraveError::ParameterOutOfBounds);
        require!(self.max_trade_deviation_ppm <= 500_000, MargraveError::ParameterOutOfBounds);
        require!(self.max_option_deviation_ppm <= 500_000, MargraveError::ParameterOutOfBounds);
        require!(self.funding_cap_ppm <= 50_000, MargraveError::ParameterOutOfBounds);
        require!(self.padding == 0, MargraveError::ParameterOutOfBounds);
        Ok(())
    }
}

impl RangeState {
    /// The estimate as the engine sees it; before a first price it begins at the one the least range stands for.
    pub fn volatility(&self) -> Result<Volatility> {
        Ok(Volatility { variance: self.variance, price: Price::new(self.price).or_refuse()?, time: self.time })
    }

    pub fn scan_range(&self) -> Result<ScanRange> {
        Ok(ScanRange {
            range: Ratio::from_bits(self.range).or_refuse()?,
            ramp: Ratio::from_bits(self.ramp).or_refuse()?,
            time: self.moved_at,
        })
    }
}

impl ExpirySlot {
    pub fn is_free(&self) -> bool {
        self.series == 0
    }

    pub fn expiry(&self) -> Expiry {
        Expiry::from_words(&self.prepared)
    }

    pub fn is_settled(&self) -> bool {
        self.settlement_price != 0
    }

    /// Sum of prices times seconds.
    pub fn observed(&self) -> u128 {
        u128::from_le_bytes(self.observed)
    }
}

impl StrikeSlot {
    pub fn is_free(&self) -> bool {
        self.expiry == 0
    }

    pub fn strike_price(&self) -> StrikePrice {
        StrikePrice::from_words(&self.price)
    }

    pub fn vol(&self) -> Result<Vol> {
        Vol::from_bits(self.vol).or_refuse()
    }
}

impl Underlying {
    /// The underlying as the engine sees it, at the last accepted price.
    ///
    /// Not checked here: the price's age, see [`crate::oracle::Action`].
    pub fn market(&self) -> Result<Market> {
        let ratio = |ppm: u32| Ratio::from_ppm_up(ppm).or_refuse();
        let risk = &self.risk;
        let mut market = Market {
            price: Price::new(self.oracle.price).or_refuse()?,
            confidence: Ratio::from_bits(self.oracle.confidence_ratio).or_refuse()?,
            stable_gap: Ratio::ZERO,
            unit: Decimals::new(self.decimals).or_refuse()?,
            scan_range: Ratio::from_bits(self.range.range).or_refuse()?,
            net_charge: ratio(risk.net_charge_ppm)?,
            hedged_charge: ratio(risk.hedged_charge_ppm)?,
            profit: Haircuts {
                maintenance: ratio(risk.profit_haircut_maintenance_ppm)?,
                initial: ratio(risk.profit_haircut_initial_ppm)?,
            },
            profit_cap: dollars(risk.profit_cap),
            size: SizeCharge {
                depth: dollars(risk.size_depth),
                slope: ratio(risk.size_slope_ppm)?,
                cap: ratio(risk.size_cap_ppm)?,
            },
            ramp: Ratio::from_bits(self.range.ramp).or_refuse()?,
            group: CorrelationGroup {
                id: u8::try_from(risk.correlation_group).unwrap_or(0),
                kappa: ratio(risk.kappa_ppm)?,
            },
        };
        market.stable_gap = self.stable_gap(&market)?;
        Ok(market)
    }

    /// What the stable price takes off a dollar of net value where risk is added: `(price - stable) / price`, signed, times
    /// what of a dollar margin leaves. Rounded away from zero.
    fn stable_gap(&self, market: &Market) -> Result<Ratio> {
        let (price, stable) = (self.oracle.price, self.oracle.stable_price);
        if price == stable {
            return Ok(Ratio::ZERO);
        }
        let edge = market.scan_range.bits() + market.scan_range.bits() / 3;
        let haircut = Ratio::from_ppm_up(self.largest_haircut_ppm).or_refuse()?;
        let asked = edge + market.net_charge.bits() + market.confidence.bits() + haircut.bits();
        let left = (Ratio::ONE.bits() - asked).max(0);
        let apart = i128::from(price.abs_diff(stable)) * i128::from(left);
        let gap = (apart / i128::from(price) + 1).min(i128::from(Ratio::ONE.bits()));
        let gap = i64::try_from(gap).unwrap_or(Ratio::ONE.bits());
        Ratio::from_bits(if price > stable { gap } else { -gap }).or_refuse()
    }

    /// The most that margin asks for collateral in this asset, in millionths of its value. A haircut on top must leave
    /// something, or a deposit would lower health (I-12).
    pub fn largest_requirement_ppm(&self) -> u64 {
        let edge = (u64::from(self.risk.scan_range_max_ppm) * 4).div_ceil(3);
        edge + u64::from(self.risk.net_charge_ppm) + u64::from(self.oracle.terms.max_confidence_ppm)
    }

    /// The grid that options are repriced on.
    pub fn grid_nodes(&self) -> Nodes {
        Nodes::from_words(&self.nodes)
    }

    /// What every instruction that writes an underlying leaves behind.
    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION, MargraveError::InvariantViolated);
        require!(self.decimals <= Decimals::MAX, MargraveError::ParameterOutOfBounds);
        self.oracle.terms.require_valid()?;
        self.risk.require_valid()?;
        // What margin asks and the haircut together leave something of a deposit, whatever the scan range.
        let asked = self.largest_requirement_ppm() + u64::from(self.largest_haircut_ppm);
        require!(self.largest_haircut_ppm == 0 || asked <= u64::from(PPM), MargraveError::ParameterOutOfBounds);
        self.market.require_valid()
    }
}

/// A stored dollar amount; beyond the engine's range it is no limit.
fn dollars(micros: u64) -> Usd {
    i64::try_from(micros).ok().and_then(|micros| Usd::new(micros).ok()).unwrap_or(Usd::NO_LIMIT)
}

const _: () = {
    assert!(size_of::<OracleTerms>() == 32 + 4 * 6);
    assert!(size_of::<Oracle>() == 56 + 8 * 6);
    assert!(size_of::<RiskTerms>() == 8 * 3 + 4 * 24);
    assert!(size_of::<MarketTerms>() == 8 * 8 + 4 * 10);
    assert!(size_of::<Perp>() == 48);
    assert!(size_of::<PnlPool>() == 24);
    assert!(size_of::<Candidate>() == 40);
    assert!(size_of::<DeleveragingQueue>() == 32 + 8 + 8 + 40 * MAX_CANDIDATES);
    assert!(size_of::<LossDomain>() == 8 + 16 + 8 * 3 + 8 + 8 * 3 + 48 + 40 * MAX_CANDIDATES);
    assert!(size_of::<StrikeSlot>() == 48);
    assert!(size_of::<ExpirySlot>() == 8 * 9 + 8 * Expiry::WORDS + 8 * 2 + 16 + 8 * 2 + 16);
};
