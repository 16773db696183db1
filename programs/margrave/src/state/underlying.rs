use crate::{constants::*, error::*};
use anchor_lang::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use margrave_risk::{Decimals, Haircuts, Market, Price, Ratio, SizeCharge, Usd};

/// The risk sheet: one price risk factor with everything that is margined on it.
#[account(zero_copy)]
#[repr(C)]
pub struct Underlying {
    pub version: u8,
    pub bump: u8,
    /// Decimals of a position's smallest unit; a quantity of 10^decimals is one whole unit of the base asset.
    pub decimals: u8,
    pub padding: u8,
    pub index: u16,
    pub padding2: [u8; 2],
    pub group: Pubkey,
    /// ASCII, padded with zeros: part of the address.
    pub symbol: [u8; 16],
    pub oracle: Oracle,
    pub terms: RiskTerms,
    pub perp: Perp,
    /// For realised volatility, the vol surface, 12 expiries and their strikes. Zero. Sized so that the sheet fills what
    /// one instruction may create.
    pub reserved: [u8; 9928],
}

/// Where a price comes from, what makes it admissible, and the last one accepted (I-18).
#[zero_copy]
#[repr(C)]
pub struct Oracle {
    pub feed_id: [u8; 32],
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
    /// Widest accepted confidence, in millionths of the price.
    pub max_confidence_ppm: u32,
    /// Oldest price that may be accepted or add risk, in seconds.
    pub max_age_secs: u32,
    /// Furthest into the future a publish time may lie, in seconds: clocks differ.
    pub max_future_secs: u32,
    /// Oldest price a position may be liquidated at, in seconds: within this window the caller can choose the price.
    pub liquidation_max_age_secs: u32,
    /// For the slow price and the volatility estimate. Zero.
    pub reserved: [u8; 64],
}

/// What the margin engine charges on this underlying, in millionths.
#[zero_copy]
#[repr(C)]
// Not Anchor's derives: with zero_copy they would describe the type to the IDL twice.
#[derive(BorshSerialize, BorshDeserialize, Debug, PartialEq, Eq)]
pub struct RiskTerms {
    /// Grows by one with each change; stored beside every risk array.
    pub version: u32,
    /// R: the price move the core of the scenario grid covers.
    pub scan_range_ppm: u32,
    /// On the size of the net value.
    pub net_charge_ppm: u32,
    /// On the hedged value.
    pub hedged_charge_ppm: u32,
    /// Off unsettled profit wherever it counts, and where risk is added.
    pub profit_haircut_maintenance_ppm: u32,
    pub profit_haircut_initial_ppm: u32,
    /// Furthest a trade price may lie from the index.
    pub max_trade_deviation_ppm: u32,
    /// What a liquidator is paid, of the value taken over.
    pub liquidation_fee_ppm: u32,
}

impl Perp {
    /// Applies a change of the long side. Growth stops at the cap; shrinking never does.
    pub fn change_open_interest(&mut self, long_side: i64) -> Result<()> {
        let changed = self.open_interest.checked_add_signed(long_side).ok_or(MargraveError::InvariantViolated)?;
        require!(long_side <= 0 || changed <= self.open_interest_cap, MargraveError::OpenInterestCapExceeded);
        self.open_interest = changed;
        Ok(())
    }
}

/// The underlying's perpetual future.
#[zero_copy]
#[repr(C)]
pub struct Perp {
    /// Smallest change of a position, in the underlying's smallest units. Zero: no perp is listed.
    pub lot: u32,
    pub maker_fee_ppm: u32,
    pub taker_fee_ppm: u32,
    pub padding: u32,
    /// Sum of all long positions, which is the sum of all short ones (I-02).
    pub open_interest: u64,
    /// Most that `open_interest` may grow to. It may lie below, after a change of the cap: then it only shrinks.
    pub open_interest_cap: u64,
    /// Fees charged to positions and not settled yet, micro-dollars: with every position's quote they sum to zero (I-03).
    pub unsettled_fees: i64,
    /// Cumulative funding per unit, I80F48. Zero: no funding accrues yet.
    pub funding_index: [u8; 16],
    pub funding_updated_at: i64,
}

