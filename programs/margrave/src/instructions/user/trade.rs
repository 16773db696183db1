use crate::{breaker::Present, constants::*, error::*, events::*, portfolio::*, state::*, trading::*};
use anchor_lang::prelude::*;

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct TradeArgs {
    /// One to eight, from the taker's side.
    pub legs: Vec<Leg>,
    /// For each leg the place of its underlying among the remaining accounts.
    pub sheets: Vec<u8>,
}

#[event_cpi]
#[derive(Accounts)]
pub struct Trade<'info> {
    pub group: AccountLoader<'info, Group>,
    /// The owner of the taking account, or its delegate.
    pub taker_authority: Signer<'info>,
    /// The same of the making account.
    pub maker_authority: Signer<'info>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub taker: AccountLoader<'info, MarginAccount>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = maker.key() != taker.key() @ MargraveError::SelfDealing,
    )]
    pub maker: AccountLoader<'info, MarginAccount>,
    // remaining - the banks and underlyings of both accounts and of the legs; an underlying must be writable where open
    // interest changes, the quote bank where a premium is paid from or into a loan
}

/// Trades one or several legs between two accounts at agreed prices, all or nothing. Both sides sign.
///
/// Each side must meet its initial margin afterwards, or have only reduced its risk (I-15). Payments round against the taker;
/// positions and payments sum to zero with the fees (I-02, I-03, I-04).
pub fn trade<'info>(ctx: Context<'info, Trade<'info>>, args: TradeArgs) -> Result<()> {
    let present = Present::get()?;
    let (accounts, now) = (&*ctx.accounts, present.now);
    {
        let (taker, maker) = (accounts.taker.load()?, accounts.maker.load()?);
        require!(taker.may_trade(accounts.taker_authority.key, now), MargraveError::SignerMayNotTrade);
        require!(maker.may_trade(accounts.maker_authority.key, now), MargraveError::SignerMayNotTrade);
    }
    let (group, taker, maker) = (&accounts.group, &accounts.taker, &accounts.maker);
    let [taker, maker] = execute(group, taker, maker, ctx.remaining_accounts, &args, present, unasked)?;

    Traded { taker, maker, legs: args.legs }.emit_by(&accounts.event_authority)
}

/// Applies the legs to both accounts, those that `admit` allows, and requires margin of each.
#[inline(never)]
pub fn execute<'info>(
    group: &AccountLoader<'info, Group>,
    taker: &AccountLoader<'info, MarginAccount>,
    maker: &AccountLoader<'info, MarginAccount>,
    remaining: &'info [AccountInfo<'info>],
    TradeArgs { legs, sheets }: &TradeArgs,
    present: Present,
    admit: impl Fn(&Leg, Fill) -> Result<()>,
) -> Result<[SideSummary; 2]> {
    require!((1..=MAX_LEGS).contains(&legs.len()) && legs.len() == sheets.len(), MargraveError::LegsOutOfRange);
    let (group_key, terms) = (group.key(), group.load()?);
    let directory = InstructionAccounts::new(&[], remaining);
    let trading = Trading { group: &terms, accounts: &directory, group_key, present, admit };
    let (taker_key, maker_key) = (taker.key(), maker.key());
    let (mut taker, mut maker) = (taker.load_mut()?, maker.load_mut()?);
    let (mut taker, mut maker) = (Side::new(&mut taker), Side::new(&mut maker));
    for (leg, sheet) in legs.iter().zip(sheets) {
        trading.apply(leg, *sheet, &mut taker, &mut maker)?;
    }
    let mut arranged = Arranged::new(&terms)?;
    let taken = trading.require_side(&mut taker, &mut arranged)?;
    let made = trading.require_side(&mut maker, &mut arranged)?;
    Ok([SideSummary::of(taker_key, taker.account, taken), SideSummary::of(maker_key, maker.account, made)])
}
