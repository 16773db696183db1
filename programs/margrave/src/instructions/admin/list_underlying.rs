use crate::{constants::*, error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct ListUnderlyingArgs {
    /// ASCII, padded with zeros.
    pub symbol: [u8; 16],
    /// Decimals of a position's smallest unit.
    pub decimals: u8,
    pub feed_id: [u8; 32],
    pub max_confidence_ppm: u32,
    pub max_age_secs: u32,
    pub max_future_secs: u32,
    pub liquidation_max_age_secs: u32,
    /// `version` is ignored; the program counts it.
    pub terms: RiskTerms,
}

#[derive(Accounts)]
#[instruction(args: ListUnderlyingArgs)]
pub struct ListUnderlying<'info> {
    #[account(mut)]
    pub admin: Signer<'info>,
    #[account(mut, has_one = admin @ MargraveError::SignerIsNotAdmin)]
    pub group: AccountLoader<'info, Group>,
    #[account(
        init,
        payer = admin,
        space = 8 + size_of::<Underlying>(),
        seeds = [UNDERLYING_SEED, group.key().as_ref(), &args.symbol],
        bump,
    )]
    pub underlying: AccountLoader<'info, Underlying>,
    pub system_program: Program<'info, System>,
}

/// Lists a price risk factor, without any market on it.
pub fn list_underlying(ctx: Context<ListUnderlying>, args: ListUnderlyingArgs) -> Result<()> {
    let length = args.symbol.iter().position(|byte| *byte == 0).unwrap_or(args.symbol.len());
    let (name, padding) = args.symbol.split_at(length);
    // One spelling per address: printable, and nothing after the first zero.
    require!(
        !name.is_empty() && name.iter().all(u8::is_ascii_graphic) && padding.iter().all(|byte| *byte == 0),
        MargraveError::ParameterOutOfBounds
    );

    let mut group = ctx.accounts.group.load_mut()?;
    let mut underlying = ctx.accounts.underlying.load_init()?;
    underlying.version = VERSION;
    underlying.bump = ctx.bumps.underlying;
    underlying.decimals = args.decimals;
    underlying.index = group.underlyings;
    underlying.group = ctx.accounts.group.key();
    underlying.symbol = args.symbol;
    underlying.oracle.feed_id = args.feed_id;
    underlying.oracle.max_confidence_ppm = args.max_confidence_ppm;
    underlying.oracle.max_age_secs = args.max_age_secs;
    underlying.oracle.max_future_secs = args.max_future_secs;
    underlying.oracle.liquidation_max_age_secs = args.liquidation_max_age_secs;
    underlying.terms = RiskTerms { version: 1, ..args.terms };
    underlying.invariant()?;
    group.underlyings = group.underlyings.checked_add(1).ok_or(MargraveError::ValueOutOfRange)?;
    group.invariant()?;

    emit!(UnderlyingListed {
        group: underlying.group,
        underlying: ctx.accounts.underlying.key(),
        symbol: args.symbol,
        feed_id: args.feed_id,
        index: underlying.index,
    });
    Ok(())
}
