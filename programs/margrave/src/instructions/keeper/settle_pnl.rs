use crate::{breaker::*, error::*, events::*, oracle::Action, portfolio::*, state::*};
use anchor_lang::prelude::*;

#[event_cpi]
#[derive(Accounts)]
pub struct SettlePnl<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
    #[account(mut, address = group.load()?.quote_bank @ MargraveError::BankMissing)]
    pub quote_bank: AccountLoader<'info, Bank>,
    /// With `borrow`: the account's owner, who alone takes loans for it.
    pub owner: Option<Signer<'info>>,
    // remaining - with `borrow` the account's banks and underlyings
}

/// Realises the profit and loss of an account's perps and futures on one underlying at the mark, then pays a loss from the
/// account's quote deposit into the pool, or a profit from the pool into the deposit, as far as either goes. Anyone.
///
/// No winner is paid before a loser has paid (I-03, I-08), nor while a deficit is open or may still have to be declared (I-28).
/// What a deposit does not cover stays owed; with `borrow` it becomes a
/// loan if its owner signs and the account meets its initial margin, so that lenders never take over a loss that is not covered.
pub fn settle_pnl<'info>(ctx: Context<'info, SettlePnl<'info>>, borrow: bool) -> Result<()> {
    let present = Present::get()?;
    let now = present.now;
    let (accounts, key) = (&*ctx.accounts, ctx.accounts.underlying.key());
    let group = accounts.group.load()?;
    let mut account = accounts.margin_account.load_mut()?;
    if borrow {
        let owner = accounts.owner.as_ref().map(|owner| owner.key());
        require!(owner == Some(account.owner), MargraveError::SignerIsNotOwner);
    }
    let index = account.risk_in(&key).ok_or(MargraveError::NoPosition)?;

    let paid = {
        let mut underlying = accounts.underlying.load_mut()?;
        let mut bank = accounts.quote_bank.load_mut()?;
        bank.accrue(now)?;
        account.realise(index, &underlying, now)?;
        underlying.bear_loss(&mut account.risk[index], &group.terms, now)?;
        let quote_bank = accounts.quote_bank.key();
        // Who can never pay draws what he is owed: that bears his losses first.
        let draws = !underlying.losses.is_open(now) || account.owes_at_any_price(&quote_bank, &bank)?;
        // A deposit does not leave a bank whose loss is open by way of a pool.
        if account.risk[index].claim < 0 && !account.is_bankrupt() {
            bank.require_no_deficit(now)?;
        }
        let lending = if borrow { Lending::Allowed } else { Lending::Refused };
        let paid = account.settle_claim(index, &mut underlying, &mut bank, quote_bank, lending, draws, &present)?;
        account.report(index, &mut underlying)?;
        underlying.invariant()?;
        bank.invariant()?;
        paid
    }; // release both: the valuation reads them again
    account.count_change()?;
    account.compact()?;
    account.invariant()?;
    if account.shares_in(&accounts.quote_bank.key()) < 0 && paid > 0 && borrow {
        group.require_running(Pause::BORROW, now)?;
        let named = [accounts.quote_bank.as_ref(), accounts.underlying.as_ref()];
        let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
        require_not_stopped(&account, &directory, &present, Lending::Allowed)?;
        let mut arranged = Arranged::new(&group)?;
        require_initial_margin(&revalue(&mut account, &mut arranged, &directory, Action::AddRisk, now)?)?;
        require_debt_in_range(&account, &accounts.quote_bank.key(), &directory, now)?;
    }

    let event = PnlSettled {
        margin_account: accounts.margin_account.key(),
        underlying: key,
        paid,
        claim: account.risk_in(&key).map_or(0, |index| account.risk[index].claim),
        pool: accounts.underlying.load()?.pool.balance,
        sequence: account.sequence,
    };
    event.emit_by(&accounts.event_authority)
}
