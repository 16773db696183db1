use super::trade::{TradeArgs, execute};
use crate::{breaker::Present, error::*, events::*, state::*, trading::*};
use anchor_lang::prelude::*;

#[event_cpi]
#[derive(Accounts)]
pub struct VenueFill<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        has_one = authority @ MargraveError::SignerIsNotVenue,
    )]
    pub venue: AccountLoader<'info, Venue>,
    /// What the venue's program alone can sign with, in a call.
    pub authority: Signer<'info>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub taker: AccountLoader<'info, MarginAccount>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = maker.key() != taker.key() @ MargraveError::SelfDealing,
    )]
    pub maker: AccountLoader<'info, MarginAccount>,
    #[account(
        mut,
        has_one = venue @ MargraveError::ConsentOfOthers,
        constraint = taker_consent.load()?.margin_account == taker.key() @ MargraveError::ConsentOfOthers,
    )]
    pub taker_consent: AccountLoader<'info, Consent>,
    #[account(
        mut,
        has_one = venue @ MargraveError::ConsentOfOthers,
        constraint = maker_consent.load()?.margin_account == maker.key() @ MargraveError::ConsentOfOthers,
    )]
    pub maker_consent: AccountLoader<'info, Consent>,
    // remaining - as for a trade
}

/// Trades legs between two accounts whose owners have consented, on the word of a venue's program (I-32).
///
/// `legs` from the taker's side, one to eight; `sheets`: for each the place of its underlying among the remaining accounts.
/// The same prices, caps, fees and margin rules as for a trade that both sign (I-15, I-20); besides, the venue's terms and what is
/// left of both consents.
pub fn venue_fill<'info>(ctx: Context<'info, VenueFill<'info>>, legs: Vec<Leg>, sheets: Vec<u8>) -> Result<()> {
    let present = Present::get()?;
    let (accounts, now) = (&*ctx.accounts, present.now);
    let (group, taker, maker) = (&accounts.group, &accounts.taker, &accounts.maker);
    let consents = [&accounts.taker_consent, &accounts.maker_consent];
    accounts.venue.load()?.require_running(now)?;
    for (consent, account) in consents.into_iter().zip([taker, maker]) {
        consent.load()?.require_given(&*account.load()?, now)?;
    }

    let admit = |leg: &Leg, fill: Fill| {
        accounts.venue.load_mut()?.admit(leg, &fill, now)?;
        consents.into_iter().try_for_each(|consent| consent.load_mut()?.charge(fill.value))
    };
    let trade = TradeArgs { legs, sheets };
    let [taker, maker] = execute(group, taker, maker, ctx.remaining_accounts, &trade, present, admit)?;

    let event = VenueFilled { venue: accounts.venue.key(), taker, maker, legs: trade.legs };
    event.emit_by(&accounts.event_authority)
}
