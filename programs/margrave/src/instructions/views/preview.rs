use crate::{constants::*, error::*, oracle::Action, portfolio::*, state::*, trading::*};
use anchor_lang::prelude::*;
use margrave_risk::Valuation;

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct PreviewArgs {
    /// What the account would trade, as the taker; up to eight.
    pub legs: Vec<Leg>,
    /// For each leg the place of its underlying among the remaining accounts.
    pub sheets: Vec<u8>,
    pub balances: Vec<BalanceChange>,
}

/// A deposit, or with a negative amount a withdrawal.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct BalanceChange {
    /// Place of the bank among the remaining accounts.
    pub bank: u8,
    /// Atoms.
    pub amount: i64,
}

#[derive(Accounts)]
pub struct PreviewChange<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(has_one = group @ MargraveError::GroupMismatch)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    // remaining - the account's banks and underlyings, and those of the change
}

/// The margin numbers of an account before and after a trade, deposits and withdrawals that it thinks of, by the very code that
/// would decide. Nothing is written; read the return data of a simulation.
///
/// Counterparty, caps and liquidity are not looked at: what is answered is whether the account could carry the result.
pub fn preview<'info>(ctx: Context<'info, PreviewChange<'info>>, args: PreviewArgs) -> Result<PreviewAnswer> {
    let now = Clock::get()?.unix_timestamp;
    require!(args.legs.len() == args.sheets.len(), MargraveError::LegsOutOfRange);
    let directory = InstructionAccounts::new(&[], ctx.remaining_accounts);
    let key_at = |place: u8| directory.at(place).map(|info| *info.key);
    let legs = args.legs.iter().zip(&args.sheets).map(|(leg, sheet)| Ok((key_at(*sheet)?, *leg)));
    let balances = args.balances.iter().map(|change| Ok((key_at(change.bank)?, change.amount)));
    let change = Hypothesis { legs: legs.collect::<Result<_>>()?, balances: balances.collect::<Result<_>>()? };
    let (group, account) = (ctx.accounts.group.load()?, ctx.accounts.margin_account.load()?);
    preview_of(&account, (ctx.accounts.group.key(), &group), &directory, &change, now)
}

/// A trade, deposits and withdrawals that an account thinks of.
#[derive(Clone, Debug, Default)]
pub struct Hypothesis {
    /// What the account would trade, as the taker, each leg with the address of its underlying; up to eight.
    pub legs: Vec<(Pubkey, Leg)>,
    /// By bank, atoms: deposits, or with a negative amount withdrawals.
    pub balances: Vec<(Pubkey, i64)>,
}

/// What [`preview`] answers, wherever the accounts come from.
pub fn preview_of(
    account: &MarginAccount,
    (group_key, group): (Pubkey, &Group),
    directory: &impl Directory,
    change: &Hypothesis,
    now: i64,
) -> Result<PreviewAnswer> {
    require!(change.legs.len() <= MAX_LEGS, MargraveError::LegsOutOfRange);
    require!(change.balances.len() <= MAX_COLLATERALS, MargraveError::CollateralLimitExceeded);
    let mut account = copy_of(account);
    let mut arranged = Arranged::new(group)?;
    arranged.read(&account, directory, Action::AddRisk, now)?;
    let before = Numbers::of(&arranged.valuation()?);

    let mut premium = 0i64;
    for (key, leg) in &change.legs {
        let underlying = directory.underlying(key)?;
        require_keys_eq!(underlying.group, group_key, MargraveError::GroupMismatch);
        require!(underlying.index == leg.underlying, MargraveError::UnderlyingMissing);
        let paid = account.preview_leg(*key, &underlying, leg, now)?;
        premium = premium.checked_add(paid).ok_or(MargraveError::ValueOutOfRange)?;
    }
    for (key, amount) in &change.balances {
        let mut bank = *directory.bank(key)?;
        require_keys_eq!(bank.group, group_key, MargraveError::GroupMismatch);
        bank.accrue(now)?;
        let shares = account.shares_in(key);
        let shares = match *amount >= 0 {
            true => bank.credit(shares, amount.unsigned_abs())?,
            false => bank.debit(shares, amount.unsigned_abs(), Lending::Allowed)?,
        };
        account.set_shares(*key, bank.underlying, shares)?;
    }
    account.compact()?;
    arranged.read(&account, directory, Action::AddRisk, now)?;
    arranged.add_cash(-premium)?;
    let after = Numbers::of(&arranged.valuation()?);
    let answer = PreviewAnswer { before, after, premium, sequence: account.sequence };
    Ok(answer)
}

/// A copy on the heap that may be changed.
#[inline(never)]
fn copy_of(account: &MarginAccount) -> Box<MarginAccount> {
    let mut copy: Box<MarginAccount> = bytemuck::allocation::zeroed_box();
    bytemuck::bytes_of_mut(&mut *copy).copy_from_slice(bytemuck::bytes_of(account));
    copy
}

/// The return data of [`preview`].
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviewAnswer {
    pub before: Numbers,
    pub after: Numbers,
    /// What the legs' options cost in cash, micro-dollars; negative: bring.
    pub premium: i64,
    /// The account's sequence that this holds for.
    pub sequence: u64,
}

/// A valuation, in micro-dollars.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub equity: i64,
    pub initial_margin: i64,
    pub liquidation_end: i64,
    pub maintenance_margin: i64,
    /// Risk slot and cell of the worst scenario; 255 without exposure.
    pub worst_slot: u8,
    pub worst_cell: u8,
}

impl Numbers {
    pub fn of(valuation: &Valuation) -> Self {
        Self {
            equity: valuation.equity.micros(),
            initial_margin: valuation.initial_margin.micros(),
            liquidation_end: valuation.liquidation_end.micros(),
            maintenance_margin: valuation.maintenance_margin.micros(),
            worst_slot: valuation.worst.map_or(u8::MAX, |worst| worst.underlying),
            worst_cell: valuation.worst.map_or(u8::MAX, |worst| worst.cell.index()),
        }
    }
}
