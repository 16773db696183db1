use crate::{constants::*, error::*};
use anchor_lang::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use margrave_risk::{Levels, OptionTerms, Ratio};

/// One deployment: who may change it, what its money is, whose prices it believes. Groups share nothing.
#[account(zero_copy)]
#[repr(C)]
pub struct Group {
    pub version: u8,
    pub bump: u8,
    /// Part of the address, so that one program can serve several groups.
    pub id: u16,
    /// Banks and underlyings listed so far; the next index of each.
    pub banks: u16,
    pub underlyings: u16,
    /// The token that dollars are counted in, at par.
    pub quote_mint: Pubkey,
    /// Its bank; all zeros until it is listed.
    pub quote_bank: Pubkey,
    pub roles: Roles,
    /// Programs whose Pyth price accounts are accepted; all zeros: unused.
    pub receivers: [Pubkey; MAX_RECEIVERS],
    /// Changes queued so far; the next proposal's id.
    pub proposals: u64,
    pub terms: GroupTerms,
    pub options: OptionParameters,
    /// One from the launch on: until then parameters change at once and nobody can deposit.
    pub launched: u8,
    pub padding: [u8; 7],
    /// Surcharge on the scan in initial margin while the quote token is below its peg, 2^-30.
    pub depeg: i64,
    /// Until when each [`Pause`] bit holds, unix seconds, the lowest bit first.
    pub paused_until: [i64; Pause::BITS],
    /// Zero.
    pub reserved: [u8; 432],
}

/// Who may do what. One key may hold several roles, but then a thief needs only one key.
#[zero_copy]
#[repr(C)]
#[derive(BorshSerialize, BorshDeserialize, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Cold: queues changes of roles and of the group.
    pub admin: Pubkey,
    /// Warm: lists, queues changes of banks and underlyings, tightens them at once.
    pub manager: Pubkey,
    /// Hot: lists expiries and strikes, sets surfaces and carries, within bounds on their rate of change.
    pub operator: Pubkey,
    /// Sets pause bits for up to a week and cancels queued changes; can neither clear a bit nor queue.
    pub guardian: Pubkey,
}

/// What governs a whole group. Ratios in millionths.
#[zero_copy]
#[repr(C)]
#[derive(BorshSerialize, BorshDeserialize, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct GroupTerms {
    /// Net outflow of all tokens together per day, micro-dollars at the banks' reference prices.
    pub outflow_cap: u64,
    /// Maintenance margin's part of the scan.
    pub maintenance_scan_ppm: u32,
    /// How far above maintenance margin a liquidation goes, of it.
    pub liquidation_buffer_ppm: u32,
    /// How long a loosening change waits.
    pub timelock_secs: u32,
    /// Below this price of the quote token, in millionths of a dollar, initial margin asks for more scan: for each millionth
    /// that is missing so many millionths.
    pub peg_threshold_ppm: u32,
    pub peg_factor_ppm: u32,
    /// The part of a liquidation fee that a liquidation begins with, and how long it takes to reach all of it.
    pub liquidation_start_ppm: u32,
    pub liquidation_ramp_secs: u32,
    /// The part of a liquidation fee that insurance gets.
    pub liquidation_insurance_ppm: u32,
    /// What a slice of a portfolio costs of its equity: when its liquidation begins, after the fast part of the auction, and
    /// nothing after the slow part.
    pub auction_start_ppm: u32,
    pub auction_cut_ppm: u32,
    pub auction_fast_secs: u32,
    pub auction_slow_secs: u32,
    /// How long candidates are looked for before one of them is deleveraged, and how long profit is registered before it bears a
    /// loss.
    pub deleverage_notice_secs: u32,
    pub loss_notice_secs: u32,
    /// The underlying that prices the quote token; all zeros: none.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub peg_underlying: Pubkey,
}

/// How options are shocked and charged, in millionths: [`OptionTerms`] as it is stored.
#[zero_copy]
#[repr(C)]
#[derive(BorshSerialize, BorshDeserialize, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct OptionParameters {
    pub vol_up_ppm: u32,
    pub vol_down_ppm: u32,
    pub vol_power_short_ppm: u32,
    pub vol_power_long_ppm: u32,
    pub vol_floor_ppm: u32,
    pub skew_cap_ppm: u32,
    pub skew_cap_slope_ppm: u32,
    pub skew_width_ppm: u32,
    pub skew_min_width_ppm: u32,
    pub long_factor_ppm: u32,
    pub short_factor_ppm: u32,
    pub basis_base_ppm: u32,
    pub basis_per_year_ppm: u32,
    pub vega_charge_ppm: u32,
    pub naked_maintenance_ppm: u32,
    pub naked_initial_ppm: u32,
}

