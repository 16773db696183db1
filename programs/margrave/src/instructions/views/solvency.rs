use crate::{error::*, state::*, token::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CheckSolvency<'info> {
    #[account(has_one = vault @ MargraveError::VaultMismatch)]
    pub bank: AccountLoader<'info, Bank>,
    pub vault: InterfaceAccount<'info, TokenAccount>,
}

/// A bank's balance sheet, in atoms. Fails when it is not solvent (I-01).
pub fn solvency(ctx: Context<CheckSolvency>) -> Result<SolvencyStatement> {
    let bank = ctx.accounts.bank.load()?;
    bank.require_solvent(ctx.accounts.vault.amount)?;
    let statement = SolvencyStatement {
        vault: ctx.accounts.vault.amount,
        lent: bank.debts_down()?,
        deposits: bank.claims_up()?,
        insurance: bank.insurance,
        fees: bank.fees,
        pools: bank.pools,
    };
    Ok(statement)
}

/// `vault + lent >= deposits + insurance + fees + pools`.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SolvencyStatement {
    pub vault: u64,
    /// What borrowers owe, rounded down.
    pub lent: u64,
    /// What depositors own, rounded up.
    pub deposits: u64,
    pub insurance: u64,
    pub fees: u64,
    pub pools: u64,
}
