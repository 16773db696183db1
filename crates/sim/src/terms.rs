//! The standard market's terms: what tests and the demo list, and what docs/parameters.md prints.

use crate::pyth::RECEIVER;
use anchor_lang::prelude::Pubkey;
use margrave::{instructions::*, state::*};

/// No limit that a test would meet.
pub const AMPLE: u64 = 10_000_000_000_000_000;

pub fn group_terms() -> GroupTerms {
    GroupTerms {
        outflow_cap: u64::MAX,
        maintenance_scan_ppm: 800_000,
        liquidation_buffer_ppm: 150_000,
        timelock_secs: 2 * 86_400,
        peg_threshold_ppm: 990_000,
        peg_factor_ppm: 4_000_000,
        liquidation_start_ppm: 250_000,
        liquidation_ramp_secs: 120,
        liquidation_insurance_ppm: 200_000,
        auction_start_ppm: 980_000,
        auction_cut_ppm: 700_000,
        auction_fast_secs: 900,
        auction_slow_secs: 43_200,
        deleverage_notice_secs: 30,
        loss_notice_secs: 600,
        peg_underlying: Pubkey::default(),
    }
}

pub fn group_args(id: u16, roles: Roles) -> CreateGroupArgs {
    CreateGroupArgs {
        id,
        roles,
        receivers: [RECEIVER, Pubkey::default(), Pubkey::default(), Pubkey::default()],
        terms: group_terms(),
        options: OptionParameters::STANDARD,
    }
}

/// Prices up to a minute old, 15 seconds for liquidations, 2 % confidence.
pub fn oracle_terms(feed_id: [u8; 32]) -> OracleTerms {
    OracleTerms {
        feed_id,
        kind: OracleKind::PriceUpdate as u32,
        max_confidence_ppm: 20_000,
        max_age_secs: 60,
        max_future_secs: 5,
        liquidation_max_age_secs: 15,
        stable_rate_ppm: 10_000_000,
    }
}

/// 18 % scan range that may rise to 54 %, 2 % on net and 1 % on hedged value, profit at 90 % where risk is added, 1 % liquidation
/// fee. Of the breakers only the one for halts: a test or a demo may move prices as it likes.
pub fn risk_terms() -> RiskTerms {
    RiskTerms {
        size_depth: 0,
        profit_cap: u64::MAX,
        version: 0,
        scan_range_ppm: 180_000,
        scan_range_max_ppm: 540_000,
        range_multiple_ppm: 3_250_000,
        volatility_memory_secs: 10 * 86_400,
        net_charge_ppm: 20_000,
        hedged_charge_ppm: 10_000,
        size_slope_ppm: 50_000,
        size_cap_ppm: 100_000,
        profit_haircut_maintenance_ppm: 0,
        profit_haircut_initial_ppm: 100_000,
        correlation_group: 0,
        kappa_ppm: 0,
        discount_ppm: 0,
        liquidation_fee_ppm: 10_000,
        vol_rate_ppm: 500_000,
        carry_rate_ppm: 200_000,
        max_surface_age_secs: 86_400,
        liquidation_volume_cap: u64::MAX,
        volume_window_secs: 3_600,
        max_jump_ppm: u32::MAX,
        gap_ppm: 50_000,
        gap_pause_secs: 0,
        halt_secs: 300,
        grace_secs: 600,
    }
}

/// Lots of a hundredth, perps, futures and options, trades within 5 % of the mark.
pub fn market_terms() -> MarketTerms {
    MarketTerms {
        lot: 10_000_000,
        perp_interest_cap: AMPLE,
        future_interest_cap: AMPLE,
        option_interest_cap: AMPLE,
        position_allowance: AMPLE,
        concentration_ppm: 1_000_000,
        maker_fee_ppm: 200,
        taker_fee_ppm: 500,
        option_maker_fee_ppm: 300,
        option_taker_fee_ppm: 300,
        option_fee_cap_ppm: 125_000,
        max_trade_deviation_ppm: 50_000,
        max_option_deviation_ppm: 20_000,
        funding_cap_ppm: 3_000,
        padding: 0,
        funding_depth: 1_000_000_000_000,
        first_loss_target: 0,
        insurance_cap: 10 * AMPLE,
    }
}

/// A token without a price of its own risk: the quote token.
pub fn quote_terms() -> BankTerms {
    BankTerms {
        deposit_cap: u64::MAX,
        borrow_cap: AMPLE,
        outflow_cap: u64::MAX,
        rate_base_ppm: 0,
        rate_optimal_ppm: 60_000,
        rate_max_ppm: 1_000_000,
        utilisation_optimal_ppm: 800_000,
        interest_fee_ppm: 100_000,
        insurance_target: 1_000_000_000_000,
        ..BankTerms::default()
    }
}

/// 5 % and 10 % haircut, the same surcharges on a loan.
pub fn collateral_terms() -> BankTerms {
    BankTerms {
        haircut_maintenance_ppm: 50_000,
        haircut_initial_ppm: 100_000,
        liability_maintenance_ppm: 50_000,
        liability_initial_ppm: 100_000,
        liquidation_fee_ppm: 40_000,
        ..quote_terms()
    }
}
