//! Breakers: what stops new risk on one underlying for a while, and ends by itself. docs/governance.md has the table.
//!
//! None of them stops a deposit, a repayment, a reduction, a cancellation or a flat account's exit, none makes an account
//! liquidatable, and only the grace after a halt of the cluster stops liquidations (I-34).

use crate::{constants::*, error::*, events::BreakerTripped, portfolio::Directory, state::*};
use anchor_lang::{compat::solana_sysvar::last_restart_slot::LastRestartSlot, prelude::*};

/// Until when what has stopped new risk on an underlying stops it. All zeros: nothing has.
#[zero_copy]
#[repr(C)]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Unix seconds: a guardian's pause.
    pub paused_until: i64,
    /// Unix seconds: after a price far from the one before it.
    pub gap_until: i64,
    /// Unix seconds: after a halt of the cluster.
    pub grace_until: i64,
    /// The clock when the last price was accepted: unix seconds, and slot.
    pub accepted_at: i64,
    pub accepted_slot: u64,
    /// Value liquidated, micro-dollars, that was remembered at `volume_at`, unix seconds. It fades within a window.
    pub volume: u64,
    pub volume_at: i64,
}

/// Which breaker.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerKind {
    PriceGap,
    Restart,
    LiquidationVolume,
}

/// The present, as breakers see it.
#[derive(Clone, Copy, Debug)]
pub struct Present {
    /// Unix seconds.
    pub now: i64,
    pub slot: u64,
    /// The last slot before the validators last restarted the cluster; zero: never.
    pub restart_slot: u64,
}

impl Present {
    pub fn get() -> Result<Self> {
        Self::at(&Clock::get()?)
    }

    /// With the clock at hand.
    pub fn at(clock: &Clock) -> Result<Self> {
        let restart_slot = LastRestartSlot::get()?.last_restart_slot;
        Ok(Self { now: clock.unix_timestamp, slot: clock.slot, restart_slot })
    }
}

impl Breaker {
    /// Whether the cluster was restarted, and no price has been accepted since.
    fn is_before_restart(&self, present: &Present) -> bool {
        present.restart_slot > 0 && self.accepted_slot <= present.restart_slot
    }

    /// Whether the cluster has stood still since the last price was accepted: its validators have restarted it, or much time
    /// has passed in fewer slots than seconds. A feed that is silent while slots go on is no halt.
    fn has_halted(&self, terms: &RiskTerms, present: &Present) -> bool {
        let seconds = present.now.saturating_sub(self.accepted_at).max(0).unsigned_abs();
        let slots = present.slot.saturating_sub(self.accepted_slot);
        self.is_before_restart(present) || (seconds > u64::from(terms.halt_secs) && slots < seconds)
    }

    /// Takes note of value that was liquidated. What was before fades in a straight line, rounded up.
    pub fn count(&mut self, value: u64, terms: &RiskTerms, now: i64) {
        let window = u128::from(terms.volume_window_secs.max(1));
        let elapsed = u128::from(now.saturating_sub(self.volume_at).max(0).unsigned_abs()).min(window);
        let faded = u128::from(self.volume) * elapsed / window;
        let left = self.volume - u64::try_from(faded).unwrap_or(self.volume);
        (self.volume, self.volume_at) = (left.saturating_add(value), now.max(self.volume_at));
    }

    /// When what is remembered will have faded to the cap; the past if it is not above it.
    fn volume_until(&self, terms: &RiskTerms) -> i64 {
        let over = self.volume.saturating_sub(terms.liquidation_volume_cap);
        let wait = (u128::from(over) * u128::from(terms.volume_window_secs)).div_ceil(u128::from(self.volume.max(1)));
        self.volume_at.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX))
    }

    /// The breakers that were off in `before` and are on now, and until when.
    pub fn tripped_since(&self, before: &Self, now: i64) -> impl Iterator<Item = (BreakerKind, i64)> {
        let both = [
            (BreakerKind::PriceGap, before.gap_until, self.gap_until),
            (BreakerKind::Restart, before.grace_until, self.grace_until),
        ];
        both.into_iter().filter(move |(_, was, is)| *was <= now && *is > now).map(|(kind, _, until)| (kind, until))
    }
}

