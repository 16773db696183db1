use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct ListPerpArgs {
    /// Smallest change of a position, in the underlying's smallest units; not zero.
    pub lot: u32,
    pub maker_fee_ppm: u32,
    pub taker_fee_ppm: u32,
    /// Most the long side may hold together, in the underlying's smallest units.
    pub open_interest_cap: u64,
}

#[derive(Accounts)]
pub struct ListPerp<'info> {
    pub admin: Signer<'info>,
    #[account(has_one = admin @ MargraveError::SignerIsNotAdmin)]
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
}

/// Lists the perpetual future of an underlying.
pub fn list_perp(ctx: Context<ListPerp>, args: ListPerpArgs) -> Result<()> {
    let mut underlying = ctx.accounts.underlying.load_mut()?;
    require!(underlying.perp.lot == 0, MargraveError::AlreadyListed);
    require!(args.lot > 0, MargraveError::ParameterOutOfBounds);

    underlying.perp.lot = args.lot;
    underlying.perp.maker_fee_ppm = args.maker_fee_ppm;
    underlying.perp.taker_fee_ppm = args.taker_fee_ppm;
    underlying.perp.open_interest_cap = args.open_interest_cap;
    underlying.invariant()?;

    emit!(PerpListed { underlying: ctx.accounts.underlying.key(), lot: args.lot });
    Ok(())
}