/// What a guardian may stop. None of them stops a deposit, a repayment, a reduction, a cancellation, a liquidation, a
/// settlement, or a flat account's withdrawal (I-34).
pub struct Pause;

impl Pause {
    /// Trades that add risk.
    pub const NEW_RISK: u32 = 1;
    /// Loans that are not there yet.
    pub const BORROW: u32 = 2;
    /// Withdrawals by accounts with positions or debts.
    pub const WITHDRAW: u32 = 4;
    /// New banks, underlyings, expiries and strikes.
    pub const LISTING: u32 = 8;
    /// Execution of queued changes.
    pub const EXECUTE: u32 = 16;
    /// New carries and volatilities. What has grown old can be closed and not opened.
    pub const SURFACE: u32 = 32;
    pub const BITS: usize = 6;
    pub const ALL: u32 = (1 << Self::BITS) - 1;
}

impl Group {
    pub fn levels(&self) -> Result<Levels> {
        Ok(Levels {
            maintenance_scan: Ratio::from_ppm_up(self.terms.maintenance_scan_ppm).or_refuse()?,
            liquidation_buffer: Ratio::from_ppm_up(self.terms.liquidation_buffer_ppm).or_refuse()?,
            depeg: Ratio::from_bits(self.depeg).or_refuse()?,
        })
    }

    /// Whether price accounts owned by `program` are believed.
    pub fn accepts_receiver(&self, program: &Pubkey) -> bool {
        *program != Pubkey::default() && self.receivers.contains(program)
    }

    /// The [`Pause`] bits that hold at unix time `now`: a pause that has run out is none.
    pub fn paused_now(&self, now: i64) -> u32 {
        let holds = self.paused_until.iter().zip(0..).filter(|(until, _)| now < **until);
        holds.fold(0, |bits, (_, bit)| bits | 1 << bit)
    }

    /// Lets `bits` hold until `until` at least.
    pub fn pause(&mut self, bits: u32, until: i64) {
        for (_, held) in (0..).zip(&mut self.paused_until).filter(|(bit, _)| bits & 1 << bit != 0) {
            *held = until.max(*held);
        }
    }

    pub fn unpause(&mut self, bits: u32) {
        for (_, held) in (0..).zip(&mut self.paused_until).filter(|(bit, _)| bits & 1 << bit != 0) {
            *held = 0;
        }
    }

    /// Refuses what a guardian has stopped.
    pub fn require_running(&self, bits: u32, now: i64) -> Result<()> {
        require!(self.paused_now(now) & bits == 0, MargraveError::Paused);
        Ok(())
    }

    /// What every instruction that writes a group leaves behind.
    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION, MargraveError::InvariantViolated);
        // Without a receiver no price could ever be accepted, and the system program owns every empty account.
        require!(self.receivers.iter().any(|r| *r != Pubkey::default()), MargraveError::ParameterOutOfBounds);
        self.roles.require_valid()?;
        self.terms.require_valid()?;
        self.options.terms()?.require_valid().or_refuse()
    }
}

impl Roles {
    pub fn require_valid(&self) -> Result<()> {
        let all = [self.admin, self.manager, self.operator, self.guardian];
        require!(all.iter().all(|key| *key != Pubkey::default()), MargraveError::ParameterOutOfBounds);
        Ok(())
    }

    pub fn require_admin(&self, signer: &Signer) -> Result<()> {
        require_keys_eq!(self.admin, *signer.key, MargraveError::SignerIsNotAdmin);
        Ok(())
    }

    /// The admin can do what the manager can.
    pub fn require_manager(&self, signer: &Signer) -> Result<()> {
        require!([self.admin, self.manager].contains(signer.key), MargraveError::SignerIsNotManager);
        Ok(())
    }

    pub fn require_operator(&self, signer: &Signer) -> Result<()> {
        require!([self.manager, self.operator].contains(signer.key), MargraveError::SignerIsNotOperator);
        Ok(())
    }