impl Underlying {
    /// Takes note of the price that was just accepted after one of `price` and `time`, and trips what it must.
    ///
    /// # Errors
    /// After a halt a price that may be from before it; a price far beyond the last one, for as long as that is not old.
    pub fn watch(&mut self, price: i64, time: i64, present: &Present) -> Result<()> {
        let (oracle, terms, breaker, now) = (&self.oracle, &self.risk, &mut self.breaker, present.now);
        let is_first = price == 0;
        if !is_first && breaker.has_halted(terms, present) {
            let age = now.saturating_sub(oracle.publish_time);
            let is_fresh = age <= i64::from(oracle.terms.liquidation_max_age_secs);
            let is_after = present.restart_slot == 0 || oracle.posted_slot > present.restart_slot;
            require!(is_fresh && is_after, MargraveError::PriceFromBeforeHalt);
            breaker.grace_until = now.saturating_add(i64::from(terms.grace_secs));
        }
        (breaker.accepted_at, breaker.accepted_slot) = (now, present.slot);
        if is_first {
            return Ok(());
        }
        // Ten times as much or a tenth is a wrong decimal point, not a market.
        let is_recent = oracle.publish_time.saturating_sub(time) <= JUMP_MEMORY_SECS;
        let (low, high) = (price.min(oracle.price), price.max(oracle.price));
        require!(!is_recent || !is_apart(high, low, terms.max_jump_ppm), MargraveError::PriceJumpedTooFar);
        // Against the last price, and against one that stands for a minute, so that small steps are not overlooked.
        let anchor = if self.range.price == 0 { price } else { self.range.price };
        if is_apart(oracle.price, price, terms.gap_ppm) || is_apart(oracle.price, anchor, terms.gap_ppm) {
            // Deficits can be declared when liquidations can be made.
            let from = now.max(breaker.grace_until);
            breaker.gap_until = breaker.gap_until.max(from.saturating_add(i64::from(terms.gap_pause_secs)));
        }
        Ok(())
    }

    /// Refuses what adds risk here while it is stopped: by a guardian, after a halt, after a price gap, after many liquidations.
    pub fn require_open(&self, present: &Present) -> Result<()> {
        let (breaker, now) = (&self.breaker, present.now);
        require!(now >= breaker.paused_until, MargraveError::Paused);
        self.require_pool_open(present)?;
        require!(now >= breaker.volume_until(&self.risk), MargraveError::LiquidationVolumeExceeded);
        Ok(())
    }

    /// Refuses a liquidation, and the withdrawal of what secures a position, until the grace after a halt is over.
    pub fn require_no_restart(&self, present: &Present) -> Result<()> {
        let breaker = &self.breaker;
        let restarting = breaker.is_before_restart(present) || present.now < breaker.grace_until;
        require!(!restarting, MargraveError::RestartGrace);
        Ok(())
    }

    /// Requires of an underlying that an account has risk in that it is not restarting, and for a loan that it is open.
    pub fn require_not_stopped(&self, present: &Present, lending: Lending) -> Result<()> {
        match lending {
            Lending::Allowed => self.require_open(present),
            Lending::Refused => self.require_no_restart(present),
        }
    }

    /// Refuses what leaves the pool before losers' deficits could be declared (I-28).
    pub fn require_pool_open(&self, present: &Present) -> Result<()> {
        self.require_no_restart(present)?;
        require!(present.now >= self.breaker.gap_until, MargraveError::PriceGapPause);
        Ok(())
    }

    /// Counts `value` micro-dollars that a liquidation has taken over; of options, their underlying's value. It stops no
    /// liquidation: above the cap nothing is opened here until enough of it has faded.
    pub fn count_liquidation(&mut self, key: Pubkey, value: u64, now: i64) {
        let was_over = now < self.breaker.volume_until(&self.risk);
        self.breaker.count(value, &self.risk, now);
        let until = self.breaker.volume_until(&self.risk);
        if !was_over && now < until {
            emit!(BreakerTripped { underlying: key, breaker: BreakerKind::LiquidationVolume, until });
        }
    }
}

