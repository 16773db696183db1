use crate::{constants::*, error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
#[instruction(number: u16)]
pub struct RegisterVenue<'info> {
    #[account(mut)]
    pub manager: Signer<'info>,
    pub group: AccountLoader<'info, Group>,
    /// CHECK: any program; what it is trusted with is the venue's terms.
    #[account(constraint = venue_program.executable @ MargraveError::NotAProgram)]
    pub venue_program: UncheckedAccount<'info>,
    #[account(
        init,
        payer = manager,
        space = 8 + size_of::<Venue>(),
        seeds = [VENUE_SEED, group.key().as_ref(), venue_program.key().as_ref(), &number.to_le_bytes()],
        bump,
    )]
    pub venue: AccountLoader<'info, Venue>,
    pub system_program: Program<'info, System>,
}

/// Registers another program as a venue, which fills nothing until a change of its terms has enabled it (P-43). What signs for it is an
/// address of the program that is found here, so that no key pair can be one (P-42).
pub fn register_venue(ctx: Context<RegisterVenue>, number: u16) -> Result<()> {
    let group = ctx.accounts.group.load()?;
    group.roles.require_manager(&ctx.accounts.manager)?;
    group.require_running(Pause::LISTING, Clock::get()?.unix_timestamp)?;

    let (key, program) = (ctx.accounts.venue.key(), ctx.accounts.venue_program.key());
    let mut venue = ctx.accounts.venue.load_init()?;
    venue.version = VERSION;
    venue.bump = ctx.bumps.venue;
    venue.number = number;
    venue.group = ctx.accounts.group.key();
    venue.program = program;
    venue.authority = Pubkey::find_program_address(&[VENUE_AUTHORITY_SEED, key.as_ref()], &program).0;
    venue.invariant()?;

    emit!(VenueRegistered { group: venue.group, venue: key, program, number, authority: venue.authority });
    Ok(())
}
