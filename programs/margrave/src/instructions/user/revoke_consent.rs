use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct RevokeConsent<'info> {
    /// Gets the rent.
    #[account(mut)]
    pub owner: Signer<'info>,
    #[account(mut, has_one = owner @ MargraveError::SignerIsNotOwner, close = owner)]
    pub consent: AccountLoader<'info, Consent>,
}

/// Takes an owner's consent back. Nothing stops it, not even that the margin account is gone (I-34).
pub fn revoke_consent(ctx: Context<RevokeConsent>) -> Result<()> {
    let consent = ctx.accounts.consent.load()?;
    consent.invariant()?;

    emit!(ConsentRevoked { margin_account: consent.margin_account, venue: consent.venue });
    Ok(())
}
