use crate::{constants::*, error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct GrantConsent<'info> {
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Only the owner: a delegate trades himself and lets nobody else.
    pub owner: Signer<'info>,
    #[account(has_one = owner @ MargraveError::SignerIsNotOwner)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    #[account(constraint = venue.load()?.group == margin_account.load()?.group @ MargraveError::GroupMismatch)]
    pub venue: AccountLoader<'info, Venue>,
    #[account(
        init_if_needed,
        payer = payer,
        space = 8 + size_of::<Consent>(),
        seeds = [CONSENT_SEED, margin_account.key().as_ref(), venue.key().as_ref()],
        bump,
    )]
    pub consent: AccountLoader<'info, Consent>,
    pub system_program: Program<'info, System>,
}

/// Lets a venue trade for a margin account until `expires_at` (unix seconds), for so much value in micro-dollars; `u64::MAX`: no
/// limit. Granted again, what was granted before is replaced.
pub fn grant_consent(ctx: Context<GrantConsent>, expires_at: i64, allowance: u64) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    require!(expires_at <= now.saturating_add(MAX_DELEGATE_SECS), MargraveError::ConsentTooLong);
    let loader = &ctx.accounts.consent;
    let mut consent = loader.load_init().or_else(|_| loader.load_mut())?;
    *consent = Consent {
        version: VERSION,
        bump: ctx.bumps.consent,
        padding: [0; 6],
        owner: ctx.accounts.owner.key(),
        margin_account: ctx.accounts.margin_account.key(),
        venue: ctx.accounts.venue.key(),
        quotes_since: ctx.accounts.margin_account.load()?.quotes_since,
        expires_at,
        allowance,
        reserved: [0; 32],
    };
    consent.invariant()?;

    emit!(ConsentGranted { margin_account: consent.margin_account, venue: consent.venue, expires_at, allowance });
    Ok(())
}
