use crate::{error::*, events::*, state::*, token::*, vault::pay_out};
use anchor_lang::{
    prelude::*,
    solana_program::instruction::{TRANSACTION_LEVEL_STACK_HEIGHT, get_stack_height},
};
use anchor_spl::token_interface::TokenInterface;
use solana_instructions_sysvar::{load_current_index_checked, load_instruction_at_checked};

#[event_cpi]
#[derive(Accounts)]
pub struct BeginBracket<'info> {
    pub group: AccountLoader<'info, Group>,
    /// Anybody: no margin account and no inventory are needed.
    pub liquidator: Signer<'info>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub liquidatee: AccountLoader<'info, MarginAccount>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        has_one = mint @ MargraveError::MintMismatch,
        has_one = vault @ MargraveError::VaultMismatch,
    )]
    pub bank: AccountLoader<'info, Bank>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub outflow_limit: AccountLoader<'info, OutflowLimit>,
    #[account(mut, dup)]
    pub vault: InterfaceAccount<'info, TokenAccount>,
    // mint - checked by the bank
    pub mint: InterfaceAccount<'info, Mint>,
    #[account(
        mut,
        dup,
        constraint = destination.key() != vault.key() @ error::ErrorCode::ConstraintDuplicateMutableAccount,
        constraint = destination.mint == mint.key() @ MargraveError::MintMismatch,
    )]
    pub destination: InterfaceAccount<'info, TokenAccount>,
    pub token_program: Interface<'info, TokenInterface>,
    /// CHECK: the instructions sysvar by its address.
    #[account(address = solana_instructions_sysvar::ID @ MargraveError::BracketNotEnded)]
    pub instructions: UncheckedAccount<'info>,
}

/// Takes `amount` atoms of collateral out of an account, to be sold elsewhere; `end_bracket`, later in the same transaction, pays in
/// what it was sold for and requires that the account was below its maintenance margin, or all of it is undone. Until then nothing
/// else of this program touches the account or values it.
///
/// What leaves counts against the outflow limits (I-31); the other ways of liquidation move no tokens and are never limited.
pub fn begin_bracket<'info>(ctx: Context<'info, BeginBracket<'info>>, amount: u64) -> Result<()> {
    require!(amount > 0, MargraveError::AmountMustBePositive);
    let now = Clock::get()?.unix_timestamp;
    let accounts = &mut *ctx.accounts;
    require!(get_stack_height() == TRANSACTION_LEVEL_STACK_HEIGHT, MargraveError::BracketCalledByProgram);
    require_ended(&accounts.instructions, accounts.liquidatee.key())?;
    let key = accounts.bank.key();
    {
        let mut account = accounts.liquidatee.load_mut()?;
        require!(account.bracket.open == 0, MargraveError::BracketOpen);
        let slot = account.collateral.iter().position(|slot| !slot.is_empty() && slot.bank == key);
        let slot = slot.ok_or(MargraveError::NothingToRepay)?;
        let mut bank = accounts.bank.load_mut()?;
        bank.accrue(now)?;
        let shares = bank.debit(account.collateral[slot].shares, amount, Lending::Refused)?;
        require!(amount <= accounts.vault.amount, MargraveError::VaultIlliquid);
        bank.count_outflow(&mut *accounts.outflow_limit.load_mut()?, &*accounts.group.load()?, amount, now)?;
        bank.invariant()?;
        account.bracket = Bracket {
            liquidator: accounts.liquidator.key(),
            amount,
            shares,
            slot: u8::try_from(slot).map_err(|_| MargraveError::InvariantViolated)?,
            open: 1,
            padding: [0; 22],
        };
    } // release everything: the bank signs for the vault next
    pay_out(
        &accounts.bank,
        &mut accounts.vault,
        &accounts.destination,
        &accounts.mint,
        &accounts.token_program,
        amount,
    )?;

    let liquidatee = accounts.liquidatee.key();
    let event = BracketOpened { liquidatee, liquidator: accounts.liquidator.key(), bank: key, amount };
    event.emit_by(&accounts.event_authority)
}

/// Requires that a later instruction of the transaction ends the bracket, and that nothing of this program is between.
fn require_ended(instructions: &AccountInfo, liquidatee: Pubkey) -> Result<()> {
    let here = load_current_index_checked(instructions).map_err(|_| error!(MargraveError::BracketNotEnded))?;
    let mut index = usize::from(here) + 1;
    loop {
        let next =
            load_instruction_at_checked(index, instructions).map_err(|_| error!(MargraveError::BracketNotEnded))?;
        if next.program_id == crate::ID {
            if next.data.starts_with(crate::instruction::EndBracket::DISCRIMINATOR) {
                let ends = next.accounts.get(END_BRACKET_LIQUIDATEE).is_some_and(|meta| meta.pubkey == liquidatee);
                require!(ends, MargraveError::BracketNotEnded);
                return Ok(());
            }
            return err!(MargraveError::BracketNotEnded);
        }
        index += 1;
    }
}

/// Where `end_bracket` names the account.
const END_BRACKET_LIQUIDATEE: usize = 2;