impl Underlying {
    /// The underlying as the engine sees it, at the last accepted price.
    ///
    /// Not checked here: the price's age, see [`crate::portfolio::Purpose`].
    pub fn market(&self) -> Result<Market> {
        require!(self.oracle.price != 0, MargraveError::PriceNotInitialized);
        Ok(Market {
            price: Price::new(self.oracle.price).or_refuse()?,
            confidence: Ratio::from_bits(self.oracle.confidence_ratio).or_refuse()?,
            unit: Decimals::new(self.decimals).or_refuse()?,
            scan_range: Ratio::from_ppm_up(self.terms.scan_range_ppm).or_refuse()?,
            net_charge: Ratio::from_ppm_up(self.terms.net_charge_ppm).or_refuse()?,
            hedged_charge: Ratio::from_ppm_up(self.terms.hedged_charge_ppm).or_refuse()?,
            profit: Haircuts {
                maintenance: Ratio::from_ppm_up(self.terms.profit_haircut_maintenance_ppm).or_refuse()?,
                initial: Ratio::from_ppm_up(self.terms.profit_haircut_initial_ppm).or_refuse()?,
            },
            profit_cap: Usd::NO_LIMIT,
            size: SizeCharge::NONE,
            ramp: Ratio::ONE,
            group: margrave_risk::Group::ALONE,
        })
    }

    /// The most that margin asks for collateral in this asset, in millionths of its value. A haircut on top must leave
    /// something, or a deposit would lower health (I-12).
    pub fn largest_requirement_ppm(&self) -> u64 {
        let edge = (u64::from(self.terms.scan_range_ppm) * 4).div_ceil(3);
        edge + u64::from(self.terms.net_charge_ppm) + u64::from(self.oracle.max_confidence_ppm)
    }

    /// What every instruction that writes an underlying leaves behind.
    pub fn invariant(&self) -> Result<()> {
        let (terms, oracle, perp) = (&self.terms, &self.oracle, &self.perp);
        require!(self.version == VERSION, MargraveError::InvariantViolated);
        require!(self.decimals <= Decimals::MAX, MargraveError::ParameterOutOfBounds);
        // Above 75 % the edge of the grid, 4/3 R, would lie below a price of zero.
        require!((10_000..=750_000).contains(&terms.scan_range_ppm), MargraveError::ParameterOutOfBounds);
        require!(terms.net_charge_ppm <= 200_000, MargraveError::ParameterOutOfBounds);
        // With a larger one two accounts could be cheaper to hold than their sum (I-13).
        require!(terms.hedged_charge_ppm <= 2 * terms.net_charge_ppm, MargraveError::ParameterOutOfBounds);
        require!(
            terms.profit_haircut_maintenance_ppm <= terms.profit_haircut_initial_ppm,
            MargraveError::ParameterOutOfBounds
        );
        require!(terms.profit_haircut_initial_ppm <= PPM, MargraveError::ParameterOutOfBounds);
        require!(terms.max_trade_deviation_ppm <= 500_000, MargraveError::ParameterOutOfBounds);
        // A liquidation must raise health: its fee is less than the maintenance margin it frees, which is at least 0.5
        // (the floor in Group::invariant) of the edge, 4/3 R.
        require!(terms.liquidation_fee_ppm <= terms.scan_range_ppm / 2, MargraveError::ParameterOutOfBounds);
        require!(oracle.feed_id != [0; 32], MargraveError::ParameterOutOfBounds);
        require!((1..=200_000).contains(&oracle.max_confidence_ppm), MargraveError::ParameterOutOfBounds);
        require!((1..=86_400).contains(&oracle.max_age_secs), MargraveError::ParameterOutOfBounds);
        require!(oracle.max_future_secs <= 60, MargraveError::ParameterOutOfBounds);
        require!(
            (1..=oracle.max_age_secs).contains(&oracle.liquidation_max_age_secs),
            MargraveError::ParameterOutOfBounds
        );
        require!(perp.maker_fee_ppm <= 10_000, MargraveError::ParameterOutOfBounds);
        require!(perp.taker_fee_ppm <= 10_000, MargraveError::ParameterOutOfBounds);
        Ok(())
    }
}

const _: () = {
    assert!(size_of::<Underlying>() + 8 == 10_240); // the most an instruction may create
    assert!(size_of::<Oracle>() == 32 + 5 * 8 + 4 * 4 + 64);
    assert!(size_of::<RiskTerms>() == 32);
    assert!(size_of::<Perp>() == 64);
};
