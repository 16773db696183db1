use crate::{constants::*, error::*};
use anchor_lang::prelude::*;
use margrave_risk::{Levels, Ratio};

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
    /// Lists banks and underlyings.
    pub admin: Pubkey,
    /// The token that dollars are counted in, at par.
    pub quote_mint: Pubkey,
    /// Programs whose Pyth price accounts are accepted; all zeros: unused.
    pub receivers: [Pubkey; MAX_RECEIVERS],
    /// Maintenance margin's part of the scan, in millionths.
    pub maintenance_scan_ppm: u32,
    /// How far above maintenance margin a liquidation goes, in millionths of it.
    pub liquidation_buffer_ppm: u32,
    /// For the authorities, pause bits, outflow windows and correlation groups of later versions. Zero.
    pub reserved: [u8; 1024],
}

impl Group {
    pub fn levels(&self) -> Result<Levels> {
        Ok(Levels {
            maintenance_scan: Ratio::from_ppm_up(self.maintenance_scan_ppm).or_refuse()?,
            liquidation_buffer: Ratio::from_ppm_up(self.liquidation_buffer_ppm).or_refuse()?,
            depeg: Ratio::ZERO,
        })
    }

    /// Whether price accounts owned by `program` are believed.
    pub fn accepts_receiver(&self, program: &Pubkey) -> bool {
        *program != Pubkey::default() && self.receivers.contains(program)
    }

    /// What every instruction that writes a group leaves behind.
    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION, MargraveError::InvariantViolated);
        // Maintenance never asks for more than initial margin, which asks for the whole scan, and for enough of it that a
        // liquidation frees more than its fee.
        require!((PPM / 2..=PPM).contains(&self.maintenance_scan_ppm), MargraveError::ParameterOutOfBounds);
        require!(self.liquidation_buffer_ppm <= PPM, MargraveError::ParameterOutOfBounds);
        // Without a receiver no price could ever be accepted, and the system program owns every empty account.
        require!(self.receivers.iter().any(|r| *r != Pubkey::default()), MargraveError::ParameterOutOfBounds);
        require!(self.quote_mint != Pubkey::default(), MargraveError::ParameterOutOfBounds);
        Ok(())
    }
}

const _: () = assert!(size_of::<Group>() == 8 + 32 * 2 + 32 * MAX_RECEIVERS + 8 + 1024);
