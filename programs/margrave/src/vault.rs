//! Tokens in and out of a bank's vault, and which tokens may be in one.

use crate::{
    constants::*,
    error::*,
    state::Bank,
    token::{Mint, TokenAccount},
};
use anchor_lang::prelude::*;
use anchor_spl::{
    token_2022::{
        self,
        spl_token_2022::{
            extension::{BaseStateWithExtensions, ExtensionType, StateWithExtensions},
            state::Mint as MintState,
        },
    },
    token_interface::{self, TokenInterface, TransferChecked},
};

/// Extensions of a Token-2022 mint that change nothing for a holder, or only what arrives. Everything else is refused: hooks
/// run foreign code, permanent delegates and default-frozen accounts take or hold the vault's tokens, confidential and
/// non-transferable ones hide or stop them.
const ALLOWED_EXTENSIONS: [ExtensionType; 7] = [
    ExtensionType::TransferFeeConfig,
    ExtensionType::MetadataPointer,
    ExtensionType::TokenMetadata,
    ExtensionType::GroupPointer,
    ExtensionType::TokenGroup,
    ExtensionType::GroupMemberPointer,
    ExtensionType::TokenGroupMember,
];

/// Refuses a mint with an extension that is not on the list, or that this program does not know. Checked where a token is listed
/// and where it comes in; what is in may always leave.
pub fn require_allowed_mint(mint: &AccountInfo) -> Result<()> {
    if *mint.owner != token_2022::ID {
        return Ok(());
    }
    let data = mint.try_borrow_data()?;
    let state = StateWithExtensions::<MintState>::unpack(&data).map_err(|_| error!(MargraveError::TokenNotAllowed))?;
    let extensions = state.get_extension_types().map_err(|_| error!(MargraveError::TokenNotAllowed))?;
    let allowed = extensions.iter().all(|extension| ALLOWED_EXTENSIONS.contains(extension));
    require!(allowed, MargraveError::TokenNotAllowed);
    Ok(())
}

/// Moves `amount` from `source` to the vault and returns what arrived, and what the vault holds then.
pub fn receive<'info>(
    authority: &Signer<'info>,
    source: &InterfaceAccount<'info, TokenAccount>,
    vault: &mut InterfaceAccount<'info, TokenAccount>,
    mint: &InterfaceAccount<'info, Mint>,
    token_program: &Interface<'info, TokenInterface>,
    amount: u64,
) -> Result<(u64, u64)> {
    let before = vault.amount;
    let accounts = TransferChecked {
        from: source.to_account_info(),
        mint: mint.to_account_info(),
        to: vault.to_account_info(),
        authority: authority.to_account_info(),
    };
    let context = CpiContext::new(token_program.key(), accounts);
    token_interface::transfer_checked(context, amount, mint.decimals)?;
    vault.reload()?;
    let received = vault.amount.checked_sub(before).ok_or(MargraveError::InvariantViolated)?;
    Ok((received, vault.amount))
}

/// Moves `amount` from the vault to `destination`, and requires that the bank is solvent afterwards (I-01).
pub fn pay_out<'info>(
    bank: &AccountLoader<'info, Bank>,
    vault: &mut InterfaceAccount<'info, TokenAccount>,
    destination: &InterfaceAccount<'info, TokenAccount>,
    mint: &InterfaceAccount<'info, Mint>,
    token_program: &Interface<'info, TokenInterface>,
    amount: u64,
) -> Result<()> {
    let (group, mint_key, bump) = {
        let bank = bank.load()?;
        (bank.group, bank.mint, bank.bump)
    };
    let seeds: &[&[u8]] = &[BANK_SEED, group.as_ref(), mint_key.as_ref(), &[bump]];
    let accounts = TransferChecked {
        from: vault.to_account_info(),
        mint: mint.to_account_info(),
        to: destination.to_account_info(),
        authority: bank.to_account_info(),
    };
    let signers = [seeds];
    let context = CpiContext::new_with_signer(token_program.key(), accounts, &signers);
    token_interface::transfer_checked(context, amount, mint.decimals)?;
    vault.reload()?;
    bank.load()?.require_solvent(vault.amount)
}
