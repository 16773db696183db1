use crate::{constants::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
#[instruction(number: u16)]
pub struct OpenMarginAccount<'info> {
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Signs, so that nobody opens accounts in another's name.
    pub owner: Signer<'info>,
    pub group: AccountLoader<'info, Group>,
    #[account(
        init,
        payer = payer,
        space = 8 + size_of::<MarginAccount>(),
        seeds = [MARGIN_ACCOUNT_SEED, group.key().as_ref(), owner.key().as_ref(), &number.to_le_bytes()],
        bump,
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    pub system_program: Program<'info, System>,
}

/// Opens an empty margin account. An owner may have 65,536 of them in a group; they share nothing.
pub fn open_margin_account(ctx: Context<OpenMarginAccount>, number: u16) -> Result<()> {
    let mut account = ctx.accounts.margin_account.load_init()?;
    account.version = VERSION;
    account.bump = ctx.bumps.margin_account;
    account.number = number;
    account.group = ctx.accounts.group.key();
    account.owner = ctx.accounts.owner.key();
    account.quotes_since = Clock::get()?.unix_timestamp;
    account.invariant()?;

    emit!(MarginAccountOpened {
        group: account.group,
        margin_account: ctx.accounts.margin_account.key(),
        owner: account.owner,
        number,
    });
    Ok(())
}
