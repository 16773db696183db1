use crate::{constants::*, error::*, events::*, oracle::Action, state::*};
use anchor_lang::prelude::*;
use margrave_risk::Ratio;

#[derive(Accounts)]
pub struct UpdateDepeg<'info> {
    #[account(mut)]
    pub group: AccountLoader<'info, Group>,
    #[account(has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
}

/// Takes the surcharge on initial margin from the price of the quote token: nothing at or above the threshold. Anyone. It can stop
/// new risk and liquidates nobody.
pub fn update_depeg(ctx: Context<UpdateDepeg>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut group = ctx.accounts.group.load_mut()?;
    let underlying = ctx.accounts.underlying.load()?;
    require_keys_eq!(group.terms.peg_underlying, ctx.accounts.underlying.key(), MargraveError::UnderlyingMissing);
    underlying.oracle.require_good_for(Action::AddRisk, now)?;

    // A price in 10^-10 dollars is ten thousand times one in millionths.
    let missing = (i64::from(group.terms.peg_threshold_ppm) * 10_000 - underlying.oracle.price).max(0);
    let asked = u128::from(missing.unsigned_abs()) * u128::from(group.terms.peg_factor_ppm);
    let ppm = u32::try_from(asked.div_ceil(10_000 * u128::from(PPM))).map_err(|_| MargraveError::ValueOutOfRange)?;
    group.depeg = Ratio::from_ppm_up(ppm).or_refuse()?.bits();
    group.invariant()?;

    emit!(DepegUpdated { group: ctx.accounts.group.key(), price: underlying.oracle.price, surcharge: group.depeg });
    Ok(())
}