    pub fn require_guardian(&self, signer: &Signer) -> Result<()> {
        require!([self.admin, self.guardian].contains(signer.key), MargraveError::SignerIsNotGuardian);
        Ok(())
    }
}

impl GroupTerms {
    pub fn require_valid(&self) -> Result<()> {
        // Maintenance never asks for more than initial margin, which asks for the whole scan, and for enough of it that a
        // liquidation frees more than its fee.
        require!((PPM / 2..=PPM).contains(&self.maintenance_scan_ppm), MargraveError::ParameterOutOfBounds);
        require!(self.liquidation_buffer_ppm <= PPM, MargraveError::ParameterOutOfBounds);
        let timelock = MIN_TIMELOCK_SECS..=MAX_TIMELOCK_SECS;
        require!(timelock.contains(&self.timelock_secs), MargraveError::ParameterOutOfBounds);
        // The gap is below one, so the surcharge is a ratio.
        require!(self.peg_threshold_ppm <= PPM && self.peg_factor_ppm < 8 * PPM, MargraveError::ParameterOutOfBounds);
        let parts = [self.liquidation_start_ppm, self.liquidation_insurance_ppm, self.auction_start_ppm];
        require!(parts.iter().all(|part| *part <= PPM), MargraveError::ParameterOutOfBounds);
        require!(self.auction_cut_ppm <= self.auction_start_ppm, MargraveError::ParameterOutOfBounds);
        let times = [self.liquidation_ramp_secs, self.auction_fast_secs, self.auction_slow_secs];
        require!(times.iter().all(|secs| (1..=86_400).contains(secs)), MargraveError::ParameterOutOfBounds);
        let notices = [self.deleverage_notice_secs, self.loss_notice_secs];
        require!(notices.iter().all(|secs| (10..=86_400).contains(secs)), MargraveError::ParameterOutOfBounds);
        Ok(())
    }
}

impl OptionParameters {
    /// The engine's form. Charges round up; the factor of what long options are worth rounds down.
    pub fn terms(&self) -> Result<OptionTerms> {
        let up = |ppm: u32| Ratio::from_ppm_up(ppm).or_refuse();
        Ok(OptionTerms {
            vol_up: up(self.vol_up_ppm)?,
            vol_down: up(self.vol_down_ppm)?,
            power_short: up(self.vol_power_short_ppm)?,
            power_long: up(self.vol_power_long_ppm)?,
            vol_floor: up(self.vol_floor_ppm)?,
            skew_cap: up(self.skew_cap_ppm)?,
            skew_cap_slope: up(self.skew_cap_slope_ppm)?,
            skew_width: up(self.skew_width_ppm)?,
            skew_min_width: up(self.skew_min_width_ppm)?,
            long_factor: up(self.long_factor_ppm)?,
            short_factor: up(self.short_factor_ppm)?,
            basis_base: up(self.basis_base_ppm)?,
            basis_per_year: up(self.basis_per_year_ppm)?,
            vega_charge: up(self.vega_charge_ppm)?,
            naked_maintenance: up(self.naked_maintenance_ppm)?,
            naked_initial: up(self.naked_initial_ppm)?,
        })
    }

    /// The defaults of `docs/margin-model.md`.
    pub const STANDARD: Self = Self {
        vol_up_ppm: 500_000,
        vol_down_ppm: 250_000,
        vol_power_short_ppm: 300_000,
        vol_power_long_ppm: 130_000,
        vol_floor_ppm: 400_000,
        skew_cap_ppm: 250_000,
        skew_cap_slope_ppm: 100_000,
        skew_width_ppm: 2_400_000,
        skew_min_width_ppm: 10_000,
        long_factor_ppm: 950_000,
        short_factor_ppm: 1_040_000,
        basis_base_ppm: 500_000,
        basis_per_year_ppm: 2_000_000,
        vega_charge_ppm: 100_000,
        naked_maintenance_ppm: 3_000,
        naked_initial_ppm: 2_000,
    };
}

const _: () = {
    assert!(size_of::<Roles>() == 32 * 4);
    assert!(size_of::<GroupTerms>() == 8 + 4 * 14 + 32);
    assert!(size_of::<OptionParameters>() == 4 * 16);
    assert!(
        size_of::<Group>() == 8 + 32 * 2 + 32 * 4 + 32 * MAX_RECEIVERS + 8 + 96 + 64 + 8 + 8 + 8 * Pause::BITS + 432
    );
};
