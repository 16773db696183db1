use crate::{constants::*, error::*, events::*, state::*};
use anchor_lang::prelude::*;
use margrave_risk::Ratio;

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct ListUnderlyingArgs {
    /// ASCII, padded with zeros.
    pub symbol: [u8; 16],
    /// Decimals of a position's smallest unit.
    pub decimals: u8,
    pub oracle: OracleTerms,
    pub risk: RiskTerms,
}

#[derive(Accounts)]
#[instruction(args: ListUnderlyingArgs)]
pub struct ListUnderlying<'info> {
    pub manager: Signer<'info>,
    #[account(mut)]
    pub group: AccountLoader<'info, Group>,
    /// Grown to its size before.
    #[account(zero, seeds = [UNDERLYING_SEED, group.key().as_ref(), &args.symbol], bump)]
    pub underlying: AccountLoader<'info, Underlying>,
}

/// Lists a price risk factor, on which nothing trades until a change of its terms has raised its caps.
pub fn list_underlying(ctx: Context<ListUnderlying>, args: ListUnderlyingArgs) -> Result<()> {
    let length = args.symbol.iter().position(|byte| *byte == 0).unwrap_or(args.symbol.len());
    let (name, padding) = args.symbol.split_at(length);
    // One spelling per address: printable, and nothing after the first zero.
    require!(
        !name.is_empty() && name.iter().all(u8::is_ascii_graphic) && padding.iter().all(|byte| *byte == 0),
        MargraveError::ParameterOutOfBounds
    );

    let mut group = ctx.accounts.group.load_mut()?;
    group.roles.require_manager(&ctx.accounts.manager)?;
    group.require_running(Pause::LISTING, Clock::get()?.unix_timestamp)?;
    let mut underlying = ctx.accounts.underlying.load_init()?;
    underlying.version = VERSION;
    underlying.bump = ctx.bumps.underlying;
    underlying.decimals = args.decimals;
    underlying.index = group.underlyings;
    underlying.group = ctx.accounts.group.key();
    underlying.symbol = args.symbol;
    underlying.oracle.terms = args.oracle;
    underlying.risk = RiskTerms { version: 1, ..args.risk };
    underlying.range.ramp = Ratio::ONE.bits();
    underlying.set_range(Ratio::from_ppm_up(args.risk.scan_range_ppm).or_refuse()?)?;
    underlying.invariant()?;
    group.underlyings = group.underlyings.checked_add(1).ok_or(MargraveError::ValueOutOfRange)?;
    group.invariant()?;

    emit!(UnderlyingListed {
        group: underlying.group,
        underlying: ctx.accounts.underlying.key(),
        symbol: args.symbol,
        feed_id: args.oracle.feed_id,
        index: underlying.index,
    });
    Ok(())
}
