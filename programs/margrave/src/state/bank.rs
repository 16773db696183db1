use crate::{constants::*, error::*};
use anchor_lang::prelude::*;
use fixed::types::I80F48;
use margrave_risk::{Haircuts, Ratio};

/// One collateral token. A balance is a number of shares of its bank; a share is worth `deposit_index` atoms.
#[account(zero_copy)]
#[repr(C)]
pub struct Bank {
    pub version: u8,
    pub bump: u8,
    pub vault_bump: u8,
    /// Decimals of the mint.
    pub decimals: u8,
    pub index: u16,
    pub padding: [u8; 2],
    pub group: Pubkey,
    pub mint: Pubkey,
    /// The token account that holds every deposit. Its authority is this bank and nothing else.
    pub vault: Pubkey,
    /// The underlying whose price values this token and whose risk array it enters; all zeros for the quote token, which
    /// counts at par.
    pub underlying: Pubkey,
    /// Atoms per deposit share, I80F48. Starts at one and does not fall but in an explicit loss event.
    pub deposit_index: [u8; 16],
    /// Atoms owed per borrow share, I80F48. Starts at one and never falls.
    pub borrow_index: [u8; 16],
    /// Sum of all accounts' deposit shares (I-06).
    pub deposit_shares: u64,
    /// Sum of all accounts' borrow shares. Zero: borrowing is not offered yet.
    pub borrow_shares: u64,
    /// Fees and insurance held in the vault, in atoms. Zero: nothing pays into them yet.
    pub fees: u64,
    pub insurance: u64,
    /// Most atoms the bank takes as deposits.
    pub deposit_cap: u64,
    /// Discount on the value as margin, in millionths.
    pub haircut_maintenance_ppm: u32,
    /// The same where risk is added; at least the maintenance haircut.
    pub haircut_initial_ppm: u32,
    /// For the interest curve, liability weights, outflow window and extension list of later versions. Zero.
    pub reserved: [u8; 512],
}

impl Bank {
    pub const INDEX_ONE: [u8; 16] = I80F48::ONE.to_le_bytes();

    /// Whether this is the quote token's bank.
    pub fn is_quote(&self) -> bool {
        self.underlying == Pubkey::default()
    }

    pub fn haircuts(&self) -> Result<Haircuts> {
        Ok(Haircuts {
            maintenance: Ratio::from_ppm_up(self.haircut_maintenance_ppm).or_refuse()?,
            initial: Ratio::from_ppm_up(self.haircut_initial_ppm).or_refuse()?,
        })
    }

    /// The deposit index in 2^-48 atoms per share: at least one, so a share is never worth less than an atom put in.
    fn deposit_index_bits(&self) -> Result<u128> {
        let bits = I80F48::from_le_bytes(self.deposit_index).to_bits();
        u128::try_from(bits).map_err(|_| error!(MargraveError::InvariantViolated))
    }

    /// What `shares` own, in atoms, rounded down.
    pub fn atoms_down(&self, shares: u64) -> Result<u64> {
        let product = u128::from(shares).checked_mul(self.deposit_index_bits()?);
        to_u64(product.ok_or(MargraveError::ValueOutOfRange)? >> I80F48::FRAC_NBITS)
    }

    /// What all deposits are owed, in atoms, rounded up.
    pub fn claims_up(&self) -> Result<u64> {
        let product = u128::from(self.deposit_shares).checked_mul(self.deposit_index_bits()?);
        let one_up = product.and_then(|p| p.checked_add((1 << I80F48::FRAC_NBITS) - 1));
        to_u64(one_up.ok_or(MargraveError::ValueOutOfRange)? >> I80F48::FRAC_NBITS)
    }

    /// Credits a deposit of `atoms` that has arrived in the vault; returns its shares, rounded down.
    pub fn deposit(&mut self, atoms: u64) -> Result<u64> {
        let shares = to_u64((u128::from(atoms) << I80F48::FRAC_NBITS) / self.deposit_index_bits()?)?;
        require!(shares > 0, MargraveError::AmountBelowOneShare);
        self.deposit_shares = self.deposit_shares.checked_add(shares).ok_or(MargraveError::ValueOutOfRange)?;
        require!(self.claims_up()? <= self.deposit_cap, MargraveError::DepositCapExceeded);
        Ok(shares)
    }

    /// The shares that paying out `atoms` costs, rounded up.
    pub fn shares_up(&self, atoms: u64) -> Result<u64> {
        to_u64((u128::from(atoms) << I80F48::FRAC_NBITS).div_ceil(self.deposit_index_bits()?))
    }

    /// Cancels `shares` that are being paid out.
    pub fn burn(&mut self, shares: u64) -> Result<()> {
        self.deposit_shares = self.deposit_shares.checked_sub(shares).ok_or(MargraveError::InvariantViolated)?;
        Ok(())
    }

    /// I-01: the vault covers what the bank owes. Tokens sent to the vault by a stranger are surplus and credit nobody.
    pub fn require_solvent(&self, vault_atoms: u64) -> Result<()> {
        let owed = u128::from(self.claims_up()?) + u128::from(self.fees) + u128::from(self.insurance);
        require!(u128::from(vault_atoms) >= owed, MargraveError::InvariantViolated);
        Ok(())
    }

    /// What every instruction that writes a bank leaves behind.
    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION, MargraveError::InvariantViolated);
        require!(self.deposit_index_bits()? >= 1 << I80F48::FRAC_NBITS, MargraveError::InvariantViolated);
        require!(self.haircut_maintenance_ppm <= self.haircut_initial_ppm, MargraveError::ParameterOutOfBounds);
        require!(self.haircut_initial_ppm <= PPM, MargraveError::ParameterOutOfBounds);
        Ok(())
    }
}

fn to_u64(value: u128) -> Result<u64> {
    u64::try_from(value).map_err(|_| error!(MargraveError::ValueOutOfRange))
}

const _: () = assert!(size_of::<Bank>() == 8 + 32 * 4 + 16 * 2 + 8 * 5 + 8 + 512);

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;

    fn bank(index: f64) -> Bank {
        Bank {
            version: VERSION,
            deposit_index: I80F48::from_num(index).to_le_bytes(),
            deposit_cap: u64::MAX,
            ..Bank::zeroed()
        }
    }

    #[test]
    fn a_round_trip_never_gains_at_any_index() {
        for index in [1.0, 1.000_000_1, 1.5, 2.9, 1234.567] {
            for atoms in [1_300_u64, 5_000, 999_999, 123_456_789_012, 1 << 50] {
                let mut bank = bank(index);
                let shares = bank.deposit(atoms).unwrap();
                let owned = bank.atoms_down(shares).unwrap();
                assert!(owned <= atoms, "{index} {atoms}");
                assert!(bank.shares_up(owned).unwrap() <= shares);
                assert!(bank.claims_up().unwrap() <= atoms, "the vault covers the claim");
            }
        }
    }

    #[test]
    fn a_deposit_worth_no_share_is_refused() {
        assert_eq!(bank(2.0).deposit(1).unwrap_err(), MargraveError::AmountBelowOneShare.into());
    }

    #[test]
    fn a_payout_costs_at_least_its_worth() {
        let mut bank = bank(1.5);
        let shares = bank.deposit(1_000).unwrap();
        assert_eq!((shares, bank.shares_up(1).unwrap(), bank.shares_up(3).unwrap()), (666, 1, 2));
    }
}
