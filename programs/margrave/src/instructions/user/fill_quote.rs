use super::trade::{TradeArgs, execute};
use crate::{breaker::Present, error::*, events::*, quote::Quote, state::*, trading::*};
use anchor_lang::prelude::*;

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct FillQuoteArgs {
    /// How many units of the quote the taker wants.
    pub units: u64,
    /// The instruction of this transaction in which the ed25519 program checks the maker's signature.
    pub signature_index: u16,
    /// For each leg the place of its underlying among the remaining accounts.
    pub sheets: Vec<u8>,
}

#[event_cpi]
#[derive(Accounts)]
pub struct FillQuote<'info> {
    pub group: AccountLoader<'info, Group>,
    /// The owner of the taking account, or its delegate.
    pub taker_authority: Signer<'info>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub taker: AccountLoader<'info, MarginAccount>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = maker.key() != taker.key() @ MargraveError::SelfDealing,
    )]
    pub maker: AccountLoader<'info, MarginAccount>,
    /// CHECK: the instructions sysvar by its address.
    #[account(address = solana_instructions_sysvar::ID @ MargraveError::QuoteNotSigned)]
    pub instructions: UncheckedAccount<'info>,
    // remaining - as for a trade
}

/// Trades some units of a quote that the maker has signed. The signature is checked by the ed25519 program in another
/// instruction of the transaction.
///
/// The same margin rules as for a trade. A quote is never filled beyond its units, after its time, or by others than it allows.
pub fn fill_quote<'info>(ctx: Context<'info, FillQuote<'info>>, args: FillQuoteArgs) -> Result<()> {
    let present = Present::get()?;
    let (accounts, now) = (&*ctx.accounts, present.now);
    let (quote, signer) = Quote::signed(&accounts.instructions, args.signature_index)?;
    let taker_allowed = quote.taker == Pubkey::default() || quote.taker == accounts.taker.key();
    let ours = quote.group == accounts.group.key() && quote.maker == accounts.maker.key() && taker_allowed;
    require!(ours, MargraveError::QuoteOfOthers);
    {
        let (taker, mut maker) = (accounts.taker.load()?, accounts.maker.load_mut()?);
        require!(taker.may_trade(accounts.taker_authority.key, now), MargraveError::SignerMayNotTrade);
        require!(maker.quotes_since == quote.quotes_since, MargraveError::QuoteOfOthers);
        require!(maker.may_trade(&signer, now), MargraveError::QuoteSignerMayNotTrade);
        maker.fill_quote(&quote, args.units, now)?;
    }
    let units = i64::try_from(args.units).map_err(|_| MargraveError::ValueOutOfRange)?;
    let times = |leg: &Leg| {
        let quantity = leg.quantity.checked_mul(units).ok_or(MargraveError::ValueOutOfRange)?;
        Ok(Leg { quantity, ..*leg })
    };
    let legs = quote.legs.iter().map(times).collect::<Result<Vec<_>>>()?;
    let trade = TradeArgs { legs, sheets: args.sheets };
    let (group, taker, maker) = (&accounts.group, &accounts.taker, &accounts.maker);
    let [taker, maker] = execute(group, taker, maker, ctx.remaining_accounts, &trade, present, unasked)?;

    let event = QuoteTraded { taker, maker, nonce: quote.nonce, units: args.units, legs: trade.legs };
    event.emit_by(&accounts.event_authority)
}
