//! Account layouts are a promise to everyone who has stored one. Offsets are from behind the discriminator.

use margrave::{breaker::Breaker, state::*};
use std::mem::{align_of, offset_of, size_of};

#[test]
fn sizes_and_alignment_are_fixed() {
    assert_eq!([size_of::<Group>(), size_of::<OutflowLimit>(), size_of::<Bank>()], [992, 88, 584]);
    assert_eq!([size_of::<Underlying>(), size_of::<MarginAccount>()], [16_640, 4_912]);
    assert_eq!([size_of::<CollateralSlot>(), size_of::<PositionSlot>(), size_of::<RiskSlot>()], [48, 40, 168]);
    assert_eq!([size_of::<Delegate>(), size_of::<QuoteSlot>(), size_of::<Bracket>()], [40, 24, 72]);
    assert_eq!([size_of::<LossDomain>(), size_of::<DeleveragingQueue>(), size_of::<Candidate>()], [448, 368, 40]);
    assert_eq!([size_of::<ExpirySlot>(), size_of::<StrikeSlot>()], [248, 48]);
    assert_eq!(Proposal::SPACE, 411);
    // Account data begins at an 8-byte boundary after its discriminator.
    let alignments = [
        align_of::<Group>(),
        align_of::<OutflowLimit>(),
        align_of::<Bank>(),
        align_of::<Underlying>(),
        align_of::<MarginAccount>(),
    ];
    assert!(alignments.iter().all(|alignment| *alignment <= 8), "{alignments:?}");
}

macro_rules! offsets {
    ($type:ty: $($field:ident $offset:literal),* $(,)?) => {
        $(assert_eq!(offset_of!($type, $field), $offset, concat!(stringify!($type), ".", stringify!($field)));)*
    };
}

#[test]
fn offsets_in_a_group_are_fixed() {
    offsets!(Group: version 0, id 2, banks 4, underlyings 6, quote_mint 8, quote_bank 40, roles 72, receivers 200);
    offsets!(Group: proposals 328, terms 336, options 432, launched 496, depeg 504, paused_until 512, reserved 560);
    offsets!(Roles: admin 0, manager 32, operator 64, guardian 96);
    offsets!(GroupTerms: outflow_cap 0, maintenance_scan_ppm 8, timelock_secs 16, peg_factor_ppm 24);
    offsets!(GroupTerms: liquidation_start_ppm 28, liquidation_ramp_secs 32, liquidation_insurance_ppm 36);
    offsets!(GroupTerms: auction_start_ppm 40, auction_cut_ppm 44, auction_fast_secs 48, auction_slow_secs 52);
    offsets!(GroupTerms: deleverage_notice_secs 56, loss_notice_secs 60, peg_underlying 64);
    offsets!(OutflowLimit: version 0, group 8, window 40, reserved 56);
}

#[test]
fn offsets_in_a_bank_are_fixed() {
    offsets!(Bank: version 0, decimals 3, index 4, group 8, mint 40, vault 72, underlying 104);
    offsets!(Bank: deposit_index 136, borrow_index 152, deposit_shares 168, borrow_shares 176);
    offsets!(Bank: fees 184, insurance 192, pools 200, accrued_at 208, borrow_rate 216, reference_price 224);
    offsets!(Bank: outflow 232, terms 248, bankrupts 328, gated_until 336, outflow_price 344, reserved 352);
    offsets!(BankTerms: deposit_cap 0, borrow_cap 8, outflow_cap 16, haircut_maintenance_ppm 40, interest_fee_ppm 72);
    offsets!(BankTerms: liquidation_fee_ppm 76);
}

