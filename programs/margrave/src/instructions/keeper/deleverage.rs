use crate::{
    error::*, events::*, liquidation::Taken, losses::*, oracle::Action, portfolio::*, state::*, trading::Sheet,
};
use anchor_lang::prelude::*;
use margrave_risk::Quantity;

#[event_cpi]
#[derive(Accounts)]
pub struct Deleverage<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub bankrupt: AccountLoader<'info, MarginAccount>,
    /// The first of the queue.
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = margin_account.key() != bankrupt.key() @ MargraveError::SelfDealing,
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
    #[account(mut, address = group.load()?.quote_bank @ MargraveError::BankMissing)]
    pub quote_bank: AccountLoader<'info, Bank>,
    // remaining - the banks and other underlyings of the bankrupt account; those it owes something must be writable
}

/// Closes a bankrupt account's position against the first of the queue: at the mark, and where floor and insurance do not reach, at the
/// price at which the bankrupt account owes no more than they pay, as far as the profit of the account opposite bears it (I-27).
/// Anyone, when the notice has run out.
pub fn deleverage<'info>(ctx: Context<'info, Deleverage<'info>>, instrument: Instrument) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let (accounts, key) = (&*ctx.accounts, ctx.accounts.underlying.key());
    let group = accounts.group.load()?;
    let named = [accounts.underlying.as_ref(), accounts.quote_bank.as_ref()];
    let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
    let (mut bankrupt, mut account) = (accounts.bankrupt.load_mut()?, accounts.margin_account.load_mut()?);
    bankrupt.require_deleverageable(&directory, &group.terms, now)?;
    bankrupt.require_insolvent(&mut Arranged::new(&group)?, &directory, now)?;
    let mut underlying = accounts.underlying.load_mut()?;
    let queue = &underlying.losses.queue;
    require!(queue.is_about(&accounts.bankrupt.key(), &instrument), MargraveError::NotFirstInQueue);
    require!(now >= queue.ready_at, MargraveError::NoticeRunning);
    let first = queue.candidates[0].margin_account;
    require_keys_eq!(first, accounts.margin_account.key(), MargraveError::NotFirstInQueue);

    for one in [&mut bankrupt, &mut account] {
        // Whoever has left holds nothing here.
        if let Some(index) = one.risk_in(&key) {
            one.realise(index, &underlying, now)?;
            one.report(index, &mut underlying)?;
        }
    }
    let claim = |one: &MarginAccount| one.risk_in(&key).map_or(0, |index| one.risk[index].claim);
    // What an option has lost is in its price.
    let at = bankrupt.position_in(&key, &instrument).ok_or(MargraveError::NoPosition)?;
    let mark =
        if instrument.kind.is_option() { option_value(&bankrupt.positions[at], key, &underlying, now)? } else { 0 };
    let deficit = claim(&bankrupt).saturating_add(mark).min(0).saturating_neg();
    let profit = account.bearable(&key, &instrument, &underlying, now)?;
    let insured = {
        let bank = accounts.quote_bank.load()?;
        let room = underlying.losses.insured.room(underlying.market.insurance_cap, now);
        let own = bank.atoms_down(bankrupt.shares_in(&accounts.quote_bank.key()).max(0).unsigned_abs())?;
        let claims = bankrupt.risk.iter().filter(|slot| slot.underlying != key);
        let claims = claims.fold(0u64, |sum, slot| sum.saturating_add(slot.claim.max(0).unsigned_abs()));
        underlying.losses.first_loss.saturating_add(bank.insurance.min(room)).saturating_add(own).saturating_add(claims)
    };
    let uncovered = deficit.unsigned_abs().saturating_sub(insured);
    let (wanted, offered) =
        (bankrupt.position_of(&key, &instrument)?, account.position_of(&key, &instrument).unwrap_or(0));
    let size = closable(wanted, offered);
    // Whoever has gained nothing is closed at a mark of now and not at one of hours ago; whoever has left only makes room.
    if size > 0 && profit <= 0 {
        underlying.oracle.require_good_for(Action::Liquidate, now)?;
    }
    let (mut quantity, mut price_paid, mut concession) = (0, 0, 0);
    if size > 0 {
        let share = u128::from(uncovered) * u128::from(size.unsigned_abs());
        let share = share.div_ceil(u128::from(wanted.unsigned_abs()));
        // Profit bears it and nothing else; what that does not reach is covered when the account is closed.
        concession = i64::try_from(share).map_err(|_| MargraveError::ValueOutOfRange)?.min(profit);
        quantity = size * wanted.signum();
        let (given, received);
        {
            let sheet = Sheet::of(key, &underlying, &instrument, now)?;
            let value = sheet.mark.value_down(Quantity::new(quantity), sheet.unit).or_refuse()?.micros();
            price_paid = value.checked_add(concession).ok_or(MargraveError::ValueOutOfRange)?;
            let taken = Taken { instrument, quantity, price_paid, fee: -concession };
            given = bankrupt.take_over(&sheet, key, &taken, -1)?;
            received = account.take_over(&sheet, key, &taken, 1)?;
        }
        underlying.change_interest(&instrument, given + received)?;
    }
    let left = bankrupt.position_of(&key, &instrument).unwrap_or(0);
    if left == 0 {
        underlying.losses.queue = bytemuck::Zeroable::zeroed();
    } else {
        // Nothing of its position is left, or never was: the next one's turn.
        underlying.losses.queue.remove_first();
    }
    underlying.invariant()?;
    drop(underlying); // the valuation reads it
    account.count_change()?;
    account.compact()?;
    account.invariant()?;
    bankrupt.restate(&group, &directory, now)?;

    let event = Deleveraged {
        underlying: key,
        bankrupt: accounts.bankrupt.key(),
        margin_account: accounts.margin_account.key(),
        instrument,
        quantity,
        price_paid,
        concession,
    };
    event.emit_by(&accounts.event_authority)
}