/// Whether `price` lies further than `ppm` millionths of `from` from it.
fn is_apart(price: i64, from: i64, ppm: u32) -> bool {
    i128::from(price.abs_diff(from)) * i128::from(PPM) > i128::from(from) * i128::from(ppm)
}

/// Requires of every underlying that the account has risk in that it is not restarting, and for a loan that it is open.
pub fn require_not_stopped(
    account: &MarginAccount,
    directory: &impl Directory,
    present: &Present,
    lending: Lending,
) -> Result<()> {
    for slot in account.risk.iter().filter(|slot| !slot.is_empty()) {
        directory.underlying(&slot.underlying)?.require_not_stopped(present, lending)?;
    }
    Ok(())
}

const _: () = assert!(size_of::<Breaker>() == 8 * 7);

#[cfg(test)]
mod tests {
    use super::*;
    use anchor_lang::__private::bytemuck::Zeroable;

    fn terms() -> RiskTerms {
        RiskTerms { liquidation_volume_cap: 1_000, volume_window_secs: 100, halt_secs: 300, ..RiskTerms::zeroed() }
    }

    #[test]
    fn what_was_liquidated_fades_within_a_window() {
        let (terms, mut breaker) = (terms(), Breaker::default());
        breaker.count(1_000, &terms, 5_000);
        assert!(breaker.volume_until(&terms) <= 5_000, "the cap is not above the cap");
        breaker.count(1, &terms, 5_000);
        // A thousandth part of the window is a second.
        assert_eq!(breaker.volume_until(&terms), 5_001);
        breaker.count(999, &terms, 5_000);
        assert_eq!(breaker.volume_until(&terms), 5_050);
        // Half a window later half of it is left, and what comes then counts in full.
        breaker.count(500, &terms, 5_050);
        assert_eq!((breaker.volume, breaker.volume_until(&terms)), (1_500, 5_084));
        // A whole window later nothing.
        breaker.count(7, &terms, 5_150);
        assert_eq!(breaker.volume, 7);
        // A clock that stands or goes back fades nothing, and no sum overflows.
        breaker.count(u64::MAX, &terms, 5_100);
        assert_eq!((breaker.volume, breaker.volume_at), (u64::MAX, 5_150));
        assert_eq!(breaker.volume_until(&terms), 5_250);
        let never = RiskTerms { liquidation_volume_cap: u64::MAX, ..terms };
        assert!(breaker.volume_until(&never) <= 5_150);
        // Touching it every second of half a window leaves more than half, exp(-1/2) and what is rounded up.
        let mut often = Breaker::default();
        often.count(1_000, &terms, 0);
        (1..=50).for_each(|second| often.count(0, &terms, second));
        assert!((607..=630).contains(&often.volume), "{}", often.volume);
    }

    #[test]
    fn a_halt_is_much_time_in_few_slots() {
        let terms = terms();
        let breaker = Breaker { accepted_at: 10_000, accepted_slot: 50_000, ..Breaker::default() };
        let halted = |seconds: i64, slots: u64, restart_slot: u64| {
            breaker.has_halted(&terms, &Present { now: 10_000 + seconds, slot: 50_000 + slots, restart_slot })
        };
        // Two and a half slots a second, as usual, and one, which is the least.
        assert!(!halted(18_000, 45_000, 0) && !halted(18_000, 18_000, 0));
        assert!(halted(18_000, 17_999, 0) && halted(18_000, 0, 0));
        // A stumble is none.
        assert!(!halted(300, 0, 0) && halted(301, 0, 0));
        assert!(!halted(-5, 0, 0), "a price may be accepted by an earlier clock");
        // What the validators say is said to the slot.
        assert!(!halted(1, 3, 49_999) && halted(1, 3, 50_000) && halted(1, 3, 50_001));
    }
}