#[test]
fn offsets_in_an_underlying_are_fixed() {
    offsets!(Underlying: version 0, index 2, decimals 4, group 8, symbol 40, oracle 56, risk 160, market 280);
    offsets!(Underlying: range 384, nodes 432, perp 624, pool 672, losses 696, series 1_144, breaker 1_152, reserved 1_208);
    offsets!(Underlying: expiries 1_376, strikes 4_352);
    offsets!(Oracle: terms 0, price 56, confidence 64, confidence_ratio 72, publish_time 80, stable_price 96);
    offsets!(RiskTerms: size_depth 0, profit_cap 8, version 16, scan_range_ppm 20, max_surface_age_secs 84);
    offsets!(RiskTerms: liquidation_volume_cap 88, volume_window_secs 96, gap_ppm 104, grace_secs 116);
    offsets!(Breaker: paused_until 0, gap_until 8, grace_until 16, accepted_at 24, accepted_slot 32, volume 40);
    offsets!(MarketTerms: lot 0, perp_interest_cap 8, concentration_ppm 40, maker_fee_ppm 44, funding_depth 80);
    offsets!(MarketTerms: first_loss_target 88, insurance_cap 96);
    offsets!(RangeState: variance 0, price 8, time 16, range 24, ramp 32, moved_at 40);
    offsets!(Perp: open_interest 0, funding_index 8, funded_at 24, premium 32, premium_at 40);
    offsets!(PnlPool: balance 0, unsettled_fees 8, clearing 16);
    offsets!(LossDomain: first_loss 0, insured 8, unshared 24, registered 32, registering_until 40, round 48, bankrupts 52);
    offsets!(LossDomain: gated_until 56, shared 64, shared_of 72, queue 80);
    offsets!(DeleveragingQueue: bankrupt 0, ready_at 32, kind 40, expiry 41, strike 42, candidates 48);
    offsets!(Candidate: margin_account 0, rank 32);
    offsets!(ExpirySlot: series 0, time 8, carry 16, surface_at 24, smile 32, prepared 72, future_interest 184);
    offsets!(ExpirySlot: interest 192, observed 200, observed_secs 216, settlement_price 224, reserved 232);
    offsets!(StrikeSlot: price 0, vol 16, calls 24, puts 32, expiry 40);
}

#[test]
fn offsets_in_a_margin_account_are_fixed() {
    offsets!(MarginAccount: version 0, status 2, mode 3, number 4, group 8, owner 40, sequence 72);
    offsets!(MarginAccount: equity 80, initial_margin 88, liquidation_end 96, maintenance_margin 104);
    offsets!(MarginAccount: valued_sequence 112, valued_at 120, collateral 128, positions 512, risk 1_792);
    offsets!(MarginAccount: delegates 3_136, quotes_since 3_216, quote_floor 3_224, quotes 3_232);
    offsets!(MarginAccount: flagged_at 4_768, bracket 4_776, stepped_at 4_848, reserved 4_856);
    offsets!(CollateralSlot: bank 0, shares 32, risk_slot 40, bankrupt 41);
    offsets!(PositionSlot: kind 0, risk_slot 1, strike 2, expiry 4, quantity 8, quote 16, funding_index 24);
    offsets!(RiskSlot: underlying 0, claim 32, fees 40, funding 48, price 56, publish_time 64, sequence 72);
    offsets!(RiskSlot: terms_version 80, exponent 84, mantissas 86, worst_cell 148, used 149);
    offsets!(RiskSlot: bankrupt 150, registered 152, loss_round 160);
    offsets!(Bracket: liquidator 0, amount 32, shares 40, slot 48, open 49, padding 50);
    offsets!(Delegate: key 0, expires_at 32);
    offsets!(QuoteSlot: nonce 0, filled 8, expires_at 16);
}

#[test]
fn offsets_in_a_venue_and_a_consent_are_fixed() {
    offsets!(Venue: version 0, number 2, group 8, program 40, authority 72, terms 104, paused_until 248, exposure 256);
    offsets!(Venue: reserved 272);
    offsets!(VenueTerms: exposure_cap 0, enabled 8, markets 16);
    offsets!(VenueMarket: fill_cap 0, underlying 8, kinds 10);
    offsets!(Consent: version 0, owner 8, margin_account 40, venue 72, quotes_since 104, expires_at 112, allowance 120);
    offsets!(Consent: reserved 128);
}

/// The compressed array is 64 bytes in place: exponent and 31 mantissas.
#[test]
fn a_stored_risk_array_is_64_bytes() {
    assert_eq!(offset_of!(RiskSlot, worst_cell) - offset_of!(RiskSlot, exponent), 64);
}
