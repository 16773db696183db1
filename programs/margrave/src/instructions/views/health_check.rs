use crate::{error::*, oracle::Action, portfolio::*, state::*};
use anchor_lang::prelude::*;

/// Which margin level health is measured from.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Initial,
    LiquidationEnd,
    Maintenance,
}

#[derive(Accounts)]
pub struct HealthCheck<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(has_one = group @ MargraveError::GroupMismatch)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    // remaining - the account's banks and underlyings
}

/// Fails unless the account's equity is at least `least` micro-dollars above a margin level. Put it at the end of a transaction.
pub fn health_check<'info>(ctx: Context<'info, HealthCheck<'info>>, level: Level, least: i64) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let account = ctx.accounts.margin_account.load()?;
    let directory = InstructionAccounts::new(&[], ctx.remaining_accounts);
    let mut arranged = Arranged::new(&*ctx.accounts.group.load()?)?;
    arranged.read(&account, &directory, Action::AddRisk, now)?;
    let valuation = arranged.valuation()?;
    let health = match level {
        Level::Initial => valuation.initial_health(),
        Level::LiquidationEnd => valuation.liquidation_end_health(),
        Level::Maintenance => valuation.maintenance_health(),
    };
    if health.micros() < least {
        log_valuation(&valuation);
        return err!(MargraveError::HealthTooLow);
    }
    Ok(())
}
